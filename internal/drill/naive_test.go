package drill_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"turnout/internal/config"
	"turnout/internal/drill"
	"turnout/internal/drill/memnet"
)

// naive is a gateway that asks the first account and hands on what comes, to show that
// the drill has teeth.
type naive struct {
	server *http.Server
	client *http.Transport
	url    string
}

func startNaive(_ context.Context, n drill.Network, c *config.Config) (drill.Gateway, error) {
	l, err := n.Listen(c.Listen)
	if err != nil {
		return nil, err
	}
	g := &naive{url: "http://" + l.Addr().String(), client: &http.Transport{DialContext: n.Dial}}
	account := c.Accounts[0]
	g.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RequestURI()
		if account.Platform == "openai" { // its base URL ends in /v1
			path = path[len("/v1"):]
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, account.BaseURL+path, r.Body)
		if err != nil {
			return
		}
		req.Header = r.Header.Clone()
		req.Header.Set("Authorization", "Bearer "+account.APIKey.Reveal())
		if account.Platform == "gemini" {
			req.Header.Set("X-Goog-Api-Key", account.APIKey.Reveal())
		}
		resp, err := g.client.RoundTrip(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})}
	go func(l net.Listener) { _ = g.server.Serve(l) }(l)
	return g, nil
}

func (g *naive) URL() string { return g.url }

func (g *naive) Stop(context.Context) error {
	err := g.server.Close()
	g.client.CloseIdleConnections()
	return err
}

func (g *naive) Records(context.Context) ([]drill.Record, error) { return nil, nil }

// TestNaiveGatewayFails: what hands a fault on fails in every mode, and what needs no
// gateway passes.
func TestNaiveGatewayFails(t *testing.T) {
	for name, want := range map[string]drill.Verdict{
		"unavailable": drill.Fail, "reset-once": drill.Fail, "silent": drill.Fail, "slow-first-token": drill.Partial,
		"cut": drill.Fail, "malformed": drill.Fail, "no-terminal": drill.Fail, "no-end": drill.Fail, "error-in-200": drill.Fail, "empty-200": drill.Fail,
		"no-finish": drill.Fail, "trickle": drill.Fail, "tls": drill.Fail, "dns": drill.Fail, "refused": drill.Pass, "forty-minutes": drill.Pass, "thinking-minute": drill.Pass,
		"error-often": drill.Fail, "limited-backoff": drill.Fail, "late-failure": drill.Fail, "key-refused": drill.Fail, "key-refused-alone": drill.Fail,
		"commit-tokens-early": drill.Fail, "commit-tokens-late": drill.Fail, "commit-seconds-early": drill.Fail, "error-after-start": drill.Fail,
		"least-bad": drill.Partial, "error-rule-replace": drill.Fail, "keep-alive": drill.Partial, "keep-alive-claude-code": drill.Partial,
		"leave-in-line": drill.Partial, "leave-in-hold": drill.Fail,
	} {
		chosen, _ := drill.Choose(drill.Scenarios(), []string{name})
		s := chosen[0]
		for _, m := range drill.Modes() {
			if s.Modes != nil && s.Modes(m) != "" {
				continue
			}
			t.Run(name+"/"+m.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var n memnet.Network
					r := drill.RunOne(t.Context(), drill.Options{
						Start: startNaive, Network: drill.Network{Dial: n.Dial, Listen: n.Listen}, Clock: drill.Virtual, Pool: drill.DefaultPool(),
					}, s, m)
					if r.Verdict != want {
						t.Errorf("%s, want %s: %q", r.Verdict, want, r.Reasons)
					}
				})
			})
		}
	}
}
