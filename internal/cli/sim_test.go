package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSim serves with the words it was given until its context ends.
func TestSim(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Sim(ctx, w, SimOptions{Words: "fail503"})
		_ = w.Close()
	}()
	var text bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(text.String(), "\n  Anthropic"); {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after\n%s", err, &text)
		}
		text.Write(buf[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	_, rest, _ := strings.Cut(text.String(), "listens on ")
	base, _, _ := strings.Cut(rest, "\n")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-sim")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("status = %d, want the 503 of the words", resp.StatusCode)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Sim: %v", err)
	}
}

func TestSimRefusesANegativeSpeed(t *testing.T) {
	if err := Sim(t.Context(), io.Discard, SimOptions{Speed: -1}); err == nil || !strings.Contains(err.Error(), "above 0") {
		t.Errorf("error = %v", err)
	}
}
