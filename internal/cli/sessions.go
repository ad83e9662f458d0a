package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"turnout/internal/admin"
	"turnout/internal/gateway"
)

type sessionsCommand struct {
	Move sessionsMoveCommand `cmd:"" help:"Bind a session to another account: its next request goes there."`
	Drop sessionsDropCommand `cmd:"" help:"Let a session go: its next request is placed as a new one."`
}

// sessionFlags name a session.
type sessionFlags struct {
	configFlags
	Session string `arg:"" help:"The session, named as its client names it, in a header or in the body." placeholder:"ID"`
	Key     string `short:"k" help:"The caller's key, by its name; by default the only one." placeholder:"NAME"`
	Dialect string `help:"What the caller speaks: anthropic, openai-chat, openai-responses or gemini." enum:"anthropic,openai-chat,openai-responses,gemini" default:"anthropic"`
}

type sessionsMoveCommand struct {
	sessionFlags
	To string `help:"The account." required:"" placeholder:"NAME"`
}

type sessionsDropCommand struct{ sessionFlags }

// Run moves the session in the running gateway.
func (c sessionsMoveCommand) Run(s *session) error { return c.move(s, c.To) }

// Run lets it go.
func (c sessionsDropCommand) Run(s *session) error { return c.move(s, "") }

func (f sessionFlags) move(s *session, to string) error {
	cfg, _, err := f.loadElsewhere(s)
	if err != nil {
		return err
	}
	q := url.Values{"key": {f.Key}, "session": {f.Session}, "dialect": {f.Dialect}, "to": {to}}
	a, err := callAdmin(s.ctx, cfg.DataDir, http.MethodPost, admin.SessionPath+"?"+q.Encode())
	if err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	var m gateway.MovedSession
	if err := json.Unmarshal(a.Data, &m); err != nil {
		return err
	}
	if m.From == "" {
		m.From = "no account"
	}
	text := fmt.Sprintf("session %s of pool %s: from %s to %s\n", f.Session, m.Pool, m.From, m.To)
	if m.To == "" {
		text = fmt.Sprintf("session %s of pool %s: let go, it was at %s\n", f.Session, m.Pool, m.From)
	}
	_, err = fmt.Fprint(s.Stdout, text)
	return err
}
