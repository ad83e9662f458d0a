package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"turnout/internal/domain"
)

// MaxRecord is the longest record, in bytes.
const MaxRecord = 1 << 20

// Position is a place between two records. The zero value is before the first one.
type Position = domain.JournalPosition

// Options are a journal's settings.
type Options struct {
	// Sync is how often what was appended is made to survive a power failure; 0: at every Append, which then takes as long as the disk does.
	Sync time.Duration
	// Segment is the size in bytes past which a new segment is begun; 0: 16 MiB.
	Segment int64
	// Failed is told when making records durable in the background fails; nil: nobody is.
	Failed func(error)
}

// Journal is an open journal. Safe for concurrent use. One process may have a directory open at a time; who opens it
// sees to that.
type Journal struct {
	dir  string
	opts Options
	torn int64

	mu      sync.Mutex
	file    *os.File
	segment uint64
	size    int64 // of whole records in the segment
	synced  Position
	frame   []byte
	broken  bool // the segment has half a record at its end that could not be cut off
	closed  bool

	stop chan struct{}
	done chan struct{}
}

const (
	header     = 8 // length and checksum
	suffix     = ".journal"
	usualSize  = 16 << 20
	dirMode    = 0o700
	fileMode   = 0o600
	digits     = 16
	mostSyncs  = time.Millisecond // of a background that has nothing else to do
	firstIndex = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrClosed is the error of a journal that was closed.
var ErrClosed = errors.New("the journal is closed")

// Open opens the journal of a directory, or makes it, and cuts off what a crash left half written. It fails
// with a *DamageError if anything else is not as it was written.
func Open(dir string, opts Options) (*Journal, error) {
	if opts.Segment == 0 {
		opts.Segment = usualSize
	}
	if opts.Failed == nil {
		opts.Failed = func(error) {}
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	j := &Journal{dir: dir, opts: opts}
	segments, err := list(dir)
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		if err := j.begin(firstIndex); err != nil {
			return nil, err
		}
	} else if err := j.resume(segments[len(segments)-1]); err != nil {
		return nil, err
	}
	if opts.Sync > 0 {
		j.stop, j.done = make(chan struct{}), make(chan struct{})
		go j.syncLoop()
	}
	return j, nil
}

// resume opens the last segment for appending, behind its last whole record.
func (j *Journal) resume(n uint64) error {
	path := j.path(n)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	end, err := whole(path, data)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, fileMode)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	if end < int64(len(data)) {
		// Set aside, not thrown away: it may be that somebody can make sense of it.
		aside := fmt.Sprintf("%s.torn-%d", path, end)
		if err := errors.Join(os.WriteFile(aside, data[end:], fileMode), f.Truncate(end), f.Sync()); err != nil { //nolint:gosec // the operator's own directory
			return errors.Join(fmt.Errorf("cut off the torn end of %s: %w", path, err), f.Close())
		}
	}
	if _, err := f.Seek(end, 0); err != nil {
		return errors.Join(fmt.Errorf("open the journal: %w", err), f.Close())
	}
	j.file, j.segment, j.size = f, n, end
	j.torn = int64(len(data)) - end
	return nil
}

// Torn is how many bytes a crash had left half written when the journal was opened. They are beside their segment, in a file
// ".torn-".
func (j *Journal) Torn() int64 { return j.torn }

// begin makes a new segment the one that is appended to.
func (j *Journal) begin(n uint64) error {
	if j.file != nil {
		// Before there is another one: behind a segment with a successor nothing may be missing.
		if err := j.file.Sync(); err != nil {
			return fmt.Errorf("end a segment of the journal: %w", err)
		}
	}
	f, err := os.OpenFile(j.path(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fmt.Errorf("begin a segment of the journal: %w", err)
	}
	if err := syncDir(j.dir); err != nil {
		return errors.Join(fmt.Errorf("begin a segment of the journal: %w", err), f.Close(), os.Remove(j.path(n)))
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			j.opts.Failed(fmt.Errorf("end a segment of the journal: %w", err))
		}
	}
	j.file, j.segment, j.size = f, n, 0
	return nil
}

