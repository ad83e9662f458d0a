package ledger

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func TestSettlementsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettlement(t)
		got, err := Decode(Encode(nil, &s))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%+v comes back as %+v (%v)", s, got, err)
		}
	})
}

// Nothing that a caller or a provider names makes a record that the journal does not take.
func TestLongTextsAreCut(t *testing.T) {
	s := domain.Settlement{Model: strings.Repeat("m", 10_000), Plan: strings.Repeat("p", 10_000), Losses: make([]domain.AccountCost, 5000)}
	got, err := Decode(Encode(nil, &s))
	if err != nil || len(got.Model) != mostText || len(got.Losses) != mostLosses {
		t.Errorf("%d, %d (%v)", len(got.Model), len(got.Losses), err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(nil, &domain.Settlement{Model: "m", Charged: 5, Losses: []domain.AccountCost{{Account: 1, Amount: 2}}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		again := Encode(nil, &s)
		back, err := Decode(again)
		if err != nil || !reflect.DeepEqual(back, s) || len(b) < len(again) && bytes.HasPrefix(again, b) {
			t.Fatalf("%x is read as %+v, and that as %+v (%v)", b, s, back, err)
		}
	})
}
