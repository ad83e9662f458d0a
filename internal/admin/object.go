package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"turnout/internal/domain"
)

// The kinds of objects. Each is asked for with GET at ObjectsPath+kind, and one is made with POST there. What is done with one that exists
// is a POST to ObjectsPath+kind/NAME/ACTION.
const (
	Keys     = "keys"
	Accounts = "accounts"
	Pools    = "pools"
	Teams    = "teams"
	Users    = "users"

	ObjectsPath = "/admin/v1/"
)

// Operator does what the objects' calls ask for. The answers encode as JSON; errors are in words for the asker.
type Operator interface {
	// List gives all objects of a kind, by name.
	List(ctx context.Context, kind string) (any, error)
	// Create makes one, of what may stand in the configuration file.
	Create(ctx context.Context, kind string, object []byte) (any, error)
	// Do does something with one; body is what the action asks for, in JSON.
	Do(ctx context.Context, kind, name, action string, body []byte) (any, error)
}

// Routes are further calls of the API.
type Routes func(mux *http.ServeMux)

// maxBody bounds what a call may say.
const maxBody = 1 << 20

// Objects are the calls for keys, accounts, pools, teams and users.
func Objects(op Operator) Routes {
	return func(mux *http.ServeMux) {
		mux.HandleFunc("GET "+ObjectsPath+Balances, func(w http.ResponseWriter, r *http.Request) {
			v, err := op.List(r.Context(), Balances)
			answerWith(w, v, err)
		})
		for _, kind := range []string{Keys, Accounts, Pools, Teams, Users} {
			path := ObjectsPath + kind
			mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
				v, err := op.List(r.Context(), kind)
				answerWith(w, v, err)
			})
			mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
				if body, ok := read(w, r); ok {
					v, err := op.Create(r.Context(), kind, body)
					answerWith(w, v, err)
				}
			})
			mux.HandleFunc("POST "+path+"/{name}/{action}", func(w http.ResponseWriter, r *http.Request) {
				if body, ok := read(w, r); ok {
					v, err := op.Do(r.Context(), kind, r.PathValue("name"), r.PathValue("action"), body)
					answerWith(w, v, err)
				}
			})
		}
	}
}

func read(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, Answer{Error: "the body is larger than 1 MiB, or did not arrive whole"})
		return nil, false
	}
	return body, true
}

// answerWith tells an answer or an error.
func answerWith(w http.ResponseWriter, v any, err error) {
	var data []byte
	if err == nil {
		data, err = json.Marshal(v)
	}
	if err == nil {
		answer(w, http.StatusOK, Answer{Data: data})
		return
	}
	status, text := http.StatusUnprocessableEntity, err.Error()
	var e *domain.Error
	if errors.As(err, &e) {
		if e.Message != "" {
			text = e.Message
		}
		if e.Kind == domain.KindNotFound {
			status = http.StatusNotFound
		}
	}
	answer(w, status, Answer{Error: text})
}

// Decode reads a body strictly; an empty one says nothing.
func Decode(body []byte, to any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return domain.Errorf(domain.KindInvalid, "read the body", "the body is not what this call asks for: %v", err)
	}
	return nil
}

// The states of a key.
const (
	StateActive   = "active"
	StateRevoked  = "revoked"  // an operator took it away
	StateDisabled = "disabled" // it is gone from the file, or an operator disabled it
	StateExpired  = "expired"
	StateOrphaned = "owner disabled"
)

// Key is a key as it is listed. There is no secret in it.
type Key struct {
	Name      string            `json:"name"`
	ID        domain.KeyID      `json:"id"`
	Origin    string            `json:"origin"` // "file" or "api"
	State     string            `json:"state"`
	Owner     string            `json:"owner,omitempty"` // "user:NAME" or "team:NAME"
	Team      string            `json:"team,omitempty"`  // the owner's
	Pools     []string          `json:"pools"`
	Models    []string          `json:"models,omitempty"`
	Deny      []string          `json:"deny,omitempty"`
	Require   domain.Labels     `json:"require,omitempty"` // its owners' with them
	Networks  []string          `json:"networks,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"` // its owners' with them
	TagHeader []string          `json:"tag_header,omitempty"`
	Rates     *domain.Rates     `json:"rates,omitempty"`
	Expires   *time.Time        `json:"expires,omitempty"`
	LastUsed  *time.Time        `json:"last_used,omitempty"`
	// FormerUntil is until when the secret before the last rotation works.
	FormerUntil *time.Time `json:"former_until,omitempty"`
	Spending
}

