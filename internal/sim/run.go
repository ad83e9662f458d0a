package sim

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// RunOptions are what `turnout sim` is asked.
type RunOptions struct {
	Provider Options
	Server   ServerOptions
	// Verbose prints a line for every request that ended.
	Verbose bool
	// Journal is a host:port where other processes are told of the requests that ended
	// (ended.go says how); empty: nowhere.
	Journal string
}

// Run serves a simulated provider until the context ends, which is not an error.
// It prints the address, what to call, and the words to ask for behaviour with.
func Run(ctx context.Context, o RunOptions, w io.Writer) error {
	out := &lines{w: w}
	if o.Verbose {
		o.Provider.Done = both(o.Provider.Done, out.request)
	}
	e := newEnded()
	if o.Journal != "" {
		o.Provider.Done = both(o.Provider.Done, e.done)
	}
	p := New(o.Provider)
	if o.Journal != "" {
		stop, err := e.serve(ctx, p, o.Journal, out)
		if err != nil {
			return err
		}
		defer stop()
	}
	s, err := Start(p, o.Server)
	if err != nil {
		return err
	}
	if err := out.intro(s); err != nil {
		_ = s.Close()
		return fmt.Errorf("say where the simulated provider listens: %w", err)
	}
	<-ctx.Done()
	return s.Close()
}

// both calls one after the other.
func both(first, second func(Seen)) func(Seen) {
	if first == nil {
		return second
	}
	return func(s Seen) {
		first(s)
		second(s)
	}
}

// lines keeps the lines of concurrent requests apart.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) intro(s *Server) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.w, `A simulated provider listens on %[1]s
  Anthropic base URL  %[1]s
  OpenAI base URL     %[1]s/v1

Any key is good that does not begin with sk-bad. Dash-separated words in the key,
or else in the model's name, ask for behaviour: sk-sim-a-fail429x3-ra2 answers its
first three requests with 429 and Retry-After: 2.

`, s.URL()); err != nil {
		return err
	}
	if err := WriteWords(l.w); err != nil {
		return err
	}
	if cert := s.Certificate(); cert != nil {
		if _, err := fmt.Fprintf(l.w, "\nIts certificate, to be trusted by the client:\n%s", cert); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(l.w)
	return err
}

func (l *lines) journal(url string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.w, "Its journal: GET %s/requests?key=K&model=M&count=N waits until N such requests have ended\n", url); err != nil {
		return fmt.Errorf("say where the journal is: %w", err)
	}
	return nil
}

// request prints one line. A key's words are its behaviour and no secret: the
// keys of this provider open nothing.
func (l *lines) request(s Seen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, "%d %s %s key=%s model=%s stream=%t status=%d events=%d fault=%s outcome=%s took=%s\n",
		s.Seq, s.Method, s.Path, s.Key, s.Model, s.Stream, s.Status, s.Events, s.Fault.Kind, s.Outcome, s.End.Sub(s.Start).Round(time.Millisecond))
}
