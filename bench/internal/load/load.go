package load

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnout/bench/internal/proc"
)

// Config says what to send and for how long. One of Duration and Count must be set;
// with both, whichever ends first.
type Config struct {
	URL         string            // http://host:port/path
	Headers     map[string]string // sent with every request, beside one session header for each connection
	Body        []byte
	Stream      bool
	Terminal    string // what the last 1,024 bytes of a good stream contain
	Events      int    // how many data: lines a good stream has; 0: not checked
	Expect      string // what every good answer contains
	Concurrency int
	Rate        float64       // requests a second, at their planned times (open loop); 0: closed loop
	Duration    time.Duration // no new request after this
	Count       int64         // no more requests than this
	Timeout     time.Duration // of one exchange; 0: 60 s
	Ramp        time.Duration // the connections' first requests are spread over this
	PID         int           // root of the measured process tree; 0: none
	// Settle is how long after the last answer the CPU time is read, so that work which
	// a gateway puts off (its records) is counted.
	Settle time.Duration
}

// Result is what one run measured.
type Result struct {
	Requests   int64             `json:"requests"`
	OK         int64             `json:"ok"`
	Errors     map[string]int64  `json:"errors,omitempty"`
	Samples    map[string]string `json:"error_samples,omitempty"` // one text for each kind
	Seconds    float64           `json:"seconds"`
	Throughput float64           `json:"ok_per_second"`
	Latency    Quantiles         `json:"latency_us"`
	FirstByte  Quantiles         `json:"first_byte_us"` // of the body
	CPU        float64           `json:"cpu_us_per_request"`
	Before     int64             `json:"resident_before_kib"`
	Peak       int64             `json:"resident_peak_kib"`
}

// Quantiles of a set of durations, in microseconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantiles(d []time.Duration) Quantiles {
	if len(d) == 0 {
		return Quantiles{}
	}
	slices.Sort(d)
	at := func(q float64) float64 { return micros(d[min(int(q*float64(len(d))), len(d)-1)]) }
	return Quantiles{P50: at(.5), P99: at(.99), Max: micros(d[len(d)-1])}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// Run carries out one run. It returns when every request has its answer.
func Run(cfg Config) (*Result, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("the target's URL: %w", err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	workers := make([]*worker, cfg.Concurrency)
	for i := range workers {
		workers[i] = newWorker(&cfg, u.Host, render(u, &cfg, i))
	}

	res := &Result{Errors: map[string]int64{}, Samples: map[string]string{}}
	var cpu time.Duration
	var peak *proc.Peak
	if cfg.PID != 0 {
		peak = proc.NewPeak(cfg.PID)
		cpu, res.Before = proc.CPU(cfg.PID), proc.Resident(cfg.PID)
	}
	start := time.Now()
	drive(&cfg, workers, start)
	res.Seconds = time.Since(start).Seconds()
	if cfg.PID != 0 {
		time.Sleep(cfg.Settle)
		cpu, res.Peak = proc.CPU(cfg.PID)-cpu, peak.Stop()
	}

	var latency, first []time.Duration
	for _, w := range workers {
		res.Requests += w.sent
		latency, first = append(latency, w.latency...), append(first, w.first...)
		for k, n := range w.errors {
			res.Errors[k] += n
			res.Samples[k] = w.samples[k]
		}
	}
	res.OK = int64(len(latency))
	res.Throughput = float64(res.OK) / res.Seconds
	res.Latency, res.FirstByte = quantiles(latency), quantiles(first)
	res.CPU = micros(cpu) / float64(max(res.Requests, 1))
	return res, nil
}

// render writes the request that connection number i sends every time. Each
// connection is a conversation of its own.
func render(u *url.URL, cfg *Config, i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n", u.RequestURI(), u.Host)
	fmt.Fprintf(&b, "Content-Type: application/json\r\nX-Session-Id: ses_%d\r\nContent-Length: %d\r\n", i, len(cfg.Body))
	for name, value := range cfg.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("\r\n")
	b.Write(cfg.Body)
	return b.Bytes()
}

// drive lets the workers send until the run is over.
func drive(cfg *Config, workers []*worker, start time.Time) {
	over := func(t time.Time) bool { return cfg.Duration > 0 && t.Sub(start) >= cfg.Duration }
	var due chan time.Time
	if cfg.Rate > 0 {
		due = make(chan time.Time, 1<<16)
		go func() {
			defer close(due)
			gap := time.Duration(float64(time.Second) / cfg.Rate)
			for i := int64(0); cfg.Count == 0 || i < cfg.Count; i++ {
				t := start.Add(time.Duration(i) * gap)
				if over(t) {
					return
				}
				time.Sleep(time.Until(t))
				due <- t
			}
		}()
	}
	var begun atomic.Int64
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() {
			defer w.drop()
			if due != nil {
				for t := range due {
					w.once(t) // from the planned time: a slow answer delays nobody's clock
				}
				return
			}
			time.Sleep(cfg.Ramp * time.Duration(i) / time.Duration(len(workers)))
			for !over(time.Now()) && (cfg.Count == 0 || begun.Add(1) <= cfg.Count) {
				if !w.once(time.Now()) {
					time.Sleep(time.Millisecond) // do not spin on a dead target
				}
			}
		})
	}
	wg.Wait()
}
