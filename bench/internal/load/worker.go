package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// worker is one connection and what it has measured. It is used by one goroutine.
type worker struct {
	cfg  *Config
	addr string
	req  []byte
	conn net.Conn // nil: none is open
	r    *bufio.Reader
	body []byte // of the answer that is being read

	sent           int64
	latency, first []time.Duration // of good answers
	errors         map[string]int64
	samples        map[string]string
}

func newWorker(cfg *Config, addr string, req []byte) *worker {
	return &worker{cfg: cfg, addr: addr, req: req, r: bufio.NewReaderSize(nil, 16<<10), errors: map[string]int64{}, samples: map[string]string{}}
}

// once sends the request and checks the answer. from is when it was due.
func (w *worker) once(from time.Time) bool {
	w.sent++
	status, first, err := w.exchange()
	end := time.Now()
	var kind, sample string
	switch {
	case err != nil:
		w.drop()
		kind, sample = kindOf(err, status), err.Error()+" | "+string(w.body)
	case status != 200:
		kind, sample = fmt.Sprintf("status_%d", status), string(w.body)
	default:
		kind, sample = w.flaw(), string(w.body)
	}
	if kind != "" {
		w.errors[kind]++
		if len(sample) > 300 {
			sample = sample[:150] + " … " + sample[len(sample)-145:]
		}
		w.samples[kind] = sample
		return false
	}
	w.latency, w.first = append(w.latency, end.Sub(from)), append(w.first, first.Sub(from))
	return true
}

// flaw says what is wrong with an answer of status 200; "" is nothing.
func (w *worker) flaw() string {
	if w.cfg.Stream {
		if tail := w.body[max(0, len(w.body)-1024):]; !bytes.Contains(tail, []byte(w.cfg.Terminal)) {
			return "no_terminal_event"
		}
		if n := bytes.Count(w.body, []byte("data:")); w.cfg.Events != 0 && n != w.cfg.Events {
			return fmt.Sprintf("events_%d", n)
		}
	}
	if !bytes.Contains(w.body, []byte(w.cfg.Expect)) {
		return "unexpected_body"
	}
	return ""
}

func kindOf(err error, status int) string {
	kind := "transport"
	var ne net.Error
	switch {
	case errors.As(err, &ne) && ne.Timeout():
		kind = "timeout"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		kind = "cut"
	case strings.Contains(err.Error(), "reset"):
		kind = "reset"
	}
	if status != 0 {
		kind += fmt.Sprintf("_after_%d", status)
	}
	return kind
}

func (w *worker) drop() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// exchange sends the request once and reads the whole answer into w.body. first is
// when the body's first byte came. status is 0 until the status line has been read.
func (w *worker) exchange() (status int, first time.Time, err error) {
	w.body = w.body[:0]
	if err := w.send(); err != nil {
		return 0, first, err
	}
	status, f, err := w.head()
	if err != nil {
		return status, first, err
	}
	if f.length != 0 {
		_, err = w.r.Peek(1)
	}
	first = time.Now()
	if err == nil {
		err = w.read(f)
	}
	if err == nil && f.closing {
		w.drop()
	}
	return status, first, err
}

// send writes the request and waits for the answer's first byte. A kept connection
// that the other side has closed is replaced once.
func (w *worker) send() error {
	for attempt := 0; ; attempt++ {
		reused := w.conn != nil
		if !reused {
			conn, err := net.DialTimeout("tcp", w.addr, w.cfg.Timeout)
			if err != nil {
				return err
			}
			w.conn = conn
			w.r.Reset(conn)
		}
		err := w.conn.SetDeadline(time.Now().Add(w.cfg.Timeout))
		if err == nil {
			_, err = w.conn.Write(w.req)
		}
		if err == nil {
			_, err = w.r.Peek(1)
		}
		if err == nil {
			return nil
		}
		w.drop()
		var ne net.Error
		if !reused || attempt > 0 || errors.As(err, &ne) && ne.Timeout() {
			return err
		}
	}
}

// framing says how long a body is.
type framing struct {
	length  int // -1: to the connection's end, unless chunked
	chunked bool
	closing bool // the connection is not kept
}

var errFraming = errors.New("bad framing")

// head reads the status line and the headers, past any 100 Continue.
func (w *worker) head() (status int, f framing, err error) {
	for status == 0 || status == 100 {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			return 0, f, err
		}
		if len(line) < 12 {
			return 0, f, errFraming
		}
		if status, err = strconv.Atoi(string(line[9:12])); err != nil {
			return 0, f, err
		}
		f = framing{length: -1}
		for {
			if line, err = w.r.ReadSlice('\n'); err != nil {
				return status, f, err
			}
			if len(line) <= 2 {
				break
			}
			name, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimSpace(value)
			switch {
			case bytes.EqualFold(name, []byte("content-length")):
				if f.length, err = strconv.Atoi(string(value)); err != nil {
					return status, f, err
				}
			case bytes.EqualFold(name, []byte("transfer-encoding")):
				f.chunked = bytes.EqualFold(value, []byte("chunked"))
			case bytes.EqualFold(name, []byte("connection")):
				f.closing = bytes.EqualFold(value, []byte("close"))
			}
		}
	}
	f.closing = f.closing || !f.chunked && f.length < 0
	return status, f, nil
}

// read reads the body.
func (w *worker) read(f framing) error {
	switch {
	case f.chunked:
		for {
			line, err := w.r.ReadSlice('\n')
			if err != nil {
				return err
			}
			size, _, _ := bytes.Cut(line, []byte(";"))
			n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
			if err != nil {
				return errFraming
			}
			if err := w.take(int(n)); err != nil {
				return err
			}
			if _, err := w.r.ReadSlice('\n'); err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
		}
	case f.length >= 0:
		return w.take(f.length)
	default:
		rest, err := io.ReadAll(w.r)
		w.body = append(w.body, rest...)
		return err
	}
}

// take reads n bytes of the body.
func (w *worker) take(n int) error {
	at := len(w.body)
	if cap(w.body) < at+n {
		w.body = append(make([]byte, 0, 2*(at+n)), w.body...)
	}
	w.body = w.body[:at+n]
	got, err := io.ReadFull(w.r, w.body[at:])
	w.body = w.body[:at+got]
	return err
}