// Append adds a record. When it returns without an error the record survives the death of the process. With an error
// nothing was added: it may be tried again.
func (j *Journal) Append(record []byte) (Position, error) {
	if len(record) == 0 || len(record) > MaxRecord {
		return Position{}, fmt.Errorf("append to the journal: a record of %d bytes; it must have 1 to %d", len(record), MaxRecord)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return Position{}, ErrClosed
	}
	if j.broken {
		if err := j.cut(); err != nil {
			return Position{}, fmt.Errorf("append to the journal %s, where a failed write left half a record: %w", j.path(j.segment), err)
		}
	}
	if j.size >= j.opts.Segment {
		if err := j.begin(j.segment + 1); err != nil {
			return Position{}, err
		}
	}
	j.frame = appendFrame(j.frame[:0], record)
	if _, err := j.file.Write(j.frame); err != nil {
		return Position{}, j.undo(err)
	}
	if j.opts.Sync == 0 {
		if err := j.file.Sync(); err != nil {
			return Position{}, j.undo(err)
		}
	}
	j.size += int64(len(j.frame))
	return Position{Segment: j.segment, Offset: j.size}, nil
}

// undo takes back what a failed write has left. Where that fails too, the next Append tries it first.
func (j *Journal) undo(cause error) error {
	return errors.Join(fmt.Errorf("append to the journal %s: %w", j.path(j.segment), cause), j.cut())
}

func (j *Journal) cut() error {
	err := j.file.Truncate(j.size)
	if err == nil {
		_, err = j.file.Seek(j.size, 0)
	}
	j.broken = err != nil
	return err
}

func appendFrame(b, record []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(record)))
	sum := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, record)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, record...)
}

// End is behind the last record.
func (j *Journal) End() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Position{Segment: j.segment, Offset: j.size}
}

// Sync makes everything that was appended survive a power failure.
func (j *Journal) Sync() error {
	j.mu.Lock()
	file, at := j.file, Position{Segment: j.segment, Offset: j.size}
	idle := j.synced == at || j.closed
	j.mu.Unlock()
	if idle {
		return nil
	}
	// Outside the lock: appending goes on meanwhile. A segment that ends meanwhile is synced by begin.
	if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("make the journal durable: %w", err)
	}
	j.mu.Lock()
	if j.synced.Before(at) {
		j.synced = at
	}
	j.mu.Unlock()
	return nil
}

func (j *Journal) syncLoop() {
	defer close(j.done)
	tick := time.NewTicker(max(j.opts.Sync, mostSyncs))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := j.Sync(); err != nil {
				j.opts.Failed(err)
			}
		case <-j.stop:
			return
		}
	}
}

// Drop deletes the segments that end at or before a position, except for the one that is appended to. Their records must
// be kept elsewhere, safe from a power failure, before that.
func (j *Journal) Drop(upto Position) error {
	segments, err := list(j.dir)
	if err != nil {
		return err
	}
	current := j.End().Segment
	for _, n := range segments {
		if n >= upto.Segment || n >= current {
			break
		}
		if err := os.Remove(j.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete a used segment of the journal: %w", err)
		}
	}
	return nil
}

// Close makes everything durable and closes. It may be called twice.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	file := j.file
	j.mu.Unlock()
	if j.stop != nil {
		close(j.stop)
		<-j.done
	}
	return errors.Join(file.Sync(), file.Close())
}

func (j *Journal) path(n uint64) string { return segmentPath(j.dir, n) }

func segmentPath(dir string, n uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%0*x%s", digits, n, suffix))
}

// list gives the numbers of a directory's segments, in order.
func list(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal's directory: %w", err)
	}
	var out []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.ParseUint(name, 16, 64); ok && err == nil && len(name) == digits {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	for i := 1; i < len(out); i++ {
		if out[i] != out[i-1]+1 {
			return nil, &DamageError{Path: segmentPath(dir, out[i-1]+1), Reason: "the segment is missing"}
		}
	}
	return out, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(d.Sync()), d.Close())
}
