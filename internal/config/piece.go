package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"turnout/internal/domain"
)

// Known are the names of what exists beside the objects of a piece.
type Known struct{ Pools, Teams, Users []string }

// maxPiece bounds what comes through the admin API at once: a line of JSON, which is read as one of YAML.
const maxPiece = 60 << 10

// sections may come through the admin API.
var sections = []string{"accounts", "keys", "pools", "teams", "users"}

// ParsePiece reads one object that came through the admin API: JSON with what may stand in the file under
// the section. It is read by the same rules, with the same words; its origin is the API. What it names may be known from elsewhere. A key
// needs no secret.
func ParsePiece(section string, object []byte, known Known, platforms []Platform) (*Config, error) {
	if !slices.Contains(sections, section) {
		return nil, fmt.Errorf("there are no objects of the kind %q", section)
	}
	if len(object) > maxPiece {
		return nil, domain.Errorf(domain.KindInvalid, "read the object", "it is larger than %s", formatSize(maxPiece))
	}
	if object = bytes.TrimSpace(object); len(object) == 0 || object[0] != '{' || !json.Valid(object) {
		return nil, domain.Errorf(domain.KindInvalid, "read the object", "want one JSON object, with what may stand under %s in the configuration file", section)
	}
	text, err := json.Marshal(map[string][]json.RawMessage{section: {object}})
	if err != nil {
		return nil, err
	}
	r := &reader{file: "request", dir: ".", env: func(string) (string, bool) { return "", false }, platforms: platforms, known: &known, c: &Config{}}
	if root, ok := r.parseYAML(text); ok { // JSON is YAML
		r.root(root)
		r.crossCheck()
	}
	if len(r.problems) > 0 {
		for i := range r.problems { // lines of JSON that a machine has written help nobody
			r.problems[i].Line, r.problems[i].Column, r.problems[i].Source = 0, 0, "request"
		}
		return nil, r.sorted(r.problems)
	}
	if section != "pools" {
		r.c.Pools = nil
	}
	for i := range r.c.Accounts {
		r.c.Accounts[i].Origin = domain.OriginAPI
	}
	for i := range r.c.Keys {
		r.c.Keys[i].Origin = domain.OriginAPI
	}
	for i := range r.c.Pools {
		r.c.Pools[i].Origin = domain.OriginAPI
	}
	for i := range r.c.Teams {
		r.c.Teams[i].Origin = domain.OriginAPI
	}
	for i := range r.c.Users {
		r.c.Users[i].Origin = domain.OriginAPI
	}
	return r.c, nil
}