// NewKey is a secret that was just made. It is told once.
type NewKey struct {
	Name   string `json:"name"`
	Secret string `json:"secret"`
	// FormerUntil is until when the secret before it works; nil: it does not.
	FormerUntil *time.Time `json:"former_until,omitempty"`
}

// Spending is what an object says of money, in the words of the configuration.
type Spending struct {
	Prepaid      bool     `json:"prepaid,omitempty"`
	OverdraftUSD string   `json:"overdraft_usd,omitempty"`
	PriceFactor  string   `json:"price_factor,omitempty"`
	Budgets      []Budget `json:"budgets,omitempty"`
}

// Budget is one budget, in the words of the configuration.
type Budget struct {
	Name    string `json:"name,omitempty"`
	Period  string `json:"period"`
	Rolling bool   `json:"rolling,omitempty"`
	Zone    string `json:"zone,omitempty"`
	SoftUSD string `json:"soft_usd,omitempty"`
	HardUSD string `json:"hard_usd,omitempty"`
}

// Owner is a team or a user as it is listed.
type Owner struct {
	Name    string            `json:"name"`
	ID      int64             `json:"id"`
	Origin  string            `json:"origin"`
	State   string            `json:"state"`          // StateActive or StateDisabled
	Team    string            `json:"team,omitempty"` // a user's
	Keys    int               `json:"keys"`           // that belong to it, a team's users' with them
	Models  []string          `json:"models,omitempty"`
	Deny    []string          `json:"deny,omitempty"`
	Require domain.Labels     `json:"require,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Rates   *domain.Rates     `json:"rates,omitempty"`
	Spending
}

// Pool is a pool as it is listed.
type Pool struct {
	Name     string        `json:"name"`
	ID       domain.PoolID `json:"id"`
	Origin   string        `json:"origin"`
	State    string        `json:"state"` // StateActive or StateDisabled
	Strategy string        `json:"strategy"`
	Profile  string        `json:"policy"`
	Accounts int           `json:"accounts"` // that are not disabled
	Eligible int           `json:"eligible"` // of them, now
	Keys     int           `json:"keys"`     // that may be used for it
	Require  domain.Labels `json:"require,omitempty"`
	Rates    *domain.Rates `json:"rates,omitempty"`
	Spending
}

// The states of an account, beside StateDisabled and StateExpired.
const (
	StateEligible = "eligible"
	StatePaused   = "paused"   // an operator took it out
	StateDraining = "draining" // an operator lets it serve its own sessions only
	StateResting  = "resting"  // see Rests
)

// Account is an account as it is listed. There is no secret in it.
type Account struct {
	Name         string           `json:"name"`
	ID           domain.AccountID `json:"id"`
	Origin       string           `json:"origin"`
	State        string           `json:"state"`
	Platform     string           `json:"platform"`
	BaseURL      string           `json:"base_url,omitempty"`
	Organization string           `json:"organization,omitempty"`
	Labels       domain.Labels    `json:"labels,omitempty"`
	Pools        []string         `json:"pools"`
	Priority     int              `json:"priority"`
	Weight       int              `json:"weight"`
	InFlight     int              `json:"in_flight"`
	MaxInFlight  int              `json:"max_concurrency,omitempty"`
	Sessions     int              `json:"sessions"` // bound to it
	Rests        []Rest           `json:"rests,omitempty"`
	Quotas       []Quota          `json:"quotas,omitempty"`
	LastUsed     *time.Time       `json:"last_used,omitempty"`
}

// Rest is one reason why an account, or one model of it, is left alone.
type Rest struct {
	Scope string     `json:"scope"`           // "account", "account_model" or "organization"
	Model string     `json:"model,omitempty"` // of account_model, as it is sent
	Class string     `json:"class"`           // of the failure; "operator"
	Until *time.Time `json:"until,omitempty"` // none: until something is changed
}

// Quota is what is known of one window of an account's provider.
type Quota struct {
	Window string  `json:"window"`
	Used   float64 `json:"used"` // share of the whole
}

// AccountRest asks that an account be left alone for a while, or no longer.
type AccountRest struct {
	For   string `json:"for,omitempty"` // a duration: 10m
	Clear bool   `json:"clear,omitempty"`
}

// KeyRotation asks for a new secret.
type KeyRotation struct {
	Overlap string `json:"overlap,omitempty"` // how long the old one works beside it; empty: a day; "0s": not at all
}

// AccountTest asks for a test.
type AccountTest struct {
	Model string `json:"model,omitempty"` // as callers ask for it; empty: one that the account serves
}

// Done says what an action did.
type Done struct {
	Name  string `json:"name"`
	State string `json:"state"`
}
