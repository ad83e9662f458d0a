package cli

import (
	"fmt"
	"strings"

	"turnout/internal/app"
	"turnout/internal/domain"
)

// flagWords say what is not plain about a settlement.
var flagWords = []struct {
	flag  domain.SettlementFlags
	words string
}{
	{domain.FlagEstimated, "estimated"}, {domain.FlagInterrupted, "interrupted"}, {domain.FlagUnpriced, "unpriced"}, {domain.FlagFlat, "flat"},
	{domain.FlagCache, "cache billed as read"}, {domain.FlagCapped, "beyond a limit"}, {domain.FlagUnusable, "figures contradict themselves"},
}

func flagList(f domain.SettlementFlags) []string {
	out := []string{}
	for _, w := range flagWords {
		if f&w.flag != 0 {
			out = append(out, w.words)
		}
	}
	return out
}

// costText tells what a request was settled with.
func costText(c *app.Cost) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  cost: %s charged to %s (prices %s", c.Charged, c.Payer, dash(c.Plan))
	if list := flagList(c.Flags); len(list) > 0 {
		fmt.Fprintf(&b, "; %s", strings.Join(list, ", "))
	}
	fmt.Fprintf(&b, "), %s at the account", c.Cost)
	for _, p := range []struct {
		amount domain.NanoUSD
		words  string
	}{{c.WrittenOff, "written off"}, {c.Switched, "not charged for a lost cache"}, {c.Lost, "lost by failed attempts"}} {
		if p.amount != 0 {
			fmt.Fprintf(&b, ", %s %s", p.amount, p.words)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func costJSON(c *app.Cost) map[string]any {
	return map[string]any{
		"payer": c.Payer, "plan": c.Plan, "tags": c.Tags, "flags": flagList(c.Flags), "charged_nano_usd": c.Charged, "written_off_nano_usd": c.WrittenOff,
		"switched_nano_usd": c.Switched, "cost_nano_usd": c.Cost, "lost_nano_usd": c.Lost,
	}
}
