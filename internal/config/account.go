package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"turnout/internal/domain"
)

const maxAPIKey = 16 << 10

func (r *reader) accounts(n node) {
	names := r.newNames("account")
	n.list("accounts", func(_ int, item node) {
		item = item.named()
		a := domain.Account{Origin: domain.OriginFile, Enabled: true, Weight: 1}
		var given []string // the ways in which the API key was given
		key := func(name string, read func(node)) field {
			return field{name, func(n node) {
				given = append(given, name)
				read(n)
			}}
		}
		item.mapping(
			field{"name", func(n node) { names.read(n, &a.Name) }},
			field{"platform", scalar(&a.Platform, r.platformName)},
			field{"base_url", func(n node) {
				scalar(&a.BaseURL, checked(webURL))(n)
				r.warnCleartext(n, a.BaseURL)
			}},
			key("api_key", func(n node) { n.inlineSecret(&a.APIKey, 1, maxAPIKey) }),
			key("api_key_env", func(n node) { n.secretFromEnv(&a.APIKey) }),
			key("api_key_file", func(n node) { n.secretFromFile(&a.APIKey) }),
			field{"organization", scalar(&a.Organization, checked(checkName))},
			field{"labels", func(n node) { n.labels(&a.Labels) }},
			field{"pools", func(n node) { n.poolNames(&a.Pools) }},
			field{"priority", scalar(&a.Priority, number(0, 1000))},
			field{"weight", scalar(&a.Weight, number(1, 1000))},
			field{"max_concurrency", scalar(&a.MaxInFlight, number(0, 100_000))},
			field{"input_price_usd", scalar(&a.TokenPrice, perMillion)},
			field{"billing", func(n node) {
				var billing string
				scalar(&billing, oneOf("tokens", "flat"))(n)
				a.Flat = billing == "flat"
			}},
			field{"monthly_price_usd", scalar(&a.Monthly, usd(1_000_000*1e9))},
			field{"models", func(n node) { n.modelMap(&a.Models) }},
			field{"limits", func(n node) { n.accountLimits(&a.Limits) }},
			field{"proxy", func(n node) { n.proxy(&a.Proxy) }},
		)
		if _, ok := item.pairsQuietly(); !ok {
			return
		}
		names.need(item, a.Name)
		if a.Monthly > 0 && !a.Flat {
			r.problem(item.at, "a monthly price is that of an account with a fixed price: add billing: flat, or take monthly_price_usd out")
		}
		r.defaultPools(&a.Pools, item)
		r.platformNeeds(item, &a, given)
		r.c.Accounts = append(r.c.Accounts, a)
	})
}

// perMillion reads the price of a million tokens and gives the price of one.
func perMillion(s string) (domain.NanoUSD, error) {
	const million = 1_000_000
	n, err := usd(10_000 * 1e9)(s)
	if err == nil && n > 0 && n < million {
		return 0, fmt.Errorf("want US dollars for a million tokens, at least 0.001 or 0; got %s", show(s))
	}
	return n / million, err
}

func (r *reader) platformName(s string) (string, error) {
	allowed := make([]string, len(r.platforms))
	for i, p := range r.platforms {
		allowed[i] = p.Name
	}
	if slices.Contains(allowed, s) {
		return s, nil
	}
	return "", fmt.Errorf("want one of %s; got %s%s", strings.Join(allowed, ", "), show(s), suggestion(s, allowed))
}

func (r *reader) platformNeeds(item node, a *domain.Account, given []string) {
	if len(given) > 1 {
		r.problem(item.at, "the API key is given %d times (%s): keep one of them", len(given), strings.Join(given, ", "))
	}
	if !r.seen(item.at.path + ".platform") {
		r.problem(item.at, "the account has no platform: add platform (one of %s)", strings.Join(r.platformNames(), ", "))
	}
	i := slices.IndexFunc(r.platforms, func(p Platform) bool { return p.Name == a.Platform })
	if i < 0 {
		return
	}
	p := r.platforms[i]
	if p.NeedsBaseURL && !r.seen(item.at.path+".base_url") {
		r.problem(item.at, "an account of platform %s has no base URL of its own: add base_url", p.Name)
	}
	if !p.KeyOptional && len(given) == 0 {
		r.problem(item.at, "the account has no API key: add api_key_env (the name of a variable), api_key_file or api_key")
	}
}

func (r *reader) platformNames() []string {
	out := make([]string, len(r.platforms))
	for i, p := range r.platforms {
		out[i] = p.Name
	}
	return out
}

func (r *reader) warnCleartext(n node, base string) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		return
	}
	r.warn(n.at, "http:// to another machine: the API key and all prompts travel unencrypted; use https:// if the upstream has it")
}

// inlineSecret reads a secret that stands in the file.
func (n node) inlineSecret(target *domain.Secret, lowest, highest int) {
	text, ok := n.text()
	if !ok {
		return
	}
	n.r.inline = true
	n.r.hide(text)
	text, err := credentialText(text, lowest, highest)
	if err != nil {
		n.r.problem(n.at, "%v", err)
		return
	}
	*target = domain.NewSecret(text)
}

