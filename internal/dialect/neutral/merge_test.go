package neutral

import (
	"testing"
)

// Neighbours of one side become one turn, in order, and the turns that were given stay as they were, also in the
// room behind their blocks.
func TestMerge(t *testing.T) {
	block := func(s string) []Block { return append(make([]Block, 0, 8), Block{Text: s}) }
	turns := []Turn{
		{Role: User, Blocks: block("a")}, {Role: User, Blocks: block("b")}, {Role: User, Blocks: block("c")},
		{Role: Assistant, Blocks: block("d")}, {Role: User, Blocks: block("e")}, {Role: User}, {Role: User, Blocks: block("f")},
	}
	var got []string
	for _, m := range Merge(turns) {
		s := [...]string{"user ", "assistant "}[m.Role]
		for _, b := range m.Blocks {
			s += b.Text
		}
		got = append(got, s)
	}
	if len(got) != 3 || got[0] != "user abc" || got[1] != "assistant d" || got[2] != "user ef" {
		t.Errorf("%q", got)
	}
	for i, m := range turns {
		if len(m.Blocks) > 1 || len(m.Blocks) == 1 && m.Blocks[:2][1].Text != "" {
			t.Errorf("turn %d was changed: %+v", i, m.Blocks[:2])
		}
	}
	if Merge(nil) == nil {
		t.Error("nothing merged is nothing, and not nil")
	}
}

// Very many neighbours cost no copy of all before each.
func TestMergeOfMany(t *testing.T) {
	turns := make([]Turn, 20_000)
	for i := range turns {
		turns[i] = Turn{Blocks: []Block{{Text: "x"}}}
	}
	if allocs := testing.AllocsPerRun(1, func() { Merge(turns) }); allocs > 100 {
		t.Errorf("%v allocations", allocs)
	}
}
