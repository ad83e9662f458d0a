package platform

import (
	"time"

	"turnout/internal/failover"
)

// ClassicPolicy is what a platform changes of the classic profile, by the name that
// conformance scenarios give it. A platform without a row changes nothing.
func ClassicPolicy(name string) failover.Override { return classicPolicies[name] }

// classicPolicies: Antigravity waits one second more before each further switch, and
// in single-account mode asks the same account at most three times, each time no
// later than 15 s and within 30 s in all (docs/failover.md, rules 8 and 9).
var classicPolicies = map[string]failover.Override{
	"antigravity": {
		SwitchBackoff: &failover.Backoff{Step: time.Second},
		Single: &failover.Rule{
			Max: 3, On: failover.AllClasses, NeedStated: true,
			LongestStated: 15 * time.Second, Total: 30 * time.Second,
		},
	},
}
