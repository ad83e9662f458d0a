package dialect

import "bytes"

// Marks say what a body may hold somewhere inside, found in one pass that stops at colons only, so that
// nobody has to look for what is not there. A mark that is not set is certain; one that is set may be an empty alarm.
type Marks uint8

// The marks.
const (
	// MarkRef: a member that [Refs] looks for.
	MarkRef Marks = 1 << iota
	// MarkItem: a list of items, some of which may be nothing but the names of what an account keeps.
	MarkItem
	// MarkTool: a tool that the provider runs, which leaves a container at the account.
	MarkTool
	// MarkSeal: a string that Turnout made of a provider's reasoning.
	MarkSeal
	// MarkEncrypted: reasoning that the organisation alone can read for which it was encrypted.
	MarkEncrypted
)

// Has reports whether any of the marks is set.
func (m Marks) Has(any Marks) bool { return m&any != 0 }

// SealPrefix begins every string that Turnout makes of a provider's signature or encrypted
// reasoning; no provider's own looks like it. SealBase64 is how one begins that is encoded once more, where
// the protocol wants base64.
const (
	SealPrefix = "turnout1."
	SealBase64 = "dHVybm91dDEu"
)

// maxName is longer than every name that is looked for, in bytes.
const maxName = 32

// Mark looks through a body, which need not be valid JSON.
func Mark(body []byte) (m Marks) {
	for i := 0; ; i++ {
		c := bytes.IndexByte(body[i:], ':')
		if c < 0 {
			return m
		}
		i += c
		q := i - 1
		for q > 0 && space(body[q]) {
			q--
		}
		// A quote after a backslash stands inside of a string, or ends a name that nobody looks for.
		if q < 1 || body[q] != '"' || body[q-1] == '\\' {
			continue
		}
		name := body[max(0, q-maxName):q]
		if start := bytes.LastIndexByte(name, '"'); start >= 0 {
			name = name[start+1:]
		} else if bytes.IndexByte(name, '\\') < 0 {
			continue // too long to be one
		}
		if bytes.IndexByte(name, '\\') >= 0 {
			m |= MarkRef | MarkItem | MarkTool | MarkSeal | MarkEncrypted
			continue
		}
		v := skipSpace(body, i+1)
		if v == len(body) || body[v] != '"' {
			if m |= markOf(name); v < len(body) && body[v] == '[' && itemLists[string(name)] {
				m |= MarkItem
			}
			continue
		}
		value := body[v+1:]
		m |= markOf(name)
		switch {
		case string(name) == "type":
			m |= markOfType(value)
		case bytes.HasPrefix(value, []byte(SealPrefix)), bytes.HasPrefix(value, []byte(SealBase64)):
			m |= MarkSeal
		case len(value) > 0 && value[0] == '\\': // an escape, which may hide that
			m |= MarkSeal | MarkEncrypted
		case string(name) == "encrypted_content":
			m |= MarkEncrypted
		}
	}
}

func markOf(name []byte) Marks {
	if _, is := named[string(name)]; !is {
		return 0
	}
	if string(name) == "container" {
		return MarkRef | MarkTool
	}
	return MarkRef
}

func markOfType(value []byte) Marks {
	word := value[:min(len(value), maxName)]
	if end := bytes.IndexByte(word, '"'); end >= 0 {
		word = word[:end]
	}
	switch {
	case bytes.IndexByte(word, '\\') >= 0:
		return MarkRef | MarkTool
	case string(word) == "item_reference":
		return MarkRef
	case bytes.HasPrefix(word, []byte("code_")), bytes.HasPrefix(word, []byte("container")):
		return MarkTool
	}
	return 0
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
