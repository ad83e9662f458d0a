package dialect

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds the nesting that the scanner follows. Providers' own parsers
// give up long before.
const maxDepth = 512

// SyntaxError says where a JSON text stops being one.
type SyntaxError struct {
	Offset int // bytes from the start
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.What)
}

// Span is a half-open range of bytes of a scanned text. The zero Span is "not there".
type Span struct{ Start, End int }

// Of gives the bytes. An absent span gives nil.
func (s Span) Of(b []byte) []byte {
	if s.End == 0 {
		return nil
	}
	return b[s.Start:s.End]
}

// Present reports whether the span exists.
func (s Span) Present() bool { return s.End > 0 }

// Object scans one JSON object and calls visit for each of its own members, in
// order, with the key's raw bytes (between the quotes, escapes untouched), the
// value's span, and the span of the whole member with the key's opening quote.
// visit returning false ends the scan early without an error.
//
// It is one pass: strings and brackets are checked to the end; numbers,
// literals and the commas inside nested values are not, because the provider's own
// parser answers for those. Text after the object other than white space is an
// error. b is not kept and not changed.
func Object(b []byte, visit func(key []byte, value, member Span) bool) error {
	i := skipSpace(b, 0)
	if i == len(b) {
		return &SyntaxError{i, "empty text, want an object"}
	}
	if b[i] != '{' {
		return &SyntaxError{i, "want an object"}
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return trailing(b, i+1)
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return &SyntaxError{min(i, len(b)), "want a member's name in quotes"}
		}
		start := i
		end, err := skipString(b, i)
		if err != nil {
			return err
		}
		key := b[i+1 : end-1]
		i = skipSpace(b, end)
		if i >= len(b) || b[i] != ':' {
			return &SyntaxError{min(i, len(b)), "want ':' after a member's name"}
		}
		i = skipSpace(b, i+1)
		end, err = skipValue(b, i)
		if err != nil {
			return err
		}
		if !visit(key, Span{i, end}, Span{start, end}) {
			return nil
		}
		i = skipSpace(b, end)
		if i >= len(b) {
			return &SyntaxError{len(b), "the object does not end"}
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return trailing(b, i+1)
		default:
			return &SyntaxError{i, "want ',' or '}' after a member"}
		}
	}
}

// Array scans one JSON array in the same way and calls visit for each element.
func Array(b []byte, visit func(element Span) bool) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '[' {
		return &SyntaxError{min(i, len(b)), "want an array"}
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return trailing(b, i+1)
	}
	for {
		end, err := skipValue(b, i)
		if err != nil {
			return err
		}
		if !visit(Span{i, end}) {
			return nil
		}
		i = skipSpace(b, end)
		if i >= len(b) {
			return &SyntaxError{len(b), "the array does not end"}
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return trailing(b, i+1)
		default:
			return &SyntaxError{i, "want ',' or ']' after an element"}
		}
	}
}

