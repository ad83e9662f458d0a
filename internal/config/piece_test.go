package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

// What JSON says is what is read, whatever YAML would make of it elsewhere.
func TestPiecesAreReadAsJSON(t *testing.T) {
	known := Known{Pools: []string{"default"}}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "key")
		object, err := json.Marshal(map[string]string{"name": "a", "platform": "openai", "api_key": key})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParsePiece("accounts", object, known, testPlatforms)
		if err != nil || c.Accounts[0].APIKey.Reveal() != key {
			t.Fatalf("%s: %v", object, err)
		}
	})
	for _, object := range []string{`{"name":"a","platform":"openai","api_key":"a\/b"}`, `{"name" : "a" , "platform":"openai","api_key":"a\u002fb"}`} {
		if c, err := ParsePiece("accounts", []byte(object), known, testPlatforms); err != nil || c.Accounts[0].APIKey.Reveal() != "a/b" {
			t.Errorf("%s: %v", object, err)
		}
	}
	large := fmt.Sprintf(`{"name":"a","platform":"openai","api_key":%q}`, strings.Repeat("canary", 11_000))
	if _, err := ParsePiece("accounts", []byte(large), known, testPlatforms); err == nil || !strings.Contains(err.Error(), "larger than 60KiB") {
		t.Errorf("%v", err)
	}
}

func TestParsePiece(t *testing.T) {
	known := Known{Pools: []string{"default", "spare"}, Teams: []string{"research"}, Users: []string{"ada"}}
	c, err := ParsePiece("keys", []byte(`{"name":"k1","owner":"team:research","pools":["spare"],"models":["claude-*","gpt-5"],"require":{"region":"eu"},`+
		`"expires":"2099-12-31","networks":["10.0.0.0/8"],"tags":{"project":"a"},"prepaid":true,"overdraft_usd":"0.5","price_factor":1.25,`+
		`"budgets":[{"period":"month","hard_usd":"5"}],"rates":{"requests_per_minute":"60","models":{"gpt-*":{"concurrency":2}}}}`), known, testPlatforms)
	if err != nil {
		t.Fatal(err)
	}
	k := c.Keys[0]
	if k.Origin != domain.OriginAPI || k.Team != "research" || k.Hash != [32]byte{} || len(k.Models) != 2 || k.Spending.Factor != 1_250_000 ||
		k.Spending.Overdraft != domain.Dollar/2 || k.Rates.Models["gpt-*"].Concurrency != 2 || !k.Expires.Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) || c.Pools != nil {
		t.Errorf("%+v", k)
	}
	if c, err = ParsePiece("keys", []byte(`{"name":"k2","secret_sha256":"5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"}`), known, testPlatforms); err != nil || c.Keys[0].Pools[0] != "default" || c.Keys[0].Hash == [32]byte{} {
		t.Errorf("%v, %v", c, err)
	}
	if c, err = ParsePiece("accounts", []byte(`{"name":"a","platform":"openai","api_key":"sk-canary"}`), known, testPlatforms); err != nil || c.Accounts[0].APIKey.Reveal() != "sk-canary" || c.Accounts[0].Origin != domain.OriginAPI {
		t.Errorf("%v, %v", c, err)
	}
	if c, err = ParsePiece("users", []byte(`{"name":"bob","team":"research"}`), known, testPlatforms); err != nil || c.Users[0].Team != "research" {
		t.Errorf("%v, %v", c, err)
	}
	if c, err = ParsePiece("pools", []byte(`{"name":"new","policy":"classic","budgets":[{"period":"day","soft_usd":"1"}]}`), known, testPlatforms); err != nil || c.Pools[0].Policy.Profile != "classic" {
		t.Errorf("%v, %v", c, err)
	}
	for _, c := range []struct{ section, object, want string }{
		{"keys", ``, "want one JSON object, with what may stand under keys in the configuration file"},
		{"keys", `[]`, "want one JSON object"},
		{"keys", `{"name":"a"} x`, "want one JSON object"},
		{"listen", `{}`, `no objects of the kind "listen"`},
		{"keys", `{}`, "request: keys[#1]: the key has no name: add name"},
		{"keys", `{"name":"a b"}`, "request: keys[#1].name: want 1 to 64 letters"},
		{"keys", `{"name":"k","owner":"team:reserch"}`, `request: keys[k].owner: there is no team "reserch" under teams (there are: research); did you mean "research"?`},
		{"keys", `{"name":"k","pools":["sparse"]}`, `request: keys[k].pools[#1]: there is no pool "sparse" under pools (there are: default, spare); did you mean "spare"?`},
		{"keys", `{"name":"k","modells":["a"]}`, `unknown key; did you mean "models"?`},
		{"keys", `{"name":"k","secret":"tk-canary"}`, "want 16 to 512 characters"},
		{"keys", `{"name":"k","name":"l"}`, "stands here a second time"},
		{"accounts", `{"name":"a","platform":"openai"}`, "the account has no API key"},
		{"accounts", `{"name":"a","platform":"openai","api_key_env":"HOME"}`, "the variables of the running gateway are not read"},
		{"accounts", `{"name":"a","platform":"openai","api_key_file":"/etc/passwd"}`, "files of the running gateway's machine are not read"},
	} {
		_, err := ParsePiece(c.section, []byte(c.object), known, testPlatforms)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s %s: %v; want %s", c.section, c.object, err, c.want)
		}
	}
}
