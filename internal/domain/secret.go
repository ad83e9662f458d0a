package domain

import (
	"fmt"
	"log/slog"
)

// Secret is a credential that hides itself: every way of printing, logging or
// encoding it yields a fixed mask. Reveal is the only way to the value, so that
// a search for it finds every use. The zero value is "no secret".
//
// The value is behind a pointer because package fmt asks no methods of a struct's
// unexported fields: there it prints what it finds, and must find an address. Two
// secrets are compared by what Reveal gives.
type Secret struct {
	_     [0]func() // not comparable
	value *string
}

const secretMask = "[secret]"

// NewSecret wraps a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal gives the value. Call it only where the value goes on the wire or is
// sealed for storage.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == nil }

func (s Secret) mask() string {
	if s.IsZero() {
		return ""
	}
	return secretMask
}

// String, GoString, Format, LogValue, MarshalText and MarshalJSON all mask.
func (s Secret) String() string { return s.mask() }

// GoString masks %#v.
func (s Secret) GoString() string { return s.mask() }

// Format masks every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.mask())) }

// LogValue masks in slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.mask()) }

// MarshalText masks in every text encoding.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.mask()), nil }

// MarshalJSON masks in JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.mask() + `"`), nil }
