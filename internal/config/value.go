package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"turnout/internal/domain"
)

// The functions here read one value from its text. Their errors say what is
// allowed; they never hold the text itself unless show lets it through.

const day = 24 * time.Hour

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// checkName allows what is safe in a URL, a file name, a metric and a shell.
func checkName(s string) error {
	bad := len(s) == 0 || len(s) > 64
	for i := 0; i < len(s) && !bad; i++ {
		bad = !isNameByte(s[i])
	}
	if bad {
		return errors.New("want 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

// duration reads 1h30m, 250ms or 7d.
func duration(lowest, highest time.Duration, zeroIsOff bool) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		if err == nil && (d >= lowest && d <= highest || d == 0 && zeroIsOff) {
			return d, nil
		}
		off := ""
		if zeroIsOff && lowest > 0 {
			off = ", or 0 for off"
		}
		return 0, fmt.Errorf("want a duration such as 250ms, 10s, 15m, 1h30m or 7d, from %s to %s%s; got %s", formatDuration(lowest), formatDuration(highest), off, show(s))
	}
}

func parseDuration(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.ParseUint(n, 10, 16)
		return time.Duration(days) * day, err
	}
	return time.ParseDuration(s)
}

func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// size reads 32MiB, 64 KB or a number of bytes.
func size(lowest, highest int64) func(string) (int64, error) {
	return func(s string) (int64, error) {
		number, unit := s, int64(1)
		for _, u := range sizeUnits {
			if n, ok := strings.CutSuffix(s, u.name); ok {
				number, unit = strings.TrimSpace(n), u.bytes
				break
			}
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > highest/unit || n*unit < lowest {
			return 0, fmt.Errorf("want a size such as 64KiB, 32MiB or 1GiB, from %s to %s; got %s", formatSize(lowest), formatSize(highest), show(s))
		}
		return n * unit, nil
	}
}

func formatSize(n int64) string {
	for _, u := range []int{2, 1, 0} {
		if unit := sizeUnits[u]; n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}

func number(lowest, highest int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < lowest || n > highest {
			return 0, fmt.Errorf("want a whole number from %d to %d; got %s", lowest, highest, show(s))
		}
		return n, nil
	}
}

// percent reads 50 or 50%.
func percent(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil || n < 0 || n > 100 {
		return 0, fmt.Errorf("want a whole number of percent from 0 to 100, such as 50 or 50%%; got %s", show(s))
	}
	return n, nil
}

// yesNo reads true or false, as YAML writes them.
func yesNo(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("want true or false; got %s", show(s))
}

func oneOf(allowed ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		for _, a := range allowed {
			if s == a {
				return s, nil
			}
		}
		list := strings.Join(allowed[:len(allowed)-1], ", ") + " or " + allowed[len(allowed)-1]
		return "", fmt.Errorf("want %s; got %s%s", list, show(s), suggestion(s, allowed))
	}
}

// usd reads a decimal amount of US dollars exactly: money is never a float.
func usd(highest domain.NanoUSD) func(string) (domain.NanoUSD, error) {
	return func(s string) (domain.NanoUSD, error) {
		n, err := domain.ParseUSD(s)
		if err != nil || n > highest {
			return 0, fmt.Errorf("want US dollars as a decimal number with at most 9 places, from 0 to %d, such as 0.002; got %s", highest/1e9, show(s))
		}
		return n, nil
	}
}

// listenAddress wants host:port. The host may be empty (all addresses).
func listenAddress(s string) (string, error) {
	const want = "want host:port, such as 127.0.0.1:8080 (this machine alone) or 0.0.0.0:8080 (every address), with a port from 0 to 65535; got %s"
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /@") {
		return "", fmt.Errorf(want, show(s))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf(want, show(s))
	}
	return s, nil
}

// webURL checks a base URL. It may hold a user's secret by mistake, so it is never
// shown.
func webURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("want http:// or https://, a host, and what else the provider's own SDK takes as base URL, such as https://api.example.com/v1")
	case u.User != nil:
		return errors.New("a base URL holds no user or password: use api_key")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return errors.New("a base URL ends before any ? or #")
	}
	return nil
}

func proxyURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return errors.New("want http://, https:// or socks5://, a host and a port, such as http://proxy.internal:3128 (user:password@ before the host if it asks for them)")
	}
	return nil
}

// expiry reads a day or a moment. A day is the last one, in UTC, on which the key
// works.
func expiry(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil && plausible(t) {
		return t.Add(day), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil && plausible(t) {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("want the last day, such as 2027-01-31 (in UTC), or a moment, such as 2027-01-31T18:00:00Z; got %s", show(s))
}

func plausible(t time.Time) bool { return t.Year() >= 2000 && t.Year() <= 9999 }

// pattern checks a model's name or a pattern with one '*'.
func pattern(s string) error {
	bad := len(s) == 0 || len(s) > 200 || strings.Count(s, "*") > 1
	for i := 0; i < len(s) && !bad; i++ {
		bad = s[i] <= ' ' || s[i] == 0x7f
	}
	if bad {
		return errors.New("want a model's name, such as claude-sonnet-4-5, or a pattern with one *, such as claude-*; no spaces, at most 200 characters")
	}
	return nil
}

// credentialText checks what has to travel in a header. Space around it (the line
// end of a file, say) is not part of it.
func credentialText(s string, lowest, highest int) (string, error) {
	s = strings.TrimSpace(s)
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "", errors.New("a secret goes into an HTTP header: it may hold letters, digits and punctuation of ASCII, without spaces or line ends in the middle")
		}
	}
	if len(s) < lowest || len(s) > highest {
		return "", fmt.Errorf("want %d to %d characters; this has %d", lowest, highest, len(s))
	}
	return s, nil
}
