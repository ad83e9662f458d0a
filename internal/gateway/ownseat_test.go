package gateway

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"turnout/internal/dialect"
	"turnout/internal/dialect/gemini"
	"turnout/internal/domain"
)

const ownToken = "sk-ant-oat01-of-the-caller"

// seatRig has a pool that lets callers bring a seat of their own; the seat's name is its account's.
func seatRig(t *testing.T, allowed bool) *rig {
	return newRig(t, []account{{name: "a"}}, func(c *rigConfig) { c.pool = func(p *PoolConfig) { p.OwnSeat = allowed } })
}

const seatName = "the caller's own seat"

func (r *rig) sendSeated(body string, opts ...requestOption) got {
	return r.send(body, append([]requestOption{func(req *http.Request) {
		req.Header.Del("X-Api-Key")
		req.Header.Set("X-Turnout-Key", testKey)
		req.Header.Set("Authorization", "Bearer "+ownToken)
	}}, opts...)...)
}

// TestOwnSeat: the caller's credential goes to the official address untouched, with the answer's own limits
// back, and nothing of it is kept.
func TestOwnSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := seatRig(t, true)
		r.on(seatName, status(200, messageJSON("hi"), "Anthropic-Ratelimit-Unified-Status", "allowed"))
		g := r.sendSeated(askJSON)
		if g.Code != 200 || g.Header().Get("Anthropic-Ratelimit-Unified-Status") != "allowed" {
			t.Errorf("%d %v %s", g.Code, g.Header(), g.text())
		}
		up := r.attempts[0]
		if up.url != "https://api.anthropic.com/v1/messages" || up.header.Get("Authorization") != "Bearer "+ownToken || up.body != askJSON {
			t.Errorf("asked %s with %v: %s", up.url, up.header, up.body)
		}
		for name, v := range up.header {
			if strings.Contains(strings.Join(v, ""), testKey) || strings.HasPrefix(name, "X-Turnout") {
				t.Errorf("the Turnout key went upstream in %s", name)
			}
		}
		rec := r.last()
		if rec.Account != 0 || rec.Usage.Output != 5 || rec.Outcome != OutcomeServed || strings.Contains(string(rec.Trace), ownToken) {
			t.Errorf("%+v\n%s", rec, rec.Trace)
		}
		if len(r.bindings) != 0 {
			t.Errorf("bound %v", r.bindings)
		}
	})
}

// Nobody else's account takes over, whatever happens, and the provider's refusal is the caller's own.
func TestOwnSeatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		reply  reply
		status int
		says   string
		tries  int
	}{
		{"refused", status(401, errorJSON("authentication_error")), 401, "scripted", 1},
		{"limited", status(429, errorJSON("rate_limit_error"), "Retry-After", "3600", "Anthropic-Ratelimit-Unified-Status", "rejected"), 429, "scripted", 1},
		{"down", fail503, 503, "scripted", 2},
		{"cut", stream(io.ErrUnexpectedEOF), 502, "upstream", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := seatRig(t, true)
				r.on(seatName, c.reply)
				g := r.sendSeated(askJSON)
				if g.Code != c.status || !strings.Contains(g.text(), c.says) || len(r.attempts) != c.tries || strings.Contains(r.names(), "a ") {
					t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
				}
				if c.name == "limited" && (g.Header().Get("Retry-After") != "3600" || g.Header().Get("Anthropic-Ratelimit-Unified-Status") != "rejected") {
					t.Errorf("%v", g.Header())
				}
			})
		})
	}
}

// Another caller's requests never go over the seat, and a pool that does not allow seats refuses.
func TestOwnSeatIsOffByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := seatRig(t, false)
		if g := r.sendSeated(askJSON); g.Code != 403 || !strings.Contains(g.text(), "own_seat") || len(r.attempts) != 0 {
			t.Errorf("%d %s", g.Code, g.text())
		}
		r.on("a", jsonOK("hi"))
		// The Turnout key alone, in its own header, is a key like any other.
		g := r.send(askJSON, func(req *http.Request) {
			req.Header.Del("X-Api-Key")
			req.Header.Set("X-Turnout-Key", testKey)
		})
		if g.Code != 200 || r.names() != "a" || r.attempts[0].header.Get("Authorization") != "" {
			t.Errorf("%d %s, asked %s", g.Code, g.text(), r.asked())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := seatRig(t, true)
		r.on("a", jsonOK("hi"))
		if g := r.send(askJSON); g.Code != 200 || r.names() != "a" {
			t.Errorf("%d, asked %s", g.Code, r.asked())
		}
	})
}

