package dialect

import "bytes"

// EndOfEvent finds the end of the first whole event in b: the index after the blank
// line that closes it. 0 means that b holds no whole event yet. Lines may end in LF, CRLF or CR, as
// the WHATWG HTML standard, section 9.2.5, says; a CR that ends b waits for what follows it,
// because it may be half of a CRLF.
func EndOfEvent(b []byte) int {
	i := 0 // the line begins here
	for {
		line := b[i:]
		end := bytes.IndexByte(line, '\n') // of the line, without what ends it
		next := i + end + 1
		if end >= 0 {
			line = line[:end]
		}
		switch cr := bytes.IndexByte(line, '\r'); {
		case cr >= 0 && cr+1 < len(line): // a CR alone
			end, next = cr, i+cr+1
		case end < 0:
			return 0
		case cr >= 0: // CRLF
			end = cr
		}
		if end == 0 {
			return next
		}
		if i = next; i < len(b) && b[i] == '\n' {
			return i + 1
		}
	}
}

// byteOrderMark may stand before the first event.
var byteOrderMark = []byte("\xef\xbb\xbf")

// Fields gives an event's name and data. Several data lines are joined with a
// line feed, as the standard says; a single one is not copied. An event that is only comments
// has neither; data that is there and empty is not nil.
func Fields(raw []byte) (name, data []byte) {
	seen, joined := false, false
	if len(raw) > 0 && raw[0] == byteOrderMark[0] {
		raw = bytes.TrimPrefix(raw, byteOrderMark)
	}
	for len(raw) > 0 {
		var line []byte
		line, raw = nextLine(raw)
		if len(line) < 4 || line[0] == ':' {
			continue
		}
		switch {
		case line[0] == 'd' && (bytes.HasPrefix(line, []byte("data:")) || string(line) == "data"):
			v := value(line[min(5, len(line)):])
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
		case string(line) == "event":
			name = nil
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
