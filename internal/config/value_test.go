package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func TestValues(t *testing.T) {
	read := map[string]func(string) (any, error){
		"duration": func(s string) (any, error) { return duration(time.Second, 10*day, true)(s) },
		"size":     func(s string) (any, error) { return size(1<<10, 1<<30)(s) },
		"number":   func(s string) (any, error) { return number(0, 50)(s) },
		"usd":      func(s string) (any, error) { return usd(1000e9)(s) },
		"listen":   func(s string) (any, error) { return listenAddress(s) },
		"expiry":   func(s string) (any, error) { t, err := expiry(s); return t.Format(time.RFC3339), err },
		"url":      func(s string) (any, error) { return s, webURL(s) },
		"proxy":    func(s string) (any, error) { return s, proxyURL(s) },
		"name":     func(s string) (any, error) { return s, checkName(s) },
		"pattern":  func(s string) (any, error) { return s, pattern(s) },
	}
	for _, c := range []struct {
		kind, text string
		want       any // nil: refused
	}{
		{"duration", "10s", 10 * time.Second}, {"duration", "7d", 7 * day}, {"duration", "1h30m", 90 * time.Minute}, {"duration", "0", time.Duration(0)},
		{"duration", "0s", time.Duration(0)}, {"duration", "500ms", nil}, {"duration", "-5s", nil}, {"duration", "11d", nil}, {"duration", "10", nil},
		{"duration", "", nil}, {"duration", "99999999999d", nil}, {"duration", "-1d", nil}, {"duration", "1e3s", nil},
		{"size", "32MiB", int64(32 << 20)}, {"size", "64 KB", int64(64_000)}, {"size", "2048", int64(2048)}, {"size", "2048B", int64(2048)}, {"size", "1GiB", int64(1 << 30)},
		{"size", "1023", nil}, {"size", "2GiB", nil}, {"size", "-1MiB", nil}, {"size", "1.5MiB", nil}, {"size", "9223372036854775807GiB", nil}, {"size", "MiB", nil}, {"size", "32mib", nil},
		{"number", "0", 0}, {"number", "50", 50}, {"number", "51", nil}, {"number", "-1", nil}, {"number", "1.0", nil}, {"number", "0x10", nil}, {"number", "99999999999999999999", nil},
		{"usd", "0.002", domain.NanoUSD(2_000_000)}, {"usd", "0", domain.NanoUSD(0)}, {"usd", "1000", domain.NanoUSD(1000e9)}, {"usd", "0.000000001", domain.NanoUSD(1)},
		{"usd", "1000.000000001", nil}, {"usd", "0.0000000001", nil}, {"usd", "-1", nil}, {"usd", "1e3", nil}, {"usd", ".5", nil}, {"usd", "1.", nil}, {"usd", "+1", nil}, {"usd", "0.+1", nil},
		{"listen", "127.0.0.1:8080", "127.0.0.1:8080"}, {"listen", ":80", ":80"}, {"listen", "[::1]:0", "[::1]:0"}, {"listen", "8080", nil}, {"listen", "host:http", nil}, {"listen", "h:65536", nil}, {"listen", "http://h:1", nil},
		{"expiry", "2027-01-31", "2027-02-01T00:00:00Z"}, {"expiry", "2027-01-31T18:00:00Z", "2027-01-31T18:00:00Z"}, {"expiry", "31.01.2027", nil}, {"expiry", "2027-02-30", nil}, {"expiry", "0001-01-01", nil},
		{"url", "https://api.example.com/v1", "https://api.example.com/v1"}, {"url", "http://[::1]:8080", "http://[::1]:8080"}, {"url", "api.example.com", nil}, {"url", "ftp://x", nil},
		{"url", "https://user:pw@x", nil}, {"url", "https://x?key=1", nil}, {"url", "https://x#f", nil}, {"url", "https://", nil}, {"url", "https://:80", nil},
		{"proxy", "http://u:p@h:3128", "http://u:p@h:3128"}, {"proxy", "socks5://h:1080", "socks5://h:1080"}, {"proxy", "https://h/", "https://h/"}, {"proxy", "socks4://h", nil}, {"proxy", "h:3128", nil}, {"proxy", "http://h/path", nil},
		{"name", "a.B_c-9", "a.B_c-9"}, {"name", strings.Repeat("x", 64), strings.Repeat("x", 64)}, {"name", strings.Repeat("x", 65), nil}, {"name", "", nil}, {"name", "a b", nil}, {"name", "ä", nil}, {"name", "a/b", nil},
		{"pattern", "claude-*", "claude-*"}, {"pattern", "*", "*"}, {"pattern", "meta/llama:7b", "meta/llama:7b"}, {"pattern", "a*b*", nil}, {"pattern", "", nil}, {"pattern", "a b", nil},
	} {
		got, err := read[c.kind](c.text)
		if c.want == nil && err == nil || c.want != nil && (err != nil || got != c.want) {
			t.Errorf("%s %q = %v, %v; want %v", c.kind, c.text, got, err, c.want)
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1000e9).Draw(t, "nano")
		got, err := usd(1000e9)(fmt.Sprintf("%d.%09d", n/1e9, n%1e9))
		if err != nil || got != domain.NanoUSD(n) {
			t.Fatalf("%d became %d, %v", n, got, err)
		}
	})
}

func TestDurationsReadWhatTheyWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(3000*day)).Draw(t, "d"))
		if got, err := parseDuration(formatDuration(d)); err != nil || got != d {
			t.Fatalf("%v became %v, %v", d, got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	words := []string{"api_key", "name", "platform", "pools"}
	for word, want := range map[string]string{"apikey": "api_key", "plattform": "platform", "pool": "pools", "something": "", "nmae": "name", "": ""} {
		if got := nearest(word, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