// SDKs insist on an API key, and callers give them the one that they have: what is a key of this Turnout's is no seat, and
// never leaves it.
func TestTurnoutKeyIsNoSeat(t *testing.T) {
	const other = "a-key-of-another-team"
	for _, c := range []struct {
		name    string
		header  map[string]string
		query   string
		account string // that serves
	}{
		{"bearer", map[string]string{"Authorization": "Bearer " + testKey}, "", "a"},
		{"another key of this Turnout's", map[string]string{"Authorization": "Bearer " + other}, "", "a"},
		{"one that was deleted", map[string]string{"X-Api-Key": "tk-gone-since-long"}, "", "a"},
		{"basic", map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+testKey))}, "", "a"},
		{"query", nil, "key=" + testKey, "a"},
		{"query, under another name", nil, "k2=" + testKey, "a"},
		{"a header of another name", map[string]string{"X-Provider-Token": testKey}, "", "a"},
		{"within a header", map[string]string{"X-Protocols": "realtime, insecure-api-key." + testKey}, "", "a"},
		{"beside a seat", map[string]string{"Authorization": "Bearer " + testKey, "X-Api-Key": "sk-ant-own"}, "key=" + other, seatName},
	} {
		for _, allowed := range []bool{true, false} {
			if !allowed && c.account == seatName {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := seatRig(t, allowed)
					r.addKey(other)
					r.on("a", jsonOK("hi"))
					r.on(seatName, jsonOK("hi"))
					g := r.send(askJSON, func(req *http.Request) {
						req.Header.Del("X-Api-Key")
						req.Header.Set("X-Turnout-Key", testKey)
						for k, v := range c.header {
							req.Header.Set(k, v)
						}
						req.URL.RawQuery = c.query
					})
					if g.Code != 200 || r.names() != c.account {
						t.Fatalf("%d %s, asked %s", g.Code, g.text(), r.asked())
					}
					sent := fmt.Sprint(r.attempts[0].url, r.attempts[0].header)
					for _, secret := range []string{testKey, other, "tk-", "Basic"} {
						if strings.Contains(sent, secret) {
							t.Errorf("%s went upstream in %s", secret, sent)
						}
					}
					if own := strings.Contains(sent, "sk-ant-own"); own != (c.account == seatName) {
						t.Errorf("sent %s", sent)
					}
				})
			})
		}
	}
}

// Google's clients put a key into the query: there it is a seat, too, and goes on there.
func TestOwnSeatInQuery(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, []account{{name: "a"}}, as(gemini.Dialect{}), func(c *rigConfig) {
				c.platform, c.pool = "gemini", func(p *PoolConfig) { p.OwnSeat = allowed }
			})
			r.on(seatName, status(200, `{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}`))
			req := httptest.NewRequest(http.MethodPost, "/v1beta/models/gemini-x:generateContent?x=1&key=AIza%2Down", strings.NewReader(`{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`))
			req.Header.Set("X-Turnout-Key", testKey)
			g := httptest.NewRecorder()
			r.g.Handler(Call{Dialect: gemini.Dialect{}, At: dialect.Route{Model: "gemini-x", Version: "v1beta", Verb: "generateContent"}}).ServeHTTP(g, req)
			if !allowed {
				if g.Code != 403 || len(r.attempts) != 0 {
					t.Errorf("%d %s, asked %s", g.Code, g.Body, r.asked())
				}
				return
			}
			if g.Code != 200 || r.attempts[0].url != "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent?x=1&key=AIza%2Down" {
				t.Errorf("%d %s: %v", g.Code, g.Body, r.attempts)
			}
			if rec := r.last(); rec.Account != 0 || strings.Contains(string(rec.Trace), "AIza") {
				t.Errorf("%+v %s", rec, rec.Trace)
			}
		})
	}
}

// The key's models hold for a seat, too.
func TestOwnSeatPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []account{{name: "a"}}, func(c *rigConfig) {
			c.pool = func(p *PoolConfig) { p.OwnSeat = true }
			c.key.Models = []string{"claude-haiku-*"}
		})
		if g := r.sendSeated(askJSON); g.Code != 403 || len(r.attempts) != 0 {
			t.Errorf("%d %s", g.Code, g.text())
		}
	})
}

// A seat's rests are its own: they neither last for other seats nor close an account.
func TestOwnSeatRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := seatRig(t, true)
		r.on(seatName, status(429, errorJSON("rate_limit_error"), "Retry-After", "3600"))
		r.sendSeated(askJSON)
		asked := len(r.attempts)
		if g := r.sendSeated(askJSON); g.Code != 429 || len(r.attempts) != asked {
			t.Errorf("%d, asked %s", g.Code, r.asked())
		}
		r.on(seatName, jsonOK("hi"))
		if g := r.sendSeated(askJSON, withHeader("Authorization", "Bearer another")); g.Code != 200 {
			t.Errorf("another seat: %d %s", g.Code, g.text())
		}
		r.on("a", jsonOK("hi"))
		if g := r.send(askJSON); g.Code != 200 {
			t.Errorf("an account: %d %s", g.Code, g.text())
		}
	})
}

// memoryObjects keeps objects in memory.
type memoryObjects map[domain.ObjectID]domain.Object
