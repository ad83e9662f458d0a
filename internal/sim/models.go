package sim

import (
	"net/http"
	"slices"
)

// listModels answers GET /v1/models, or with a name GET /v1/models/{name}.
func (x *exchange) listModels(name string) {
	var one any
	var all []any
	for _, m := range x.p.o.Models {
		var entry any
		if x.format == anthropic {
			entry = struct {
				Type        string `json:"type"`
				ID          string `json:"id"`
				DisplayName string `json:"display_name"`
				CreatedAt   string `json:"created_at"`
			}{"model", m, m, "2026-01-01T00:00:00Z"}
		} else {
			entry = struct {
				ID      string `json:"id"`
				Object  string `json:"object"`
				Created int64  `json:"created"`
				OwnedBy string `json:"owned_by"`
			}{m, "model", 1767225600, "sim"}
		}
		all = append(all, entry)
		if m == name {
			one = entry
		}
	}
	switch {
	case name != "" && !slices.Contains(x.p.o.Models, name):
		who := x.who()
		who.model = name
		x.fail(statusFailure(x.format, http.StatusNotFound, who))
		return
	case name != "":
	case x.format == anthropic:
		one = struct {
			Data    []any  `json:"data"`
			HasMore bool   `json:"has_more"`
			FirstID string `json:"first_id"`
			LastID  string `json:"last_id"`
		}{all, false, x.p.o.Models[0], x.p.o.Models[len(x.p.o.Models)-1]}
	default:
		one = struct {
			Object string `json:"object"`
			Data   []any  `json:"data"`
		}{"list", all}
	}
	x.set(OK)
	x.whole(http.StatusOK, "application/json", encode(one))
}