func (n node) secretFromEnv(target *domain.Secret) {
	var name string
	if scalar(&name, checked(checkVariable))(n); name == "" || checkVariable(name) != nil {
		return
	}
	if n.r.known != nil {
		n.r.problem(n.at, "the variables of the running gateway are not read for what comes through the admin API: give the key itself, as api_key")
		return
	}
	value, _ := n.r.env(name)
	if strings.TrimSpace(value) == "" && n.r.elsewhere {
		n.r.warn(n.at, "the environment variable %s is not set (or empty) here; `turnout serve` does not start without it", name)
		*target = domain.NewSecret("not-set") // the rest of the account can be checked
		return
	}
	if strings.TrimSpace(value) == "" {
		n.r.problem(n.at, "the environment variable %s is not set (or empty) for this process: set it, or give the key in another way", name)
		return
	}
	n.r.hide(value)
	value, err := credentialText(value, 1, maxAPIKey)
	if err != nil {
		n.r.problem(n.at, "the environment variable %s: %v", name, err)
		return
	}
	*target = domain.NewSecret(value)
}

// checkVariable wants a variable's name. Its error shows nothing: a key itself is
// easily put here by mistake.
func checkVariable(s string) error {
	bad := len(s) == 0 || len(s) > 100 || s[0] >= '0' && s[0] <= '9'
	for i := 0; i < len(s) && !bad; i++ {
		bad = s[i] != '_' && (!isNameByte(s[i]) || s[i] == '-' || s[i] == '.')
	}
	if bad {
		return errors.New("want the name of an environment variable, such as ANTHROPIC_API_KEY (not the key itself)")
	}
	return nil
}

func (n node) secretFromFile(target *domain.Secret) {
	var path string
	if scalar(&path, checkPath)(n); path == "" {
		return
	}
	if n.r.known != nil {
		n.r.problem(n.at, "files of the running gateway's machine are not read for what comes through the admin API: give the key itself, as api_key")
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(n.r.dir, path)
	}
	value, err := readSecretFile(path)
	if err != nil {
		n.r.problem(n.at, "%v: name a file that holds the key and nothing else, and that this user may read (relative paths start at the configuration file)", err)
		return
	}
	n.r.hide(value)
	if value, err = credentialText(value, 1, maxAPIKey); err != nil {
		n.r.problem(n.at, "in the file: %v", err)
		return
	}
	*target = domain.NewSecret(value)
}

// readSecretFile reads a regular file. Its errors do not name the path: a key
// itself is easily put there by mistake.
func readSecretFile(path string) (string, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", errors.New("there is no such file")
	case err != nil:
		return "", errors.New("the file cannot be looked at")
	case !fi.Mode().IsRegular():
		return "", errors.New("this is not a file")
	case fi.Size() > maxSecretFile:
		return "", fmt.Errorf("the file is larger than %s", formatSize(maxSecretFile))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", errors.New("the file cannot be opened")
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", errors.New("the file cannot be read")
	}
	return string(b), nil
}

func (n node) proxy(target *string) {
	text, ok := n.text()
	if !ok {
		return
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		if password, has := u.User.Password(); has {
			n.r.inline = true
			n.r.hide(password)
		}
	}
	if err := proxyURL(text); err != nil {
		n.r.problem(n.at, "%v", err)
		return
	}
	*target = text
}

// modelMap reads asked → sent.
func (n node) modelMap(target *domain.ModelMap) {
	out := domain.ModelMap{}
	ok := n.each(wordKey, func(asked string, v node) {
		left := pattern(asked)
		if left != nil {
			n.r.problem(v.key, "on the left: %v", left)
		}
		sent, isText := v.text()
		if !isText {
			return
		}
		if err := pattern(sent); err != nil {
			n.r.problem(v.at, "on the right: %v", err)
			return
		}
		if left == nil && strings.Contains(sent, "*") && !strings.Contains(asked, "*") {
			n.r.problem(v.at, "the * on the right stands for what the * on the left matched, and there is none on the left")
			return
		}
		out[asked] = sent
	})
	if ok && len(mustPairs(n.ast)) == 0 {
		n.r.problem(n.at, "the mapping is empty, which would serve no model: name at least one, or take the key out to serve all")
		return
	}
	*target = out
}

// named puts an object's name into its path, where it has a proper one, because
// people count lines and names, not list items.
func (n node) named() node {
	values, _ := n.pairsQuietly()
	for _, v := range values {
		if key, _ := scalarText(v.Key); key != "name" {
			continue
		}
		if name, ok := scalarText(v.Value); ok && checkName(name) == nil && show(name) != "this value" {
			i := strings.LastIndexByte(n.at.path, '[')
			path := n.at.path[:i] + "[" + name + "]"
			if !n.r.seen(path) { // else a second one of this name: what is seen is told apart by path
				n.at.path = path
				n.r.see(n.at)
			}
		}
	}
	return n
}

func (n node) pairsQuietly() ([]*ast.MappingValueNode, bool) {
	return mustPairs(n.ast), isMapping(n.ast)
}
