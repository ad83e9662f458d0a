package dialect

// RewriteObject gives an object in which f has replaced the values of some members; changed with nil leaves a
// member out. Where f changes none, and in a text that is no object, b is given back as it is.
func RewriteObject(b []byte, f func(key, value []byte) (out []byte, changed bool)) (out []byte, changed bool) {
	r := rewriting{b: b}
	err := Object(b, func(key []byte, v, member Span) bool {
		with, changed := f(key, v.Of(b))
		r.add(Span{member.Start, v.Start}, v, with, changed)
		return true
	})
	return r.done('{', '}', err)
}

// RewriteArray does the same with the elements of an array.
func RewriteArray(b []byte, f func(element []byte) (out []byte, changed bool)) (out []byte, changed bool) {
	r := rewriting{b: b}
	err := Array(b, func(e Span) bool {
		with, changed := f(e.Of(b))
		r.add(Span{}, e, with, changed)
		return true
	})
	return r.done('[', ']', err)
}

// rewriting is what one pass finds to change.
type rewriting struct {
	b       []byte
	parts   []rewritten
	changed bool
}

type rewritten struct {
	head, value Span // of a member: from its key to its value
	with        []byte
	changed     bool
}

func (r *rewriting) add(head, value Span, with []byte, changed bool) {
	r.parts = append(r.parts, rewritten{head, value, with, changed})
	r.changed = r.changed || changed
}

func (r *rewriting) done(open, closing byte, err error) (out []byte, changed bool) {
	if err != nil || !r.changed {
		return r.b, false
	}
	out = append(make([]byte, 0, len(r.b)), open)
	for i := range r.parts {
		p := &r.parts[i]
		if p.changed && p.with == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, p.head.Of(r.b)...)
		if p.changed {
			out = append(out, p.with...)
		} else {
			out = append(out, p.value.Of(r.b)...)
		}
	}
	return append(out, closing), true
}
