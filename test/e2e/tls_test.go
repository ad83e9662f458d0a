package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"turnout/internal/sim"
)

// TestHTTP2: an upstream with TLS is spoken to in HTTP/2, and a request that it passed
// over with GOAWAY is sent again without the caller noticing.
func TestHTTP2(t *testing.T) {
	for _, f := range forms {
		t.Run(f.String(), func(t *testing.T) {
			p := startServer(t, sim.Options{}, sim.ServerOptions{TLS: true})
			roots := filepath.Join(t.TempDir(), "roots.pem")
			if err := os.WriteFile(roots, p.Certificate(), 0o600); err != nil {
				t.Fatal(err)
			}
			g := startGateway(t, "accounts:\n"+account(p, f.platform(), "a", "sk-sim-a", "")+keys, "SSL_CERT_FILE="+roots)
			for i := range 3 {
				p.RefuseStreams(i) // 0: none; the next connections refuse their first request
				p.CloseConnections()
				r := g.send(ask{form: f, model: "m"})
				if !r.good() || r.text != sim.Text(sim.DefaultChunks) {
					t.Errorf("with %d refusals: %s", i, &r)
				}
			}
			all := p.Requests()
			if len(all) != 3 {
				t.Errorf("the provider saw %d requests: %s", len(all), brief(p))
			}
			for _, r := range all {
				if r.Proto != "HTTP/2.0" || string(r.Body) != f.body("m") && !f.openai {
					t.Errorf("it got %s, %q", r.Proto, r.Body)
				}
			}
		})
	}
}

// TestUntrusted: an upstream whose certificate nobody vouches for is not talked to.
func TestUntrusted(t *testing.T) {
	p := startServer(t, sim.Options{}, sim.ServerOptions{TLS: true})
	g := startGateway(t, "accounts:\n"+account(p, "openai", "a", "sk-sim-a", "")+keys)
	if r := g.send(ask{form: form{openai: true}, model: "m"}); r.status != 502 {
		t.Errorf("%s", &r)
	}
	if n := len(p.Requests()); n != 0 {
		t.Errorf("%d requests with the key went to a stranger", n)
	}
}
