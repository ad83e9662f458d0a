package platform

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/dialect/anthropic"
	"turnout/internal/dialect/gemini"
	"turnout/internal/dialect/openai"
	"turnout/internal/dialect/responses"
	"turnout/internal/domain"
	"turnout/internal/failover"
)

// Platform is one kind of upstream. Values are immutable and shared.
type Platform struct {
	Name    string
	BaseURL string // what the provider's own SDK takes as base URL; empty: the account must name one
	Offers  []Offer
	// KeyOptional: an account may have no API key (local models).
	KeyOptional bool
	// Sign puts the account's credential on a request. It replaces entries of h and
	// leaves their former slices as they were. Without a key it does nothing.
	Sign func(h http.Header, key domain.Secret)
	// Rows say what failures mean; the first that matches decides. Shared and immutable.
	Rows []Row
	// Policy are the values by which failover differs here from its profile.
	Policy failover.Override
	// Prices is the provider in the catalogue of prices whose prices hold here; empty: whose API the account's base URL is of.
	Prices string
	// Pings: the platform is known to send signs of life during long silences.
	Pings bool
}

// Offer is a dialect that a platform speaks, and where.
type Offer struct {
	Dialect dialect.Dialect
	// Path is appended to the base URL. It may have places for what the request's path says ({version},
	// {model}); see [Expand].
	Path string
	// StreamPath and StreamQuery are used for streams, where they differ; empty: Path, and no query.
	StreamPath  string
	StreamQuery string
	ModelsPath  string
	// Header goes along with what Turnout itself says in this dialect: requests translated for
	// a caller of another one, and questions for models.
	Header http.Header
	// Others are further paths of the dialect that pass through, by their path at Turnout; of a dialect
	// whose paths name the model, by their verb.
	Others map[string]string
}

var (
	messages = Offer{
		Dialect: anthropic.Dialect{}, Path: "/v1/messages", ModelsPath: "/v1/models?limit=1000",
		// The version that every Anthropic SDK but the newest sends (captured 2026-11).
		Header: http.Header{"Anthropic-Version": {"2023-06-01"}},
		Others: map[string]string{
			"/v1/messages/count_tokens": "/v1/messages/count_tokens", "/v1/messages/batches": "/v1/messages/batches", "/v1/files": "/v1/files",
		},
	}
	chat     = Offer{Dialect: openai.Dialect{}, Path: "/chat/completions", ModelsPath: "/models", Others: chatOthers}
	generate = Offer{
		Dialect: gemini.Dialect{}, Path: generatePath + "generateContent",
		// Without alt=sse a stream is one JSON array, which ends nowhere before its end.
		StreamPath: generatePath + "streamGenerateContent", StreamQuery: "alt=sse",
		// A thousand rows are the most that a page holds (API reference, models.list).
		ModelsPath: "/" + defaultVersion + "/models?pageSize=1000",
		Others: map[string]string{
			"/v1beta/cachedContents": "/" + defaultVersion + "/cachedContents", "/v1/cachedContents": "/v1/cachedContents",

			"countTokens":        generatePath + "countTokens",
			"embedContent":       generatePath + "embedContent",
			"batchEmbedContents": generatePath + "batchEmbedContents",
		},
	}
)

// chatOthers are the further paths of the OpenAI API.
var chatOthers = map[string]string{
	"/v1/completions": "/completions", "/v1/embeddings": "/embeddings", "/v1/moderations": "/moderations",
	"/v1/images/generations": "/images/generations", "/v1/images/edits": "/images/edits", "/v1/images/variations": "/images/variations",
	"/v1/audio/speech": "/audio/speech", "/v1/audio/transcriptions": "/audio/transcriptions", "/v1/audio/translations": "/audio/translations",
	"/v1/files": "/files", "/v1/batches": "/batches",
}

// responseOffer is the newer of OpenAI's two protocols. What it keeps lives at the account.
var responseOffer = Offer{
	Dialect: responses.Dialect{}, Path: "/responses", ModelsPath: "/models",
	Others: map[string]string{
		"/v1/responses": "/responses", "/v1/responses/compact": "/responses/compact", "/v1/responses/input_tokens": "/responses/input_tokens",
		"/v1/conversations": "/conversations",
	},
}

