package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"turnout/internal/sim"
)

// TestModels: the list is the union of what the key's accounts serve, in the shape of the
// SDK that asks, and no longer than the key's allow list.
func TestModels(t *testing.T) {
	p := startProvider(t, sim.Options{Models: []string{"claude-sim-1", "claude-sim-2"}})
	q := startProvider(t, sim.Options{Models: []string{"gpt-sim-1"}})
	down := startProvider(t, sim.Options{})
	const narrow = "tk-narrow-0123456789abcdef"
	g := startGateway(t, "accounts:\n"+
		account(p, "anthropic", "a", "sk-sim-a", "")+
		account(q, "openai", "b", "sk-sim-b", "")+
		account(q, "openai", "exact", "sk-sim-c", "models: {small: gpt-sim-1, alias: gpt-sim-1}")+
		account(down, "openai", "down", "sk-sim-d-fail500", "")+
		keys+"  - {name: narrow, secret: "+narrow+", models: [\"claude-*\", small]}\n")
	all := []string{"alias", "claude-sim-1", "claude-sim-2", "gpt-sim-1", "small"}
	some := []string{"claude-sim-1", "claude-sim-2", "small"}
	for _, c := range []struct {
		name   string
		header map[string]string
		claude bool
		want   []string
	}{
		{"Anthropic's SDK", map[string]string{"X-Api-Key": teamKey, "Anthropic-Version": "2023-06-01"}, true, all},
		{"Anthropic's SDK with a token", map[string]string{"Authorization": "Bearer " + teamKey, "Anthropic-Version": "2026-10-21"}, true, all},
		{"OpenAI's SDK", map[string]string{"Authorization": "Bearer " + teamKey}, false, all},
		{"with an allow list", map[string]string{"Authorization": "Bearer " + narrow}, false, some},
		{"with an allow list, Anthropic's SDK", map[string]string{"X-Api-Key": narrow}, true, some},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, g.base+"/v1/models", nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			resp, err := newClient(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			var list struct {
				Object  string
				HasMore *bool   `json:"has_more"`
				FirstID *string `json:"first_id"`
				LastID  *string `json:"last_id"`
				Data    []struct {
					ID, Type, Object string
					DisplayName      string `json:"display_name"`
					CreatedAt        string `json:"created_at"`
					OwnedBy          string `json:"owned_by"`
				}
			}
			if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, m := range list.Data {
				ids = append(ids, m.ID)
				if c.claude && (m.Type != "model" || m.DisplayName == "" || m.CreatedAt == "") || !c.claude && (m.Object != "model" || m.OwnedBy == "") {
					t.Errorf("not the shape: %+v", m)
				}
			}
			if !slices.Equal(ids, c.want) {
				t.Errorf("got %v, want %v", ids, c.want)
			}
			if c.claude != (list.HasMore != nil && list.FirstID != nil && *list.FirstID == c.want[0]) || c.claude == (list.Object == "list") {
				t.Errorf("not the shape: %+v", list)
			}
		})
	}
	asked := len(p.Requests()) + len(q.Requests())
	if asked > 3 {
		t.Errorf("the providers were asked %d times: the lists are not kept", asked)
	}
}
