package failover

import (
	"testing"
	"time"
)

func BenchmarkAfterFailure(b *testing.B) {
	p := Balanced()
	for name, o := range map[string]Outcome{
		"switch": failing(RateLimited, by(2), stating(20*s1)),
		"same":   failing(Transient, by(2)),
		"stay":   failing(RateLimited, warm, stating(2*s1)),
	} {
		b.Run(name, func(b *testing.B) {
			s := after(p, NewState(boundTo1, 7), failing(RateLimited, by(3)))
			b.ReportAllocs()
			for b.Loop() {
				_, d := AfterFailure(p, s, o)
				if d.Action == GiveUp {
					b.Fatal(d)
				}
			}
		})
	}
}

// A failure must not cost what could be felt: at most a handful of allocations.
func TestAfterFailureAllocatesLittle(t *testing.T) {
	p, s := Balanced(), after(Balanced(), NewState(boundTo1, 7), failing(RateLimited, by(3)))
	o := failing(RateLimited, warm, stating(2*time.Second))
	if n := testing.AllocsPerRun(100, func() { _, _ = AfterFailure(p, s, o) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}
