package app

import (
	"strings"
	"testing"

	"turnout/internal/admin"
)

// TestEdit: what is given changes, what is not stays, null takes out; the next request finds it.
func TestEdit(t *testing.T) {
	p := newProvider(t)
	r := newRig(t, configuration(p.URL, "one=sk-one-11111111")+"teams: [{name: filed}]\nprices: [{model: m, input: 1.00, output: 2.00}]\n")
	a := r.start()
	do := func(kind, name, action, body string) error {
		t.Helper()
		_, err := a.Do(t.Context(), kind, name, action, []byte(body))
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(kind, object string) {
		t.Helper()
		_, err := a.Create(t.Context(), kind, []byte(object))
		must(err)
	}
	create(admin.Pools, `{"name":"spare","policy":{"profile":"classic"},"budgets":[{"period":"day","hard_usd":"1"}]}`)
	create(admin.Teams, `{"name":"ops","prepaid":true,"overdraft_usd":"1"}`)
	create(admin.Users, `{"name":"ada","team":"ops"}`)
	secret := made(t, a, `{"name":"k","owner":"user:ada","models":["m"],"tags":{"x":"1"},"price_factor":"1.5","budgets":[{"period":"day","hard_usd":"5"}],"rates":{"concurrency":3}}`)
	key := func() admin.Key {
		t.Helper()
		list, err := a.List(t.Context(), admin.Keys)
		must(err)
		return list.([]admin.Key)[0]
	}
	if status, body := r.ask(a, secret); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	must(do(admin.Keys, "k", "edit", `{"deny":["m"],"price_factor":null}`))
	if status, body := r.ask(a, secret); status != 403 || !strings.Contains(body, "denied") {
		t.Errorf("%d %s", status, body)
	}
	if k := key(); k.PriceFactor != "" || len(k.Models) != 1 || k.Tags["x"] != "1" || len(k.Budgets) != 1 || k.Rates.Concurrency != 3 || k.Owner != "user:ada" || k.Pools[0] != "default" {
		t.Errorf("%+v", k)
	}
	must(do(admin.Keys, "k", "edit", `{"deny":null,"owner":"team:ops","expires":"2099-12-31","pools":["default","spare"]}`))
	if status, _ := r.ask(a, secret); status != 200 {
		t.Errorf("%d", status)
	}
	if k := key(); len(k.Deny) != 0 || k.Owner != "team:ops" || k.Expires == nil || len(k.Pools) != 2 {
		t.Errorf("%+v", k)
	}

	// A team's rules reach its keys at once.
	must(do(admin.Teams, "ops", "edit", `{"models":["claude-*"],"overdraft_usd":"2"}`))
	if status, body := r.ask(a, secret); status != 403 || !strings.Contains(body, "the team") {
		t.Errorf("%d %s", status, body)
	}
	must(do(admin.Teams, "ops", "edit", `{"models":null}`))
	must(do(admin.Users, "ada", "edit", `{"team":null,"budgets":[{"period":"week","soft_usd":"3"}]}`))
	must(do(admin.Pools, "spare", "edit", `{"strategy":"fill_first","budgets":null}`))
	pools, err := a.List(t.Context(), admin.Pools)
	must(err)
	if s := pools.([]admin.Pool)[1]; s.Profile != "classic" || s.Strategy != "fill_first" || len(s.Budgets) != 0 {
		t.Errorf("%+v", s)
	}
	users, err := a.List(t.Context(), admin.Users)
	must(err)
	if u := users.([]admin.Owner)[0]; u.Team != "" || len(u.Budgets) != 1 {
		t.Errorf("%+v", u)
	}

	// An account gets another key: the next request goes there with it, and its rests are over.
	create(admin.Accounts, `{"name":"api","platform":"openai-compatible","base_url":"`+p.URL+`/v1","api_key":"sk-api-old","priority":"3","models":{"n":"n"}}`)
	must(do(admin.Accounts, "api", "rest", `{"for":"1h"}`))
	must(do(admin.Accounts, "api", "edit", `{"api_key":"sk-api-new","models":{"m":"m"},"weight":7,"billing":"flat"}`))
	must(do(admin.Accounts, "one", "pause", ``))
	if status, body := r.ask(a, secret); status != 200 || !strings.Contains(body, "Bearer sk-api-new") {
		t.Errorf("%d %s", status, body)
	}
	accounts, err := a.List(t.Context(), admin.Accounts)
	must(err)
	if x := accounts.([]admin.Account)[0]; x.Name != "api" || x.Priority != 3 || x.Weight != 7 || x.State != admin.StateEligible {
		t.Errorf("%+v", x)
	}

	for _, c := range []struct{ kind, name, body, want string }{
		{admin.Keys, "team", `{"models":["x"]}`, "is in the configuration file: change it there"},
		{admin.Teams, "filed", `{"models":["x"]}`, "is in the configuration file"},
		{admin.Keys, "nobody", `{"models":["x"]}`, `there is no key "nobody"`},
		{admin.Keys, "k", `{}`, "want a JSON object with the settings that change"},
		{admin.Keys, "k", `[]`, "want a JSON object"},
		{admin.Keys, "k", `{"name":"l"}`, "keeps its name"},
		{admin.Keys, "k", `{"secret":"tk-0123456789abcdef"}`, "secret is no setting that can be edited; those that can: budgets, commit, deny, expires"},
		{admin.Keys, "k", `{"models":"x"}`, "keys[k].models: want a list"},
		{admin.Keys, "k", `{"nonsense":1}`, "unknown key"},
		{admin.Keys, "k", `{"nonsense":null}`, "nonsense is no setting"},
		{admin.Keys, "k", `{"owner":"team:nobody"}`, "there is no team"},
		{admin.Teams, "ops", `{"prepaid":null}`, "overdraft_usd has no effect without prepaid"},
		{admin.Accounts, "api", `{"base_url":"ftp://x"}`, "want http://"},
		{admin.Accounts, "api", `{"platform":"openai"}`, "platform is no setting that can be edited"},
		{admin.Accounts, "api", `{"models":{"*":"b*c*"}}`, "at most"},
	} {
		snap := a.gateway.Snapshot()
		err := do(c.kind, c.name, "edit", c.body)
		if err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "pattern") || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%s %s: %v", c.name, c.body, err)
		}
		if a.gateway.Snapshot() != snap {
			t.Errorf("%s: something was put in force", c.body)
		}
	}
	if log := r.log.String(); strings.Contains(log, "sk-api") || !strings.Contains(log, "action=edit kind=accounts name=api") {
		t.Error("the log holds a secret, or does not say what was changed")
	}
}

