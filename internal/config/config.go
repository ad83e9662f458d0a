package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "embed"

	"turnout/internal/domain"
)

// Config is everything that the file, the environment and the flags say. Relative
// paths in the file have been resolved against the file's own directory, those in
// the environment and in flags are left relative to the working directory.
type Config struct {
	File string // where it was read from

	Listen  string // host:port
	DataDir string

	Teams    []domain.Team // as Accounts
	Users    []domain.User
	Pools    []Pool            // at least one
	Accounts []domain.Account  // origin file, enabled, without ids
	Keys     []domain.Key      // the same; Hash is the SHA-256 of the secret
	Prices   []domain.OwnPrice // over the catalogue of prices

	Limits           Limits
	Drain            time.Duration // how long streams in flight may go on after a stop signal
	DrainDelay       time.Duration // how long before that the process says that it is not ready, and still serves
	TraceRetention   time.Duration
	RequestRetention time.Duration
	UsageRetention   time.Duration // of settlements and of usage by hours; days and closed months stay
	SessionTTL       time.Duration
	Log              Log
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	// MasterKey seals accounts' secrets in the store: 32 bytes in base64 or
	// hexadecimal, as given. With neither this nor MasterKeyFile the key in the data
	// directory is used. Both at once is a problem.
	MasterKey     domain.Secret
	MasterKeyFile string
}

// Limits bound what callers can make the process hold.
type Limits struct {
	Body        int64         // bytes of one request body, decoded
	Bodies      int64         // bytes of all request bodies that are held at a time
	Queue       int           // requests of a pool that may wait for a free account
	QueueWait   time.Duration // how long each waits
	HeaderBytes int64         // bytes of one request's headers
}

// Log says how to log.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
}

// Platform is what config has to know of a platform.
type Platform struct {
	Name         string
	NeedsBaseURL bool // an account must name its base_url
	KeyOptional  bool // an account may have no API key
}

// Overrides are the values of flags, in the form of the file's values; an empty
// one was not given.
type Overrides struct {
	Listen, DataDir, Drain, LogLevel, LogFormat string

	// Elsewhere: the file is not for this process. A variable that api_key_env names may be
	// missing, with a warning; something else stands for the key then.
	Elsewhere bool
}

// Warning is something that works and is probably not what was meant.
type Warning = Problem

// Env looks up an environment variable, as os.LookupEnv does.
type Env func(name string) (string, bool)

// DefaultFile is read where neither a path nor TURNOUT_CONFIG names a file.
const DefaultFile = "turnout.yaml"

// The bounds of what is read. The largest file holds some ten thousand accounts.
const (
	maxFile       = 4 << 20
	maxSecretFile = 64 << 10
)

//go:embed example.yaml
var example string

// Example is a documented file that shows every setting.
func Example() string { return example }

// Load reads the file at path (empty: TURNOUT_CONFIG, then DefaultFile). Wrong
// content is reported as Problems. The warnings are meaningful only without an
// error.
func Load(path string, env Env, platforms []Platform, o Overrides) (*Config, []Warning, error) {
	if path == "" {
		path = DefaultFile
		if p, ok := env("TURNOUT_CONFIG"); ok && p != "" {
			path = p
		}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no configuration file %s: make one (`turnout config example` prints one with every setting explained), "+
			"or name yours with --config or TURNOUT_CONFIG", path)
	} else if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, secrets, warnings, err := parse(path, data, env, platforms, o)
	if err != nil {
		return nil, nil, err
	}
	if fi, err := f.Stat(); err == nil && secrets && runtime.GOOS != "windows" && fi.Mode().Perm()&0o077 != 0 {
		warnings = append(warnings, Warning{Source: path,
			Text: fmt.Sprintf("the file holds secrets and other users may read it (mode %04o): chmod 600 %s", fi.Mode().Perm(), path)})
	}
	return c, warnings, nil
}

// Parse reads a configuration that is in memory. name stands for its file in
// messages, and relative paths are resolved against its directory; files that the
// configuration names (api_key_file) are read.
func Parse(name string, data []byte, env Env, platforms []Platform, o Overrides) (*Config, []Warning, error) {
	c, _, warnings, err := parse(name, data, env, platforms, o)
	return c, warnings, err
}

func parse(name string, data []byte, env Env, platforms []Platform, o Overrides) (c *Config, inlineSecrets bool, warnings []Warning, err error) {
	r := &reader{
		file: name, dir: filepath.Dir(name), env: env, platforms: platforms, elsewhere: o.Elsewhere,
		c: &Config{
			File: name, Listen: "127.0.0.1:8080", DataDir: filepath.Join(filepath.Dir(name), "data"),
			Limits: Limits{Body: 32 << 20, Bodies: 1 << 30, Queue: 100, QueueWait: 10 * time.Second, HeaderBytes: 64 << 10},
			Drain:  15 * time.Minute, DrainDelay: time.Second, TraceRetention: 7 * day, RequestRetention: 400 * day, UsageRetention: 400 * day, SessionTTL: time.Hour,
			Log: Log{Level: "info", Format: "text"},
		},
	}
	root, ok := r.parseYAML(data)
	if ok {
		r.root(root)
	}
	r.overrides(o)
	if ok {
		r.crossCheck()
	}
	if len(r.problems) > 0 {
		return nil, false, nil, r.sorted(r.problems)
	}
	return r.c, r.inline, r.sorted(r.warnings), nil
}

// reader is one run over a file: what has been read and what is wrong with it.
type reader struct {
	file, dir string
	env       Env
	platforms []Platform
	elsewhere bool // Overrides.Elsewhere

	c        *Config
	problems Problems
	warnings Problems
	inline   bool     // the file itself holds a secret
	secrets  []string // never to be shown
	at       map[string]place
	poolsAt  []reference // references to pools, checked when all pools are known
	modelsAt []reference // models that others fall back to, checked when all accounts are known
	usersAt  []reference // owners, checked when all are known
	teamsAt  []reference
	known    *Known // what is read are objects of the admin API; nil: it is a file
}

// root reads the top level.
func (r *reader) root(n node) {
	fields := []field{
		{"pools", r.pools}, {"accounts", r.accounts}, {"teams", r.teams}, {"users", r.users}, {"keys", r.keys}, {"prices", r.prices},
		{"trusted_proxies", func(n node) { n.networks(&r.c.TrustedProxies) }},
		{"limits", func(n node) { n.mapping(r.section("limits")...) }},
		{"log", func(n node) { n.mapping(r.section("log")...) }},
	}
	n.mapping(append(fields, r.section("")...)...)
	if r.c.Pools == nil && !r.seen("pools") && r.known == nil {
		r.c.Pools = []Pool{newPool(defaultPool)}
	}
}
