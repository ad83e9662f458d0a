package gemini

import (
	"sort"
	"unicode/utf8"

	"turnout/internal/dialect"
)

// places turns places in a text, which this dialect counts in bytes, into characters, and back. The zero places is
// that of an empty text.
type places struct {
	bytes, extra int // of the text so far, and how many bytes more than characters it has
	wide         []wide
	lost         bool // there were too many wide characters to keep
}

// wide is a character of more than one byte: where it ends, and the extra bytes up to there.
type wide struct{ end, extra int32 }

// maxWide bounds what is kept of one text: 256 KiB.
const maxWide = 1 << 15

// add takes more of the text, as a JSON string.
func (p *places) add(quoted []byte) {
	if isPlain(quoted) {
		for i := 1; i < len(quoted)-1; i++ {
			if quoted[i] == '\\' {
				i++
			}
			p.bytes++
		}
		return
	}
	s, _ := dialect.Unquote(quoted)
	for _, r := range s {
		n := utf8.RuneLen(r)
		p.bytes += n
		if n == 1 {
			continue
		}
		p.extra += n - 1
		if p.lost = p.lost || len(p.wide) == maxWide; !p.lost {
			p.wide = append(p.wide, wide{int32(p.bytes), int32(p.extra)})
		}
	}
}

// chars is how many characters there are.
func (p *places) chars() int { return p.bytes - p.extra }

// char is the place in characters of one in bytes; 0: it is not known.
func (p *places) char(at int) int {
	i := sort.Search(len(p.wide), func(i int) bool { return int(p.wide[i].end) > at })
	if i == len(p.wide) && p.lost {
		return 0
	}
	return at - p.before(i)
}

// byte is the place in bytes of one in characters; 0: it is not known.
func (p *places) byte(at int) int {
	i := sort.Search(len(p.wide), func(i int) bool { return int(p.wide[i].end-p.wide[i].extra) > at })
	if i == len(p.wide) && p.lost {
		return 0
	}
	return at + p.before(i)
}

func (p *places) before(i int) int {
	if i == 0 {
		return 0
	}
	return int(p.wide[i-1].extra)
}

// isPlain reports whether a JSON string holds only characters of one byte each in UTF-8. An escape of one is taken
// for a longer one.
func isPlain(quoted []byte) bool {
	for i, c := range quoted {
		if c >= 0x80 || c == '\\' && i+1 < len(quoted) && quoted[i+1] == 'u' {
			return false
		}
	}
	return true
}