// TestEverySettingCanBeEdited: what may stand in the file may be edited, but for names, secrets that are rotated, and what makes an account another one.
func TestEverySettingCanBeEdited(t *testing.T) {
	p := newProvider(t)
	a := newRig(t, configuration(p.URL, "one=sk-one-11111111")).start()
	never := map[string]string{
		admin.Keys: "name secret secret_sha256", admin.Teams: "name", admin.Users: "name", admin.Pools: "name",
		admin.Accounts: "name platform api_key_env api_key_file",
	}
	objects := map[string]string{
		admin.Keys: `{"name":"x"}`, admin.Teams: `{"name":"x"}`, admin.Users: `{"name":"x"}`, admin.Pools: `{"name":"x"}`, admin.Accounts: `{"name":"x","platform":"openai","api_key":"k"}`,
	}
	for kind, object := range objects {
		if _, err := a.Create(t.Context(), kind, []byte(object)); err != nil {
			t.Fatal(err)
		}
		list := func(err error, after string) map[string]bool {
			_, text, ok := strings.Cut(err.Error(), after)
			if !ok {
				t.Fatalf("%s: %v", kind, err)
			}
			text, _, _ = strings.Cut(text, "\n")
			out := map[string]bool{}
			for name := range strings.SplitSeq(text, ", ") {
				out[name] = true
			}
			return out
		}
		_, unknown := a.Do(t.Context(), kind, "x", "edit", []byte(`{"qqqqqqqq":1}`))
		_, none := a.Do(t.Context(), kind, "x", "edit", []byte(`{"qqqqqqqq":null}`))
		may, can := list(unknown, "Allowed here: "), list(none, "those that can: ")
		for name := range strings.FieldsSeq(never[kind]) {
			delete(may, name)
		}
		for name := range may {
			if !can[name] {
				t.Errorf("%s of %s cannot be edited", name, kind)
			}
		}
		for name := range can {
			if !may[name] {
				t.Errorf("%s is no setting of %s", name, kind)
			}
		}
	}
}
