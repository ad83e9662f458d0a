package gemini

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"turnout/internal/dialect/neutral"
)

// Every place between two characters is the same one in bytes and in characters, however the text came in pieces.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p places
		text := ""
		for _, s := range rapid.SliceOfN(rapid.StringOf(rapid.SampledFrom([]rune("ab\\\"\n\u0001ö漢🙂"))), 0, 4).Draw(t, "pieces") {
			p.add(neutral.Quote(s))
			text += s
		}
		if p.bytes != len(text) || p.chars() != utf8.RuneCountInString(text) {
			t.Fatalf("%q: %d bytes, %d characters", text, p.bytes, p.chars())
		}
		chars := 0
		for at := range text + "." {
			if p.char(at) != chars || p.byte(chars) != at {
				t.Errorf("%q: byte %d is character %d; character %d is byte %d", text, at, p.char(at), chars, p.byte(chars))
			}
			chars++
		}
	})
}

// Of a text with too many wide characters the places behind those that are kept are not known.
func TestPlacesAreBounded(t *testing.T) {
	var p places
	for range maxWide/4 + 1 {
		p.add([]byte(`"öööö"`))
	}
	if len(p.wide) != maxWide || p.char(p.bytes) != 0 || p.char(2) != 1 || p.byte(p.chars()) != 0 {
		t.Errorf("%d kept; %d %d %d", len(p.wide), p.char(p.bytes), p.char(2), p.byte(p.chars()))
	}
}
