package platform

import "turnout/internal/failover"

// openaiRows: error codes guide, read 2026-11.
var openaiRows = []Row{
	{ID: "openai.quota", Codes: []string{"insufficient_quota"}, Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization, Evidence: "error codes guide"},
	{ID: "openai.context", Codes: []string{"context_length_exceeded"}, Class: failover.ContextTooLong, Evidence: "400"},
	{ID: "openai.content", Codes: []string{"content_policy_violation", "content_filter"}, Class: failover.ContentRefused, Evidence: "400"},
	{ID: "openai.invalid", Status: []int{400, 413, 422}, Class: failover.CallerFault, Evidence: "error codes guide"},
	{ID: "openai.auth", Status: []int{401}, Class: failover.Credential, Scope: failover.ScopeAccount, Evidence: "error codes guide"},
	{ID: "openai.permission", Status: []int{403}, Class: failover.Permission, Scope: failover.ScopeAccountModel, Evidence: "error codes guide"},
	{ID: "openai.model", Status: []int{404}, Class: failover.ModelGone, Scope: failover.ScopeAccountModel, Evidence: "error codes guide"},
	{ID: "openai.rate", Status: []int{429}, Class: failover.RateLimited, Scope: failover.ScopeOrganization, Evidence: "rate limits guide: limits are per organisation and project"},
	{ID: "openai.server", Status: []int{500, 502, 503, 504}, Class: failover.Transient, Scope: failover.ScopeAccount, RetrySame: true, Evidence: "error codes guide"},
	{ID: "openai.error-in-band", InBand: true, Class: failover.Transient, Scope: failover.ScopeAccount, Evidence: "mid-stream errors"},
}
