package drill

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// sseEvent is one server-sent event, or a comment, or a blank line that ends no event.
type sseEvent struct {
	name, data string
	comment    bool
	blank      bool // a line, and nothing else
}

// maxLine is the longest line of a stream that is read.
const maxLine = 16 << 20

// sseReader reads events as the HTML standard says: lines of fields, an empty line
// ends an event, a line that begins with a colon is a comment.
type sseReader struct {
	in        *bufio.Scanner
	commented bool // the last line was a comment, which a blank line ends
}

func newSSEReader(r io.Reader) *sseReader {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 8<<10), maxLine)
	in.Split(lines)
	return &sseReader{in: in}
}

var errOpenEvent = errors.New("the stream ended in the middle of an event")

// lines splits at newlines and gives an unfinished last line back as an error of its
// own, because an event that is not ended does not count.
func lines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	advance, token, err = bufio.ScanLines(data, false)
	if advance == 0 && atEOF && len(data) > 0 {
		return 0, nil, errOpenEvent
	}
	return advance, token, err
}

// next gives the next event. The error is io.EOF at an orderly end.
func (s *sseReader) next() (sseEvent, error) {
	var e sseEvent
	var data []string
	open := false
	for s.in.Scan() {
		line := s.in.Text()
		switch {
		case line == "" && open:
			e.data = strings.Join(data, "\n")
			return e, nil
		case line == "" && s.commented:
			s.commented = false
			continue
		case line == "":
			return sseEvent{blank: true}, nil
		case line[0] == ':' && !open:
			s.commented = true
			return sseEvent{comment: true}, nil
		case line[0] == ':':
			continue
		}
		open, s.commented = true, false
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			data = append(data, value)
		}
	}
	err := s.in.Err()
	switch {
	case err == nil && open:
		err = errOpenEvent
	case err == nil:
		err = io.EOF
	}
	return e, err
}

// streamReader reads the events of one dialect into an answer.
type streamReader interface {
	// event takes one event; content reports whether it carried some.
	event(e sseEvent) (content bool)
	// end is called at the stream's end; it reports whether the terminal event was seen.
	end() (ended bool)
}
