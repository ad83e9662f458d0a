package cli

import (
	"context"
	"fmt"
	"io"

	"turnout/internal/sim"
)

// SimOptions are the flags of `turnout sim`.
type SimOptions struct {
	Listen  string   // host:port; empty: a free port of 127.0.0.1
	TLS     bool     // HTTPS and HTTP/2 with a certificate made at the start
	Speed   float64  // divides every simulated delay; 0: 1
	Models  []string // what GET /v1/models lists; empty: the simulation's own
	Words   string   // behaviour beneath every key's and model's, as dash-separated words
	Verbose bool     // a line for every request
	Journal string   // host:port where the requests that ended are told of; empty: nowhere
}

// Sim is the body of `turnout sim`: it serves a simulated provider until the
// context ends, and writes to w where it listens and which words ask for what.
func Sim(ctx context.Context, w io.Writer, o SimOptions) error {
	if o.Speed < 0 {
		return fmt.Errorf("speed %g: give a number above 0; 10 makes every simulated delay ten times shorter", o.Speed)
	}
	return sim.Run(ctx, sim.RunOptions{
		Provider: sim.Options{Speed: o.Speed, Models: o.Models, Default: sim.Parse(o.Words)},
		Server:   sim.ServerOptions{Addr: o.Listen, TLS: o.TLS},
		Verbose:  o.Verbose,
		Journal:  o.Journal,
	}, w)
}
