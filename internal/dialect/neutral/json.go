package neutral

import (
	"strconv"

	"turnout/internal/dialect"
)

// JSON writes a JSON text by appending to B. Commas are set as they are needed, from
// what stands before. The caller balances brackets. The zero JSON is ready for use.
type JSON struct{ B []byte }

func (j *JSON) sep() {
	if n := len(j.B); n > 0 {
		switch j.B[n-1] {
		case '{', '[', ':', ' ', '\n':
		default:
			j.B = append(j.B, ',')
		}
	}
}

// Open begins an object.
func (j *JSON) Open() *JSON { j.sep(); j.B = append(j.B, '{'); return j }

// Close ends an object.
func (j *JSON) Close() *JSON { j.B = append(j.B, '}'); return j }

// List begins an array.
func (j *JSON) List() *JSON { j.sep(); j.B = append(j.B, '['); return j }

// End ends an array.
func (j *JSON) End() *JSON { j.B = append(j.B, ']'); return j }

// Key writes a member's name. It may be a caller's own: it is escaped.
func (j *JSON) Key(name string) *JSON {
	j.String(name)
	j.B = append(j.B, ':')
	return j
}

// RawKey writes a member's name as it stood between its quotes in a valid JSON text, escapes and all.
func (j *JSON) RawKey(name []byte) *JSON {
	j.sep()
	j.B = append(j.B, '"')
	j.B = append(j.B, name...)
	j.B = append(j.B, '"', ':')
	return j
}

// String writes a string.
func (j *JSON) String(s string) *JSON { j.sep(); j.B = dialect.AppendString(j.B, s); return j }

// Quoted writes a string that is JSON already, quotes included.
func (j *JSON) Quoted(s []byte) *JSON { return j.Raw(s) }

// Raw writes a value that is JSON already. It must not end in white space; an empty one is null.
func (j *JSON) Raw(v []byte) *JSON {
	j.sep()
	if len(v) == 0 {
		j.B = append(j.B, "null"...)
		return j
	}
	j.B = append(j.B, v...)
	return j
}

// Text writes base64 as a string, as it is. Whatever else s holds is escaped.
func (j *JSON) Text(s []byte) *JSON {
	if !plainBase64(s) {
		return j.String(string(s))
	}
	j.sep()
	j.B = append(j.B, '"')
	j.B = append(j.B, s...)
	j.B = append(j.B, '"')
	return j
}

// DataURL writes a data: URL of base64.
func (j *JSON) DataURL(mediaType string, data []byte) *JSON {
	head := "data:" + mediaType + ";base64,"
	if !plainBase64(data) {
		return j.String(head + string(data))
	}
	j.String(head)
	j.B = append(append(j.B[:len(j.B)-1], data...), '"')
	return j
}

// Int writes a whole number.
func (j *JSON) Int(n int64) *JSON { j.sep(); j.B = strconv.AppendInt(j.B, n, 10); return j }

// Bool writes true or false.
func (j *JSON) Bool(v bool) *JSON { j.sep(); j.B = strconv.AppendBool(j.B, v); return j }

// Null writes null.
func (j *JSON) Null() *JSON { return j.Raw(nil) }

// Member writes a name and a string.
func (j *JSON) Member(name, value string) *JSON { return j.Key(name).String(value) }

// MemberRaw writes a name and a value that is JSON already, unless that is empty.
func (j *JSON) MemberRaw(name string, value []byte) *JSON {
	if len(value) > 0 {
		j.Key(name).Raw(value)
	}
	return j
}

// MemberInt writes a name and a number.
func (j *JSON) MemberInt(name string, n int64) *JSON { return j.Key(name).Int(n) }

// Kept is text that an encoder keeps, because a later event repeats it: the insides of
// JSON strings, escaped as they came. The zero Kept is empty.
type Kept struct{ b []byte }

// Add adds a JSON string with its quotes.
func (k *Kept) Add(quoted []byte) {
	if len(quoted) >= 2 {
		k.b = append(k.b, quoted[1:len(quoted)-1]...)
	}
}

// Len is how many bytes are kept.
func (k *Kept) Len() int { return len(k.b) }

// Reset forgets it.
func (k *Kept) Reset() { k.b = nil }

// Quoted gives it all as a JSON string with its quotes.
func (k *Kept) Quoted() []byte {
	out := make([]byte, 0, len(k.b)+2)
	out = append(out, '"')
	out = append(out, k.b...)
	return append(out, '"')
}

// Quote is s as a JSON string with its quotes.
func Quote(s string) []byte { return dialect.AppendString(make([]byte, 0, len(s)+2), s) }
