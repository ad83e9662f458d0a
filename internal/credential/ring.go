package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// KeySize is the length of a master key in bytes.
const KeySize = 32

// Key is a master key. It hides itself when printed.
type Key struct{ bytes [KeySize]byte }

// String, GoString and Format mask the key.
func (Key) String() string { return "[key]" }

// GoString masks %#v.
func (Key) GoString() string { return "[key]" }

// Format masks every verb of package fmt.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[key]")) }

// MarshalText masks in every text encoding.
func (Key) MarshalText() ([]byte, error) { return []byte("[key]"), nil }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k == Key{} }

// The sealed form: one byte of version, the key's id, the nonce, the ciphertext
// with its tag.
const (
	version   = 1
	idSize    = 4
	nonceSize = 12
	tagSize   = 16
	header    = 1 + idSize + nonceSize
)

// Ring seals with one key and opens with that and older ones, so that a master key
// can be replaced: what an old key has sealed stays readable until it is sealed
// anew. A Ring is immutable and may be used from any goroutine.
type Ring struct {
	current keyID
	aeads   map[keyID]cipher.AEAD
}

type keyID [idSize]byte

// NewRing makes a ring that seals with current and also opens what the old keys
// have sealed.
func NewRing(current Key, old ...Key) (*Ring, error) {
	r := &Ring{aeads: map[keyID]cipher.AEAD{}}
	for i, k := range append([]Key{current}, old...) {
		if k.IsZero() {
			return nil, errors.New("make a key ring: a master key is missing or all zeros")
		}
		id, aead, err := derive(k)
		if err != nil {
			return nil, fmt.Errorf("make a key ring: %w", err)
		}
		if i == 0 {
			r.current = id
		} else if _, taken := r.aeads[id]; taken {
			continue // the same key again
		}
		r.aeads[id] = aead
	}
	return r, nil
}

// derive gives a key's public id and its cipher. Both come from the key by HKDF
// with labels of their own, so that the id says nothing about the cipher's key.
func derive(k Key) (id keyID, aead cipher.AEAD, err error) {
	b, err := hkdf.Key(sha256.New, k.bytes[:], nil, "turnout master key id", idSize)
	if err != nil {
		return id, nil, err
	}
	copy(id[:], b)
	secret, err := hkdf.Key(sha256.New, k.bytes[:], nil, "turnout seal v1", KeySize)
	if err != nil {
		return id, nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return id, nil, err
	}
	aead, err = cipher.NewGCM(block)
	return id, aead, err
}

// Seal encrypts plain for one place: a table's name, a row's immutable name or id,
// and a column. The result is 33 bytes longer than plain. plain is not kept.
//
// The nonce is random, so one key may seal some 2^32 times (NIST SP 800-38D, 8.3).
func (r *Ring) Seal(plain []byte, table, row, column string) ([]byte, error) {
	out := make([]byte, header, header+len(plain)+tagSize)
	out[0] = version
	copy(out[1:], r.current[:])
	_, _ = rand.Read(out[1+idSize:]) // never fails: it crashes the process rather than return bad randomness
	return r.aeads[r.current].Seal(out, out[1+idSize:header], plain, place(out[:1+idSize], table, row, column)), nil
}

// The ways in which Open fails.
var (
	// ErrKey: the ring does not hold the key that sealed it.
	ErrKey = errors.New("it was sealed with another master key: give back the old one (the file master.key in the data directory, " +
		"master_key_file or TURNOUT_MASTER_KEY), or enter the secret anew")
	// ErrTampered: the sealed form was changed, or stands in another place than the
	// one it was sealed for.
	ErrTampered = errors.New("the sealed secret is damaged, or was copied from another row: restore the database from a copy, or enter the secret anew")
	// ErrForm: it is no sealed form that this version knows.
	ErrForm = errors.New("this is no sealed secret of a form that this version of Turnout knows: was it written by a newer one?")
)

// Open gives back what Seal was given for the same place. It fails with ErrKey,
// ErrTampered or ErrForm.
func (r *Ring) Open(sealed []byte, table, row, column string) ([]byte, error) {
	if len(sealed) < header+tagSize || sealed[0] != version {
		return nil, ErrForm
	}
	id := keyID(sealed[1 : 1+idSize])
	aead, ok := r.aeads[id]
	if !ok {
		return nil, fmt.Errorf("key %s: %w", hex.EncodeToString(id[:]), ErrKey)
	}
	plain, err := aead.Open(nil, sealed[1+idSize:header], sealed[header:], place(sealed[:1+idSize], table, row, column))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// Current reports whether sealed was made with the key that Seal uses now. What was
// not should be sealed anew before the old key is taken away.
func (r *Ring) Current(sealed []byte) bool {
	return len(sealed) >= header+tagSize && sealed[0] == version && keyID(sealed[1:1+idSize]) == r.current
}

// place is the additional data: the form's own first bytes and the three names,
// each with its length, so that no two places look alike.
func place(first []byte, names ...string) []byte {
	out := append([]byte(nil), first...)
	for _, n := range names {
		out = binary.AppendUvarint(out, uint64(len(n)))
		out = append(out, n...)
	}
	return out
}
