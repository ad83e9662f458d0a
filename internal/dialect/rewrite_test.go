package dialect

import "testing"

func TestRewrite(t *testing.T) {
	drop := func(word string) func([]byte) ([]byte, bool) {
		return func(e []byte) ([]byte, bool) {
			switch string(e) {
			case `"` + word + `"`:
				return nil, true
			case `1`:
				return []byte("2"), true
			}
			return e, false
		}
	}
	for _, c := range []struct {
		in, want string
		changed  bool
	}{
		{`["x", "y" ,1]`, `["y",2]`, true},
		{` [ "x" ] `, `[]`, true},
		{`[ "y" , 3 ]`, `[ "y" , 3 ]`, false},
		{`["x",`, `["x",`, false},
		{`{"a" : "x","b": 1 , "c":[ 1 ]}`, `{"b": 2,"c":[ 1 ]}`, true},
		{`{"a":"x"}`, `{}`, true},
		{`{"a":"y"} `, `{"a":"y"} `, false},
		{`"x"`, `"x"`, false},
		{``, ``, false},
	} {
		var got []byte
		var changed bool
		if len(c.in) > 0 && c.in[0] == '{' {
			got, changed = RewriteObject([]byte(c.in), func(_, v []byte) ([]byte, bool) { return drop("x")(v) })
		} else {
			got, changed = RewriteArray([]byte(c.in), drop("x"))
		}
		if string(got) != c.want || changed != c.changed {
			t.Errorf("%s became %s, %v; want %s, %v", c.in, got, changed, c.want, c.changed)
		}
	}
}
