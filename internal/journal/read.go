package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// DamageError is a journal that is not as it was written.
type DamageError struct {
	Path   string
	Offset int64
	Reason string
}

// Error implements error.
func (d *DamageError) Error() string {
	return fmt.Sprintf("the journal is damaged: %s at byte %d: %s; restore the file from a copy, or move it away if what it holds may be lost", d.Path, d.Offset, d.Reason)
}

// Read gives f every record behind a position, in order, up to the end at the moment of the call, and returns the
// position behind the last one that f took. It stops at f's first error. f must not keep the record.
func (j *Journal) Read(from Position, f func(record []byte, end Position) error) (Position, error) {
	end := j.End()
	if from == end {
		return from, nil // as most of the time
	}
	segments, err := list(j.dir)
	if err != nil {
		return from, err
	}
	at := from
	if len(segments) > 0 && at.Segment < segments[0] {
		if at.Segment != 0 && at.Segment+1 != segments[0] {
			return from, &DamageError{Path: j.path(at.Segment), Reason: "the segment is missing, and its records were not used yet"}
		}
		at = Position{Segment: segments[0]}
	}
	for _, n := range segments {
		if n < at.Segment || n > end.Segment {
			continue
		}
		if n > at.Segment {
			at = Position{Segment: n}
		}
		last := n == end.Segment
		upto := int64(-1)
		if last {
			upto = end.Offset
		}
		if at, err = j.readSegment(at, upto, f); err != nil {
			return at, err
		}
	}
	return at, nil
}

// readSegment reads whole records from a position to upto; -1: to the segment's end.
func (j *Journal) readSegment(at Position, upto int64, f func([]byte, Position) error) (Position, error) {
	path := j.path(at.Segment)
	file, err := os.Open(path)
	if err != nil {
		return at, fmt.Errorf("read the journal: %w", err)
	}
	defer func() { _ = file.Close() }()
	if upto < 0 {
		info, err := file.Stat()
		if err != nil {
			return at, fmt.Errorf("read the journal: %w", err)
		}
		upto = info.Size()
	}
	if at.Offset > upto {
		return at, &DamageError{Path: path, Offset: upto, Reason: fmt.Sprintf("it is shorter than what was used of it already (%d bytes)", at.Offset)}
	}
	in := io.NewSectionReader(file, at.Offset, upto-at.Offset)
	var buf []byte
	for at.Offset < upto {
		var head [header]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return at, damage(path, at.Offset, err)
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n == 0 || n > MaxRecord {
			return at, &DamageError{Path: path, Offset: at.Offset, Reason: fmt.Sprintf("a record of %d bytes", n)}
		}
		if int64(cap(buf)) < n {
			buf = make([]byte, n)
		}
		buf = buf[:n]
		if _, err := io.ReadFull(in, buf); err != nil {
			return at, damage(path, at.Offset, err)
		}
		if !sound(head[:], buf) {
			return at, &DamageError{Path: path, Offset: at.Offset, Reason: "the checksum is wrong"}
		}
		next := Position{Segment: at.Segment, Offset: at.Offset + header + n}
		if err := f(buf, next); err != nil {
			return at, err
		}
		at = next
	}
	return at, nil
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func damage(path string, at int64, err error) error {
	if ended(err) {
		return &DamageError{Path: path, Offset: at, Reason: "it ends in the middle of a record"}
	}
	return fmt.Errorf("read the journal: %w", err)
}

func sound(head, record []byte) bool {
	sum := crc32.Update(crc32.Checksum(head[:4], castagnoli), castagnoli, record)
	return sum == binary.LittleEndian.Uint32(head[4:])
}

// whole is where the last whole record of the last segment ends. What a crash or a power failure can have left behind it (half a record,
// or pages that were never written, in any order) is no damage. A bad record that sound ones follow is.
func whole(path string, data []byte) (int64, error) {
	at := 0
	for at < len(data) {
		n := frameLen(data[at:])
		if n == 0 {
			break // half a record, or a length that cannot be: nothing behind it can be found
		}
		if sound(data[at:at+header], data[at+header:at+n]) {
			at += n
			continue
		}
		if next := data[at+n:]; frameLen(next) > 0 && sound(next[:header], next[header:frameLen(next)]) {
			return 0, &DamageError{Path: path, Offset: int64(at), Reason: "the checksum is wrong, and sound records follow"}
		}
		break
	}
	return int64(at), nil
}

// frameLen is the length of the frame that data begins with; 0: there is no whole one.
func frameLen(data []byte) int {
	if len(data) < header {
		return 0
	}
	n := int(binary.LittleEndian.Uint32(data))
	if n == 0 || n > MaxRecord || len(data) < header+n {
		return 0
	}
	return header + n
}
