package gemini

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"turnout/internal/dialect"
)

type modelRow struct {
	Name        string   `json:"name"`
	BaseModelID string   `json:"baseModelId,omitempty"`
	Version     string   `json:"version,omitempty"`
	DisplayName string   `json:"displayName"`
	Methods     []string `json:"supportedGenerationMethods"`
}

type modelPage struct {
	Models []modelRow `json:"models"`
	Next   string     `json:"nextPageToken,omitempty"`
}

// generating is the method without which a model is not asked through this gateway, or embedding.
var generating = []string{"generateContent", "embedContent"}

// Models implements dialect.Dialect: one page, because nobody asks a gateway for the next one.
func (Dialect) Models(models []dialect.Model) []byte {
	page := modelPage{Models: make([]modelRow, 0, len(models))}
	for _, m := range models {
		page.Models = append(page.Models, row(m))
	}
	out, _ := json.Marshal(page) // strings always encode
	return out
}

func row(m dialect.Model) modelRow {
	name := m.Name
	if name == "" {
		name = m.ID
	}
	methods := []string{"generateContent", "streamGenerateContent", "countTokens"}
	switch {
	case m.Translated:
		methods = methods[:2]
	case strings.Contains(m.ID, "embedding"):
		methods = []string{"embedContent", "countTokens"}
	}
	return modelRow{Name: resource(m.ID), DisplayName: name, Methods: methods}
}

// Model implements dialect.Dialect.
func (Dialect) Model(m dialect.Model) []byte {
	out, _ := json.Marshal(row(m))
	return out
}

// resource is a model's resource name: of Google's own collection unless it names another one.
func resource(id string) string {
	if strings.HasPrefix(id, "tunedModels/") {
		return id
	}
	return "models/" + strings.TrimPrefix(id, "models/")
}

// ModelList implements dialect.Dialect. The first page is all of it: the question asks for 1000 rows, the most
// that a page holds (API reference, models.list). What can neither generate nor embed (images, videos, live audio)
// has no path here and is left out.
func (Dialect) ModelList(body []byte) ([]dialect.Model, error) {
	var page modelPage
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("read a model list: %w", err)
	}
	out := make([]dialect.Model, 0, len(page.Models))
	for _, r := range page.Models {
		if r.Methods != nil && !slices.ContainsFunc(r.Methods, func(m string) bool { return slices.Contains(generating, m) }) {
			continue
		}
		out = append(out, dialect.Model{ID: strings.TrimPrefix(r.Name, "models/"), Name: r.DisplayName, Owner: "google"})
	}
	return out, nil
}
