package dialect

import "bytes"

// EndOfEvent finds the end of the first whole event in b: the index after the blank
// line that closes it. 0 means that b holds no whole event yet. Lines may end in LF, CRLF or CR, as
// the WHATWG HTML standard, section 9.2.5, says.
func EndOfEvent(b []byte) int {
	i := 0
	for {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			if i == 0 {
				return crEventEnd(b)
			}
			return 0
		}
		k := i + j + 1 // the next line begins here
		if k == 1 {
			return 1 // an empty first line
		}
		if k >= len(b) {
			return 0
		}
		switch b[k] {
		case '\n':
			return k + 1
		case '\r':
			if k+1 >= len(b) {
				return 0 // a '\n' may follow
			}
			if b[k+1] == '\n' {
				return k + 2
			}
			return k + 1
		}
		i = k
	}
}

// crEventEnd is EndOfEvent for a stream whose lines end in CR alone.
func crEventEnd(b []byte) int {
	if j := bytes.Index(b, []byte("\r\r")); j >= 0 && j+2 < len(b) {
		return j + 2
	}
	return 0
}

// Fields gives an event's name and data. Several data lines are joined with a
// line feed, as the standard says; a single one is not copied. An event that is only comments
// has neither.
func Fields(raw []byte) (name, data []byte) {
	seen, joined := false, false
	for len(raw) > 0 {
		var line []byte
		line, raw = nextLine(raw)
		if len(line) < 5 || line[0] == ':' {
			continue
		}
		switch {
		case line[0] == 'd' && bytes.HasPrefix(line, []byte("data:")):
			v := value(line[5:])
			switch {
			case !seen:
				data, seen = v, true
			case !joined:
				data, joined = append(append(append(make([]byte, 0, len(data)+len(v)+1), data...), '\n'), v...), true
			default:
				data = append(append(data, '\n'), v...)
			}
		case line[0] == 'e' && bytes.HasPrefix(line, []byte("event:")):
			name = value(line[6:])
		}
	}
	return name, data
}

// nextLine cuts the first line off b, whichever way it ends.
func nextLine(b []byte) (line, rest []byte) {
	line = b
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		line, rest = b[:i], b[i+1:]
	}
	switch i := bytes.IndexByte(line, '\r'); {
	case i < 0:
	case i == len(line)-1 && rest != nil: // CRLF
		line = line[:i]
	default:
		line, rest = b[:i], b[i+1:]
	}
	return line, rest
}

// value drops the one space that may follow a field's colon.
func value(v []byte) []byte {
	if len(v) > 0 && v[0] == ' ' {
		return v[1:]
	}
	return v
}
