package dialect

import "turnout/internal/domain"

// Tier reads a service tier as an answer states it, a JSON string. OpenAI: "auto", "default", "flex", "priority" and since 2026-07-30 "fast" for the
// same (openai.com/api-fast-mode), "scale". Anthropic: "standard", "priority", "batch". Gemini: serviceTier "flex" and so on, and
// trafficType "ON_DEMAND", "ON_DEMAND_FLEX", "ON_DEMAND_PRIORITY", "PROVISIONED_THROUGHPUT" (API references, read 2026-11). What is not known
// has the standard prices.
func Tier(v []byte) domain.Tier {
	if len(v) < 2 || v[0] != '"' {
		return domain.TierStandard
	}
	switch string(v[1 : len(v)-1]) {
	case "flex", "FLEX", "SERVICE_TIER_FLEX", "ON_DEMAND_FLEX":
		return domain.TierFlex
	case "priority", "fast", "PRIORITY", "SERVICE_TIER_PRIORITY", "ON_DEMAND_PRIORITY":
		return domain.TierPriority
	case "batch", "BATCH":
		return domain.TierBatch
	}
	return domain.TierStandard
}
