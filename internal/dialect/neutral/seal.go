package neutral

import (
	"encoding/base64"
	"strconv"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Seal packs a provider's opaque signature (with its item's id, which may be empty) into
// one that a client of another dialect keeps and sends back, so that a later request can be
// translated with it. It is no encryption: the signature is opaque by itself.
func Seal(origin domain.Dialect, id, signature string) string {
	return dialect.SealPrefix + strconv.Itoa(int(origin)) + "." + base64.RawURLEncoding.EncodeToString([]byte(id)) + "." + signature
}

// between stands between a sealed id and words that are sealed with it. It is no letter of base64.
const between = "~"

// SealText is [Seal] for reasoning whose words the caller is not shown. Some providers want them back with the signature, and
// tell reasoning whose words they left out themselves from what they redacted.
func SealText(origin domain.Dialect, id, signature, words string) string {
	sealed := base64.RawURLEncoding.EncodeToString([]byte(id)) + between + base64.RawURLEncoding.EncodeToString([]byte(words))
	return dialect.SealPrefix + strconv.Itoa(int(origin)) + "." + sealed + "." + signature
}

// SealedText are the words in what [SealText] made, which may be none; ok is false for anything else.
func SealedText(s string) (words string, ok bool) {
	if _, _, _, ok := Unseal(s); !ok {
		return "", false
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(s, dialect.SealPrefix), ".")
	sealed, _, _ := strings.Cut(rest, ".")
	_, words, ok = strings.Cut(sealed, between)
	raw, err := base64.RawURLEncoding.DecodeString(words)
	return string(raw), ok && err == nil
}

// Unseal is the reverse of [Seal]; ok is false for a signature that is the client's dialect's own.
func Unseal(s string) (origin domain.Dialect, id, signature string, ok bool) {
	rest, ok := strings.CutPrefix(s, dialect.SealPrefix)
	if !ok {
		return 0, "", "", false
	}
	n, rest, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", "", false
	}
	encoded, signature, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", "", false
	}
	encoded, _, _ = strings.Cut(encoded, between)
	d, err := strconv.ParseUint(n, 10, 8)
	raw, err2 := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || err2 != nil {
		return 0, "", "", false
	}
	return domain.Dialect(d), string(raw), signature, true
}

// Unsealed gives the request without what is asked for of the reasoning that the provider of the dialect d wrote itself, for an
// account of it that cannot read that; changed is false where there is none. It is asked for by what is
// encrypted, or, in a dialect that encrypts nothing, by the words.
func Unsealed(r *Request, d domain.Dialect, is func(sealed string) bool) (out *Request, changed bool) {
	c := *r
	c.Turns = make([]Turn, 0, len(r.Turns))
	for _, t := range r.Turns {
		kept := make([]Block, 0, len(t.Blocks))
		for i := range t.Blocks {
			b := &t.Blocks[i]
			if _, sealed, ok := SignatureFor(d, b); ok && b.Kind == KindReasoning {
				if d == domain.DialectOpenAIChat {
					sealed = b.Text + b.Signature
				}
				if is(sealed) {
					changed = true
					continue
				}
			}
			kept = append(kept, *b)
		}
		if len(kept) > 0 || len(t.Blocks) == 0 {
			t.Blocks = kept
			c.Turns = append(c.Turns, t)
		}
	}
	if !changed {
		return r, false
	}
	return &c, true
}

// SignatureFor gives the signature of a reasoning block as a target of the dialect d wants
// it, which may be the one that it came with or the one that was sealed in it; ok is false
// where it is another dialect's.
func SignatureFor(d domain.Dialect, b *Block) (id, signature string, ok bool) {
	if b.Signature == "" {
		return "", "", false
	}
	if origin, id, sig, sealed := Unseal(b.Signature); sealed {
		return id, sig, origin == d && sig != ""
	}
	return b.ID, b.Signature, b.Origin == d
}

// Shown gives the signature that a caller of the dialect d gets for a reasoning block: the
// dialect's own as it is, another one's sealed. Empty: there is none.
func Shown(d domain.Dialect, b *Block) string {
	if b.Signature == "" || b.Origin == d {
		return b.Signature
	}
	return Seal(b.Origin, b.ID, b.Signature)
}

// ShownThought is [Shown] for a thought with words. Where another provider has not signed it, it is sealed all the same: its
// caller's own provider refuses it, and has to be spared it when the conversation moves there.
func ShownThought(d domain.Dialect, b *Block) string {
	if b.Signature == "" && b.Origin != d && b.Origin != domain.DialectNone {
		return Seal(b.Origin, "", "")
	}
	return Shown(d, b)
}
