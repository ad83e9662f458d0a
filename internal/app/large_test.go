package app

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLargeStart starts with 1,400 accounts, each with a pool and a key of its own: from the second round on as a restart.
func BenchmarkLargeStart(b *testing.B) {
	var text strings.Builder
	text.WriteString("listen: 127.0.0.1:0\ndata_dir: ./data\ndrain: 1s\ndrain_delay: 0s\npools:\n")
	const n = 1400
	for i := range n {
		fmt.Fprintf(&text, "  - {name: p%d, policy: balanced}\n", i)
	}
	text.WriteString("accounts:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {name: a%d, platform: openai-compatible, base_url: 'http://127.0.0.1:9/v1', api_key: sk-%08d, pools: [p%d]}\n", i, i, i)
	}
	text.WriteString("keys:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {name: k%d, secret: tk-team-0123456789abcdef-%d, pools: [p%d]}\n", i, i, i)
	}
	r := newRig(b, text.String())
	for b.Loop() {
		a, err := r.new()
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := a.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
