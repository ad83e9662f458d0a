package anthropic

import (
	"encoding/json"
	"fmt"
	"time"

	"turnout/internal/dialect"
)

type modelRow struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

type modelPage struct {
	Data    []modelRow `json:"data"`
	HasMore bool       `json:"has_more"`
	FirstID *string    `json:"first_id"`
	LastID  *string    `json:"last_id"`
}

// Models implements dialect.Dialect. A model without a known date carries the Unix epoch, as the
// API reference says it does.
func (Dialect) Models(models []dialect.Model) []byte {
	page := modelPage{Data: make([]modelRow, 0, len(models))}
	for _, m := range models {
		page.Data = append(page.Data, row(m))
	}
	if n := len(models); n > 0 {
		page.FirstID, page.LastID = &models[0].ID, &models[n-1].ID
	}
	out, _ := json.Marshal(page) // strings and booleans always encode
	return out
}

func row(m dialect.Model) modelRow {
	name := m.Name
	if name == "" {
		name = m.ID
	}
	return modelRow{"model", m.ID, name, time.Unix(m.Created, 0).UTC().Format(time.RFC3339)}
}

// Model implements dialect.Dialect.
func (Dialect) Model(m dialect.Model) []byte {
	out, _ := json.Marshal(row(m))
	return out
}

// ModelList implements dialect.Dialect.
func (Dialect) ModelList(body []byte) ([]dialect.Model, error) {
	var page modelPage
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("read a model list: %w", err)
	}
	out := make([]dialect.Model, 0, len(page.Data))
	for _, r := range page.Data {
		m := dialect.Model{ID: r.ID, Name: r.DisplayName, Owner: "anthropic"}
		if t, err := time.Parse(time.RFC3339, r.CreatedAt); err == nil {
			m.Created = t.Unix()
		}
		out = append(out, m)
	}
	return out, nil
}