// all lists the platforms, by name. Callers of other dialects are translated into the first of a
// platform's offers: for OpenAI Responses, in which reasoning goes back and forth between turns.
var all = []*Platform{
	{Name: "anthropic", BaseURL: "https://api.anthropic.com", Offers: []Offer{messages}, Sign: signAnthropic, Rows: rowsAt(AtAnthropic), Prices: "anthropic", Pings: true},
	{Name: "openai", BaseURL: "https://api.openai.com/v1", Offers: []Offer{responseOffer, chat}, Sign: signBearer, Rows: rowsAt(AtOpenAI), Prices: "openai"},
	{Name: "gemini", BaseURL: "https://generativelanguage.googleapis.com", Offers: []Offer{generate}, Sign: signGoogle, Rows: rowsAt(AtGemini), Prices: "google"},
	{Name: "anthropic-compatible", Offers: []Offer{messages}, KeyOptional: true, Sign: signAnthropic, Rows: rowsAt(AtCompatible)},
	{Name: "openai-compatible", Offers: []Offer{chat}, KeyOptional: true, Sign: signBearer, Rows: rowsAt(AtCompatible)},
}

// Lookup finds a platform.
func Lookup(name string) (*Platform, bool) {
	i := slices.IndexFunc(all, func(p *Platform) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// Official is the provider whose own protocol a dialect is.
func Official(d domain.Dialect) (*Platform, bool) {
	for _, p := range all {
		if _, speaks := p.Offer(d); speaks && p.BaseURL != "" {
			return p, true
		}
	}
	return nil, false
}

// Names lists the platforms.
func Names() []string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.Name
	}
	return out
}

// Offer finds how the platform speaks a dialect.
func (p *Platform) Offer(d domain.Dialect) (Offer, bool) {
	i := slices.IndexFunc(p.Offers, func(o Offer) bool { return o.Dialect.ID() == d })
	if i < 0 {
		return Offer{}, false
	}
	return p.Offers[i], true
}

// URL joins an account's base URL (or the platform's) with one of the platform's paths.
// Slashes at the end of the base do not matter. A base with a query is refused,
// because the caller's own query takes its place.
func (p *Platform) URL(base, path string) (*url.URL, error) {
	if base == "" {
		base = p.BaseURL
	}
	if base == "" {
		return nil, fmt.Errorf("an account of platform %s needs a base_url", p.Name)
	}
	if strings.ContainsAny(base, "?#") {
		return nil, fmt.Errorf("base_url of platform %s: want it without a query or a fragment", p.Name)
	}
	u, err := url.Parse(strings.TrimRight(base, "/") + path)
	if err != nil {
		return nil, fmt.Errorf("base_url of platform %s: %w", p.Name, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("base_url %q: want http:// or https:// and a host", base)
	}
	return u, nil
}

// oauthBeta is the beta flag that Anthropic wants beside an OAuth token.
const oauthBeta = "oauth-2025-04-20"

// signAnthropic: API keys go into x-api-key; OAuth tokens (sk-ant-oat…) go as a bearer with
// a beta flag that is appended to the caller's own list (API reference, authentication).
func signAnthropic(h http.Header, key domain.Secret) {
	k := key.Reveal()
	if k == "" {
		return
	}
	if !strings.HasPrefix(k, "sk-ant-oat") {
		h["X-Api-Key"] = []string{k}
		return
	}
	h["Authorization"] = []string{"Bearer " + k}
	// The list may stand in several headers, and its slice may be shared with the
	// caller's request and with other attempts: it is replaced, never changed.
	list := strings.Join(h["Anthropic-Beta"], ",")
	if !slices.ContainsFunc(strings.Split(list, ","), func(b string) bool { return strings.TrimSpace(b) == oauthBeta }) {
		if strings.TrimSpace(list) != "" {
			list += ","
		} else {
			list = ""
		}
		list += oauthBeta
	}
	h["Anthropic-Beta"] = []string{list}
}

func signBearer(h http.Header, key domain.Secret) {
	if k := key.Reveal(); k != "" {
		h["Authorization"] = []string{"Bearer " + k}
	}
}

// signGoogle puts an API key where it does not stand in URLs and logs, as ?key= would.
func signGoogle(h http.Header, key domain.Secret) {
	if k := key.Reveal(); k != "" {
		h["X-Goog-Api-Key"] = []string{k}
	}
}
