package failover

// RetryShare is a provider's retry budget across requests, as values: every
// request that begins earns Percent of a retry, and at most Burst are saved up. It
// bounds what Turnout adds to the load of a provider that browns out, however many
// requests fail at once. The zero value earns nothing.
type RetryShare struct {
	Percent int // 0 to 100
	Burst   int
}

// RetryBudget is one provider's purse. It counts, and reads no clock. It is a
// value: the loop keeps one for each provider, behind its own lock, and the zero
// value is empty (begin with Full).
type RetryBudget struct {
	hundredths int
}

// Full is the purse that a provider begins with.
func (r RetryShare) Full() RetryBudget { return RetryBudget{hundredths: r.Burst * 100} }

// Earn is the purse after another request began at the provider.
func (r RetryShare) Earn(b RetryBudget) RetryBudget {
	return RetryBudget{hundredths: min(b.hundredths+r.Percent, r.Burst*100)}
}

// Left reports whether a retry may be paid for. If not, Outcome.NoRetries is true.
func (b RetryBudget) Left() bool { return b.hundredths >= 100 }

// Spend is the purse after a retry at the provider; it never goes below empty.
// What is a retry: every attempt that a failure of one of Policy.Braked's classes,
// at this provider, caused at this provider.
func (b RetryBudget) Spend() RetryBudget {
	return RetryBudget{hundredths: max(b.hundredths-100, 0)}
}
