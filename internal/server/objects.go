package server

import (
	"net/http"
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/gateway"
)

// objectRoute is a collection of things that live at one account and belong to one key.
type objectRoute struct {
	path    string
	dialect func(*Server, *http.Request) dialect.Dialect
	// collection are the methods of the collection itself; one those of an object; tails what may
	// follow an object's path, with its method.
	collection, one []string
	tails           map[string]string // methods, parted by blanks
	// parts are the tails that name one part of the object behind them, with its methods.
	parts  map[string]string
	prefix string // before the id in the provider's names
}

// objectRoutes are all there are. OpenAI and Anthropic both keep uploads under /v1/files; the caller's
// headers tell which is meant, as for /v1/models.
func objectRoutes() []objectRoute {
	openai := func(s *Server, _ *http.Request) dialect.Dialect { return s.opts.Dialects.OpenAI }
	responses := func(s *Server, _ *http.Request) dialect.Dialect { return s.opts.Dialects.Responses }
	anthropic := func(s *Server, _ *http.Request) dialect.Dialect { return s.opts.Dialects.Anthropic }
	gemini := func(s *Server, _ *http.Request) dialect.Dialect { return s.opts.Dialects.Gemini }
	get, post, del, patch := http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodPatch
	return []objectRoute{
		{path: "/v1/responses", dialect: responses, one: []string{get, del}, tails: map[string]string{"/cancel": post, "/input_items": get}},
		{path: "/v1/conversations", dialect: responses, collection: []string{post}, one: []string{get, post, del}, tails: map[string]string{"/items": get + " " + post}, parts: map[string]string{"/items": get + " " + del}},
		{path: "/v1/files", dialect: (*Server).shape, collection: []string{get, post}, one: []string{get, del}, tails: map[string]string{"/content": get}},
		{path: "/v1/batches", dialect: openai, collection: []string{get, post}, one: []string{get}, tails: map[string]string{"/cancel": post}},
		{path: "/v1/messages/batches", dialect: anthropic, collection: []string{get, post}, one: []string{get, del}, tails: map[string]string{"/cancel": post, "/results": get}},
		{path: "/v1/cachedContents", dialect: gemini, collection: []string{get, post}, one: []string{get, del, patch}, prefix: "cachedContents/"},
		{path: "/v1beta/cachedContents", dialect: gemini, collection: []string{get, post}, one: []string{get, del, patch}, prefix: "cachedContents/"},
	}
}

// objects adds the routes of what lives at one account.
func (s *Server) objects(mux *http.ServeMux) {
	for _, o := range objectRoutes() {
		handle := func(path string, methods []string, tail string) {
			for _, m := range methods {
				mux.HandleFunc(m+" "+path, func(w http.ResponseWriter, r *http.Request) {
					s.opts.Gateway.Object(w, r, &gateway.ObjectCall{Dialect: o.dialect(s, r), Collection: o.path, ID: r.PathValue("id"), Tail: tail, Part: r.PathValue("part"), Prefix: o.prefix})
				})
			}
			allow := slices.Clone(methods)
			if slices.Contains(allow, http.MethodGet) {
				allow = append(allow, http.MethodHead)
			}
			slices.Sort(allow)
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
				s.refuse(o.dialect(s, r), domain.KindMethodNotAllowed, "use "+strings.Join(methods, " or ")+" for "+clip(r.URL.Path, 128), strings.Join(allow, ", ")).ServeHTTP(w, r)
			})
		}
		if len(o.collection) > 0 {
			handle(o.path, o.collection, "")
		}
		handle(o.path+"/{id}", o.one, "")
		for tail, method := range o.tails {
			handle(o.path+"/{id}"+tail, strings.Fields(method), tail)
		}
		for tail, method := range o.parts {
			handle(o.path+"/{id}"+tail+"/{part}", strings.Fields(method), tail)
		}
	}
}