func trailing(b []byte, i int) error {
	if i = skipSpace(b, i); i < len(b) {
		return &SyntaxError{i, "text after the end"}
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipString expects b[i] == '"' and returns the index after the closing quote.
func skipString(b []byte, i int) (int, error) {
	from := i
	i++
	for {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return 0, &SyntaxError{from, "the string does not end"}
		}
		i += q
		back := i - 1
		for back > from && b[back] == '\\' {
			back--
		}
		i++
		if (i-1-back)%2 == 1 { // an even number of backslashes before the quote
			return i, nil
		}
	}
}

// skipValue returns the index after the value that begins at b[i].
func skipValue(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, &SyntaxError{len(b), "want a value"}
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	end := i
	for end < len(b) && scalar[b[end]] {
		end++
	}
	if end == i {
		return 0, &SyntaxError{i, "want a value"}
	}
	return end, nil
}

// scalar marks the bytes that numbers and literals are made of.
var scalar = func() (t [256]bool) {
	for _, c := range []byte("+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return
}()

func skipNested(b []byte, i int) (int, error) {
	var kinds [maxDepth / 64]uint64 // bit set: object
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			end, err := skipString(b, i)
			if err != nil {
				return 0, err
			}
			i = end
			continue
		case '{', '[':
			if depth == maxDepth {
				return 0, &SyntaxError{i, "nested too deeply"}
			}
			if b[i] == '{' {
				kinds[depth/64] |= 1 << (depth % 64)
			} else {
				kinds[depth/64] &^= 1 << (depth % 64)
			}
			depth++
		case '}', ']':
			depth--
			if kinds[depth/64]>>(depth%64)&1 == 1 != (b[i] == '}') {
				return 0, &SyntaxError{i, "a bracket does not match"}
			}
			if depth == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return 0, &SyntaxError{len(b), "a bracket is not closed"}
}

// Name reports whether a raw key, escapes and all, spells name.
func Name(key []byte, name string) bool {
	if len(key) == len(name) {
		return string(key) == name
	}
	if bytes.IndexByte(key, '\\') < 0 {
		return false
	}
	s, ok := Unquote(append(append([]byte{'"'}, key...), '"'))
	return ok && s == name
}

// Unquote decodes a JSON string, quotes included. ok is false if it is no
// string, or holds a bad escape, a control character or broken UTF-8.
func Unquote(b []byte) (s string, ok bool) {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", false
	}
	inner := b[1 : len(b)-1]
	if !utf8.Valid(inner) {
		return "", false
	}
	i := plainRun(inner)
	if i == len(inner) {
		return string(inner), true
	}
	out := make([]byte, 0, len(inner))
	out = append(out, inner[:i]...)
	for i < len(inner) {
		if inner[i] != '\\' {
			n := plainRun(inner[i:])
			if n == 0 {
				return "", false
			}
			out = append(out, inner[i:i+n]...)
			i += n
			continue
		}
		if i+1 >= len(inner) {
			return "", false
		}
		i++
		switch inner[i] {
		case '"', '\\', '/':
			out = append(out, inner[i])
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := unicodeEscape(inner[i-1:])
			if n == 0 {
				return "", false
			}
			out = utf8.AppendRune(out, r)
			i += n - 2
		default:
			return "", false
		}
		i++
	}
	return string(out), true
}

// plain marks the bytes that stand for themselves in a JSON string: all but the quote, the backslash and control
// characters.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return
}()

// plainRun is how many bytes from the start of b stand for themselves.
func plainRun[T ~string | ~[]byte](b T) int {
	i := 0
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// unicodeEscape decodes \uXXXX, or a surrogate pair of them, at the start of b,
// and says how many bytes it took; 0 if it is none.
func unicodeEscape(b []byte) (rune, int) {
	hex := func(b []byte) (rune, bool) {
		if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
			return 0, false
		}
		v, err := strconv.ParseUint(string(b[2:6]), 16, 32)
		return rune(v), err == nil
	}
	r, ok := hex(b)
	if !ok {
		return 0, 0
	}
	if r >= 0xd800 && r < 0xdc00 {
		if low, ok := hex(b[6:]); ok && low >= 0xdc00 && low < 0xe000 {
			return (r-0xd800)<<10 | (low - 0xdc00) + 0x10000, 12
		}
	}
	if r >= 0xd800 && r < 0xe000 {
		r = utf8.RuneError
	}
	return r, 6
}

// Int reads a JSON number that is a whole number of at least 0 and fits; anything else is 0.
func Int(b []byte) int64 {
	var v int64
	for _, c := range b {
		if c < '0' || c > '9' || v > 1<<58/10 {
			return 0
		}
		v = v*10 + int64(c-'0')
	}
	return v
}

// MostChoices bounds how many answers a request is taken to ask for at once.
const MostChoices = 4096

// Choices reads how many answers a request asks for, however it writes the number; 0: none that can be.
func Choices(v []byte) int {
	if s, ok := Unquote(v); ok {
		v = []byte(s)
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !(f >= 1) {
		return 0
	}
	return int(min(f, MostChoices))
}

// IsNull reports whether a value is null or absent.
func IsNull(b []byte) bool { return len(b) == 0 || string(b) == "null" }

// IsTrue reports whether a value is true.
func IsTrue(b []byte) bool { return string(b) == "true" }

// Member finds one member of an object; the first wins, a broken object gives what
// stood before the break.
func Member(object []byte, name string) []byte {
	var found []byte
	_ = Object(object, func(key []byte, v, _ Span) bool {
		if Name(key, name) {
			found = v.Of(object)
			return false
		}
		return true
	})
	return found
}

// AppendString appends s to b as a JSON string. HTML characters stay as they are.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(slices.Grow(b, len(s)+2), '"')
	if !utf8.ValidString(s) {
		s = string([]rune(s)) // U+FFFD for each byte that is none
	}
	for len(s) > 0 {
		n := plainRun(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			break
		}
		switch c := s[n]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		s = s[n+1:]
	}
	return append(b, '"')
}
