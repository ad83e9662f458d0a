package config

import (
	"cmp"
	"path/filepath"
	"time"

	"turnout/internal/domain"
)

// Variable is an environment variable and the setting that it overrides.
type Variable struct{ Name, Setting string }

// setting is a single value at the top level or in a small section. It can stand
// in the file, in the environment and (if set in flagOf) in a flag.
type setting struct {
	section, key string
	env, flag    string
	read         func(r *reader, text string, fromFile bool) error
}

func (s setting) path() string {
	if s.section != "" {
		return s.section + "." + s.key
	}
	return s.key
}

// to makes a reader of a value that parse understands and target points to.
func to[T any](target func(*Config) *T, parse func(string) (T, error)) func(*reader, string, bool) error {
	return func(r *reader, text string, _ bool) error {
		v, err := parse(text)
		if err == nil {
			*target(r.c) = v
		}
		return err
	}
}

// toPath is to for a path.
func toPath(target func(*Config) *string) func(*reader, string, bool) error {
	return func(r *reader, text string, fromFile bool) error {
		p, err := checkPath(text)
		if err == nil && fromFile && !filepath.IsAbs(p) {
			p = filepath.Join(r.dir, p)
		}
		if err == nil {
			*target(r.c) = p
		}
		return err
	}
}

const maxRetention = 3660 * day

var settings = []setting{
	{"", "listen", "TURNOUT_LISTEN", "--listen", to(func(c *Config) *string { return &c.Listen }, listenAddress)},
	{"", "data_dir", "TURNOUT_DATA_DIR", "--data-dir", toPath(func(c *Config) *string { return &c.DataDir })},
	{"", "drain", "TURNOUT_DRAIN", "--drain", to(func(c *Config) *time.Duration { return &c.Drain }, duration(0, day, true))},
	{"", "drain_delay", "TURNOUT_DRAIN_DELAY", "", to(func(c *Config) *time.Duration { return &c.DrainDelay }, duration(0, 5*time.Minute, true))},
	{"", "trace_retention", "TURNOUT_TRACE_RETENTION", "", to(func(c *Config) *time.Duration { return &c.TraceRetention }, duration(time.Hour, maxRetention, false))},
	{"", "request_retention", "TURNOUT_REQUEST_RETENTION", "", to(func(c *Config) *time.Duration { return &c.RequestRetention }, duration(time.Hour, maxRetention, false))},
	{"", "usage_retention", "TURNOUT_USAGE_RETENTION", "", to(func(c *Config) *time.Duration { return &c.UsageRetention }, duration(35*day, maxRetention, false))},
	{"", "session_ttl", "TURNOUT_SESSION_TTL", "", to(func(c *Config) *time.Duration { return &c.SessionTTL }, duration(time.Minute, 30*day, false))},
	{"", "master_key_file", "TURNOUT_MASTER_KEY_FILE", "", toPath(func(c *Config) *string { return &c.MasterKeyFile })},
	{"limits", "body", "TURNOUT_LIMIT_BODY", "", to(func(c *Config) *int64 { return &c.Limits.Body }, size(1<<10, 1<<30))},
	{"limits", "bodies", "TURNOUT_LIMIT_BODIES", "", to(func(c *Config) *int64 { return &c.Limits.Bodies }, size(1<<20, 1<<40))},
	{"limits", "queue", "TURNOUT_LIMIT_QUEUE", "", to(func(c *Config) *int { return &c.Limits.Queue }, number(0, 100_000))},
	{"limits", "queue_wait", "TURNOUT_LIMIT_QUEUE_WAIT", "", to(func(c *Config) *time.Duration { return &c.Limits.QueueWait }, duration(0, 10*time.Minute, true))},
	{"limits", "header_bytes", "TURNOUT_LIMIT_HEADER_BYTES", "", to(func(c *Config) *int64 { return &c.Limits.HeaderBytes }, size(4<<10, 1<<20))},
	{"log", "level", "TURNOUT_LOG_LEVEL", "--log-level", to(func(c *Config) *string { return &c.Log.Level }, oneOf("debug", "info", "warn", "error"))},
	{"log", "format", "TURNOUT_LOG_FORMAT", "--log-format", to(func(c *Config) *string { return &c.Log.Format }, oneOf("text", "json"))},
}

// Variables lists every environment variable that is read, with the key of the
// file that it overrides.
func Variables() []Variable {
	vs := []Variable{{"TURNOUT_CONFIG", "the configuration file"}, {"TURNOUT_MASTER_KEY", "the master key: 32 bytes in base64 or hexadecimal"}}
	for _, s := range settings {
		vs = append(vs, Variable{s.env, s.path()})
	}
	return vs
}

// section gives the readers of a section's settings ("": the top level).
func (r *reader) section(name string) []field {
	var fields []field
	for _, s := range settings {
		if s.section != name {
			continue
		}
		fields = append(fields, field{s.key, func(n node) {
			if text, ok := n.text(); ok {
				if err := s.read(r, text, true); err != nil {
					r.problem(n.at, "%v", err)
				}
			}
		}})
	}
	return fields
}

// overrides reads the environment and then the flags. A variable that is set to
// nothing counts as not set.
func (r *reader) overrides(o Overrides) {
	flags := map[string]string{
		"--listen": o.Listen, "--data-dir": o.DataDir, "--drain": o.Drain, "--log-level": o.LogLevel, "--log-format": o.LogFormat,
	}
	for _, s := range settings {
		if text, ok := r.env(s.env); ok && text != "" {
			at := place{source: "environment", path: s.env}
			if err := s.read(r, text, false); err != nil {
				r.problem(at, "%v", err)
			}
			r.see(place{source: "environment", path: s.path()})
		}
		if text := flags[s.flag]; text != "" {
			at := place{source: "flag", path: s.flag}
			if err := s.read(r, text, false); err != nil {
				r.problem(at, "%v", err)
			}
			r.see(place{source: "flag", path: s.path()})
		}
	}
	if text, ok := r.env("TURNOUT_MASTER_KEY"); ok && text != "" {
		r.hide(text)
		r.c.MasterKey = domain.NewSecret(text)
		if r.c.MasterKeyFile != "" {
			r.problem(place{source: "environment", path: "TURNOUT_MASTER_KEY"}, "the master key is given twice, here and as master_key_file: keep one of them")
		}
	}
	if l := r.c.Limits; l.Bodies < l.Body {
		at := r.where("limits.bodies")
		if !r.seen("limits.bodies") {
			at = r.where("limits.body")
		}
		r.problem(at, "limits.bodies (all request bodies together, %s) is less than limits.body (a single one, %s): raise the one or lower the other",
			cmp.Or(formatSize(l.Bodies), "0"), formatSize(l.Body))
	}
}
