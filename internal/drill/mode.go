package drill

import "turnout/internal/domain"

// Mode is how a caller asks.
type Mode struct {
	Dialect domain.Dialect
	Stream  bool
}

// Modes lists every mode, in the order of the scorecard's columns.
func Modes() []Mode {
	return []Mode{
		{domain.DialectAnthropic, true}, {domain.DialectAnthropic, false},
		{domain.DialectOpenAIChat, true}, {domain.DialectOpenAIChat, false},
	}
}

// String is the mode's name in the scorecard.
func (m Mode) String() string {
	if m.Stream {
		return m.Dialect.String() + "/stream"
	}
	return m.Dialect.String() + "/json"
}

func (m Mode) anthropic() bool { return m.Dialect == domain.DialectAnthropic }

// platform is the kind of upstream that speaks the mode's dialect.
func (m Mode) platform() string {
	if m.anthropic() {
		return "anthropic"
	}
	return "openai"
}

// only is a scenario's Modes for some of them, with the reason why the others have none.
func only(reason string, fits func(Mode) bool) func(Mode) string {
	return func(m Mode) string {
		if fits(m) {
			return ""
		}
		return reason
	}
}

func streaming(m Mode) bool { return m.Stream }
