package platform

import "turnout/internal/failover"

// anthropicRows: errors page of the API reference, read 2026-11.
var anthropicRows = []Row{
	{ID: "anthropic.credit", Status: []int{400, 402}, Text: []string{"credit balance is too low"}, Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization, Evidence: "sent as a 400 invalid_request_error although the account is at fault"},
	{ID: "anthropic.too-long", Status: []int{400, 413}, Text: []string{"prompt is too long"}, Class: failover.ContextTooLong, Evidence: "400 invalid_request_error"},
	{ID: "anthropic.invalid", Status: []int{400, 413, 422}, Class: failover.CallerFault, Evidence: "errors page"},
	{ID: "anthropic.auth", Status: []int{401}, Class: failover.Credential, Scope: failover.ScopeAccount, Evidence: "errors page"},
	{ID: "anthropic.billing", Status: []int{402}, Class: failover.QuotaExhausted, Scope: failover.ScopeOrganization, Evidence: "errors page: billing_error"},
	{ID: "anthropic.permission", Status: []int{403}, Class: failover.Permission, Scope: failover.ScopeAccountModel, Evidence: "errors page"},
	{ID: "anthropic.not-found", Status: []int{404}, Class: failover.ModelGone, Scope: failover.ScopeAccountModel, Evidence: "errors page"},
	{ID: "anthropic.rate", Status: []int{429}, Class: failover.RateLimited, Scope: failover.ScopeOrganization, Evidence: "rate limits page: limits are per organisation"},
	{ID: "anthropic.rate-in-band", Types: []string{"rate_limit_error"}, Class: failover.RateLimited, Scope: failover.ScopeOrganization, Evidence: "streaming page"},
	{ID: "anthropic.overloaded", Status: []int{529}, Class: failover.Capacity, Scope: failover.ScopeProvider, Evidence: "errors page"},
	{ID: "anthropic.overloaded-in-band", Types: []string{"overloaded_error"}, Class: failover.Capacity, Scope: failover.ScopeProvider, Evidence: "streaming page"},
	{ID: "anthropic.server", Status: []int{500, 502, 503, 504}, Class: failover.Transient, Scope: failover.ScopeAccount, RetrySame: true, Evidence: "errors page"},
	{ID: "anthropic.error-in-band", InBand: true, Class: failover.Transient, Scope: failover.ScopeAccount, Evidence: "streaming page"},
}
