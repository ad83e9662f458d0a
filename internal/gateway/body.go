package gateway

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Budget bounds the memory that request bodies hold in all, in bytes. Safe for
// concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used is how much is held now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Take takes n bytes; false: there are not so many left, and none was taken.
func (b *Budget) Take(n int) bool { return b.take(n) }

// Give gives n bytes back.
func (b *Budget) Give(n int) { b.give(n) }

func (b *Budget) take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.used.Add(int64(-n))
		return false
	}
	return true
}

func (b *Budget) give(n int) { b.used.Add(int64(-n)) }

// The sizes in which body buffers are pooled. Larger ones are left to the garbage
// collector.
var bodySizes = [...]int{
	4 << 10, 8 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10, 64 << 10, 80 << 10, 104 << 10, 128 << 10, 160 << 10, 208 << 10, 256 << 10, 384 << 10, 512 << 10, 1 << 20,
}

// maxFirstBody is how much memory a declared length alone gets, in bytes.
const maxFirstBody = 256 << 10

var bodyPools [len(bodySizes)]sync.Pool

func getBuffer(n int) []byte {
	for i, size := range bodySizes {
		if n <= size {
			if p, ok := bodyPools[i].Get().(*[]byte); ok {
				return (*p)[:0]
			}
			return make([]byte, 0, size)
		}
	}
	return make([]byte, 0, n)
}

func putBuffer(b []byte) {
	for i, size := range bodySizes {
		if cap(b) == size {
			b = b[:0]
			bodyPools[i].Put(&b)
			return
		}
	}
}

// body is a request's body, kept once for all its attempts and let go when the
// answer is committed. Its bytes go back to the pool when the owner has let go and no attempt
// reads them any more.
type body struct {
	budget *Budget

	mu       sync.Mutex
	buf      []byte
	readers  int
	released bool
}

var errBodyReleased = errors.New("the request body was let go at the commit")

var (
	errBodyTooLarge = &domain.Error{Kind: domain.KindTooLarge, Op: "read the request body"}
	errBodiesFull   = &domain.Error{Kind: domain.KindUnavailable, Op: "read the request body"}
)

// readBody reads all of r, which is limit bytes at most. expect is the declared
// length, or negative. Memory grows with what has really arrived.
func readBody(r io.Reader, expect, limit int64, budget *Budget) (*body, error) {
	if expect > limit {
		return nil, errBodyTooLarge
	}
	first := int64(bodySizes[0])
	if expect > 0 {
		first = min(expect+1, maxFirstBody) // one more byte to see the end without growing
	}
	b := &body{budget: budget, buf: getBuffer(int(first))}
	if !budget.take(cap(b.buf)) {
		putBuffer(b.buf)
		return nil, errBodiesFull
	}
	for {
		if len(b.buf) == cap(b.buf) {
			if err := b.grow(limit); err != nil {
				b.release()
				return nil, err
			}
		}
		n, err := r.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		if int64(len(b.buf)) > limit {
			b.release()
			return nil, errBodyTooLarge
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			b.release()
			return nil, err
		}
	}
}

func (b *body) grow(limit int64) error {
	if int64(len(b.buf)) > limit {
		return errBodyTooLarge
	}
	bigger := getBuffer(2 * cap(b.buf))
	if !b.budget.take(cap(bigger)) {
		putBuffer(bigger)
		return errBodiesFull
	}
	old := b.buf
	b.buf = append(bigger, old...)
	b.budget.give(cap(old))
	putBuffer(old)
	return nil
}

// bytes gives the body; nil after release. The slice is good until release.
func (b *body) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return nil
	}
	return b.buf
}

// use keeps the body from being let go until done is called; nil: it has been already.
func (b *body) use() (bytes []byte, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return nil, nil
	}
	b.readers++
	return b.buf, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.readers--
		b.recycle()
	}
}

// release lets the body go. It may be called more than once.
func (b *body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.released {
		b.released = true
		b.recycle()
	}
}

// recycle returns the buffer once nobody uses it; the lock is held.
func (b *body) recycle() {
	if b.released && b.readers == 0 && b.buf != nil {
		b.budget.give(cap(b.buf))
		putBuffer(b.buf)
		b.buf = nil
	}
}

// edited is a body with edits applied, ready to be sent any number of times.
type edited struct {
	b      *body
	parts  []dialect.Edit // With nil: At is a span of the body
	room   [2*fewEdits + 1]dialect.Edit
	length int64
	flat   []byte // a small body as one piece
}

const (
	// fewEdits is how many most bodies have at most.
	fewEdits = 2
	// maxFlat is up to which length a body is copied into one piece. The transport sends
	// a plain bytes.Reader together with the header, in one packet; a reader of ours it
	// expects to block and gives a packet of its own.
	maxFlat = 4 << 10
)

// edit prepares the body with edits, which must not overlap and are sorted where they are more than two; absent ones are skipped.
// nil: the body has been let go.
func (b *body) edit(edits ...dialect.Edit) *edited {
	e := &edited{b: b}
	e.parts = e.room[:0]
	if len(edits) == 2 && edits[1].Present() && (!edits[0].Present() || edits[1].At.Start < edits[0].At.Start) {
		edits[0], edits[1] = edits[1], edits[0]
	}
	at := 0
	keep := func(end int) {
		if end > at {
			e.parts = append(e.parts, dialect.Edit{At: dialect.Span{Start: at, End: end}})
			e.length += int64(end - at)
		}
	}
	b.mu.Lock() // the commit of another attempt may let the body go at any moment
	defer b.mu.Unlock()
	if b.released {
		return nil
	}
	for _, ed := range edits {
		if !ed.Present() {
			continue
		}
		keep(ed.At.Start)
		e.parts = append(e.parts, ed)
		e.length += int64(len(ed.With))
		at = ed.At.End
	}
	keep(len(b.buf))
	if e.length <= maxFlat {
		e.flat = make([]byte, 0, e.length)
		for i := range e.parts {
			if part := &e.parts[i]; part.With != nil {
				e.flat = append(e.flat, part.With...)
			} else {
				e.flat = append(e.flat, b.buf[part.At.Start:part.At.End]...)
			}
		}
	}
	return e
}

// open gives a fresh reader of the edited body.
func (e *edited) open() (io.ReadCloser, error) {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	if e.b.released {
		return nil, errBodyReleased
	}
	if e.flat != nil {
		return io.NopCloser(bytes.NewReader(e.flat)), nil
	}
	e.b.readers++
	return &bodyReader{e: e}, nil
}

// bodyReader reads an edited body once. The transport may close it in another
// goroutine than the one that reads, so both take the body's lock.
type bodyReader struct {
	e      *edited
	part   int
	off    int
	closed bool
}

func (r *bodyReader) Read(p []byte) (int, error) {
	b := r.e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.closed {
		return 0, errBodyReleased
	}
	n := 0
	for n < len(p) && r.part < len(r.e.parts) {
		part := &r.e.parts[r.part]
		src := part.With
		if src == nil {
			src = b.buf[part.At.Start:part.At.End]
		}
		c := copy(p[n:], src[r.off:])
		n, r.off = n+c, r.off+c
		if r.off == len(src) {
			r.part, r.off = r.part+1, 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *bodyReader) Close() error {
	b := r.e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if !r.closed {
		r.closed = true
		b.readers--
		b.recycle()
	}
	return nil
}
