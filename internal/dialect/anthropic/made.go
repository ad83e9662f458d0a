package anthropic

import "turnout/internal/dialect"

var _ dialect.Maker = Dialect{}

// Made implements dialect.Maker: the container in which the provider's tools ran. In a stream it stands in
// the message's start, or in its last delta.
func (Dialect) Made(answer []byte) []string {
	for _, inside := range []string{"message", "delta"} {
		if object := dialect.Member(answer, inside); object != nil {
			answer = object
			break
		}
	}
	if id, ok := dialect.Unquote(dialect.Member(dialect.Member(answer, "container"), "id")); ok && id != "" {
		return []string{id}
	}
	return nil
}
