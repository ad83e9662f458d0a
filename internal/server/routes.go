package server

import (
	"fmt"
	"net/http"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/gateway"
	"turnout/internal/server/socket"
)

// Dialects are the protocols that the server routes to.
type Dialects struct {
	Anthropic, OpenAI, Responses, Gemini dialect.Dialect
}

// mainRoutes are what a caller is told of where nothing is found.
const mainRoutes = "POST /v1/messages, POST /v1/chat/completions, POST /v1/responses, POST /v1beta/models/MODEL:generateContent and GET /v1/models"

// passed are further paths of the OpenAI API that pass through, as they are.
var passed = []string{
	"/v1/completions", "/v1/embeddings", "/v1/moderations",
	"/v1/images/generations", "/v1/images/edits", "/v1/images/variations",
	"/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations",
}

// geminiVersions are the API's, as SDKs put them into the path: @google/genai from 3 on v1, all others
// v1beta (captured 2026-11).
var geminiVersions = []string{"v1beta", "v1"}

// routes are all there are.
func (s *Server) routes() *http.ServeMux {
	o := &s.opts
	mux := http.NewServeMux()
	only := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, h)
		allow := method
		if method == http.MethodGet {
			allow = "GET, HEAD"
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s.refuse(s.shape(r), domain.KindMethodNotAllowed, "use "+method+" for "+clip(r.URL.Path, 128), allow).ServeHTTP(w, r)
		})
	}
	post := func(path string, c gateway.Call) { only(http.MethodPost, path, o.Gateway.Handler(c)) }
	post("/v1/messages", gateway.Call{Dialect: o.Dialects.Anthropic})
	post("/v1/messages/count_tokens", gateway.Call{Dialect: o.Dialects.Anthropic, Path: "/v1/messages/count_tokens"})
	post("/v1/chat/completions", gateway.Call{Dialect: o.Dialects.OpenAI})
	for _, path := range passed {
		post(path, gateway.Call{Dialect: o.Dialects.OpenAI, Path: path})
	}
	post("/v1/responses", gateway.Call{Dialect: o.Dialects.Responses})
	mux.HandleFunc("GET /v1/responses", s.socket())
	for _, path := range []string{"/v1/responses/compact", "/v1/responses/input_tokens"} {
		mux.Handle("POST "+path, o.Gateway.Handler(gateway.Call{Dialect: o.Dialects.Responses, Path: path}))
	}
	s.objects(mux)
	only(http.MethodGet, "/v1/models", s.models(""))
	only(http.MethodGet, "/v1/turnout/me", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.Gateway.Me(s.shape(r)).ServeHTTP(w, r)
	}))
	mux.HandleFunc("GET /v1/models/{name...}", func(w http.ResponseWriter, r *http.Request) { s.models(r.PathValue("name")).ServeHTTP(w, r) })
	mux.HandleFunc("GET /v1beta/models", s.models("").ServeHTTP)
	mux.HandleFunc("GET /v1beta/models/{name...}", func(w http.ResponseWriter, r *http.Request) { s.models(r.PathValue("name")).ServeHTTP(w, r) })
	for _, version := range geminiVersions {
		mux.HandleFunc("POST /"+version+"/models/{call...}", func(w http.ResponseWriter, r *http.Request) { s.gemini(w, r, version) })
	}
	// Clients look whether anybody is there (older Claude Code: HEAD / before it begins).
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "Turnout\n") })
	// Telemetry that Claude Code sends to its base URL ends here: it is nobody's business, and a 404
	// would only make it try again.
	mux.HandleFunc("POST /api/event_logging/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case s.gone.Load() || o.Gateway.Draining():
			text(w, http.StatusServiceUnavailable, "draining\n")
		case o.Gateway.Snapshot() == nil:
			text(w, http.StatusServiceUnavailable, "starting\n")
		default:
			text(w, http.StatusOK, "ready\n")
		}
	})
	mux.Handle("GET /metrics", o.Metrics)
	if o.Admin != nil {
		mux.Handle("/admin/", o.Admin)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(s.shape(r), domain.KindNotFound, fmt.Sprintf("there is nothing at %s %s; Turnout serves %s",
			clip(r.Method, 16), clip(r.URL.Path, 128), mainRoutes), "").ServeHTTP(w, r)
	})
	return mux
}

// models lists them, or tells of one, in the shape that the caller reads.
func (s *Server) models(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.opts.Gateway.Models(s.shape(r), name).ServeHTTP(w, r)
	})
}

// gemini serves POST /VERSION/models/MODEL:VERB.
func (s *Server) gemini(w http.ResponseWriter, r *http.Request, version string) {
	call := r.PathValue("call")
	i := strings.LastIndexByte(call, ':')
	if i <= 0 {
		s.refuse(s.shape(r), domain.KindMethodNotAllowed, "use GET for "+clip(r.URL.Path, 128)+", or POST to "+clip(r.URL.Path, 128)+":generateContent", "GET, HEAD").ServeHTTP(w, r)
		return
	}
	c := gateway.Call{Dialect: s.opts.Dialects.Gemini, At: dialect.Route{Model: call[:i], Verb: call[i+1:], Version: version}}
	switch c.At.Verb {
	case "generateContent":
	case "streamGenerateContent":
		c.At.Stream = true
		c.At.Array = r.URL.Query().Get("alt") != "sse"
	case "countTokens", "embedContent", "batchEmbedContents":
		c.Path = c.At.Verb
	default:
		s.refuse(s.opts.Dialects.Gemini, domain.KindNotFound, fmt.Sprintf("Turnout knows no method %q of a model; it serves generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents",
			clip(c.At.Verb, 64)), "").ServeHTTP(w, r)
		return
	}
	s.opts.Gateway.Serve(w, r, &c)
}

// shape picks the dialect in which a caller is answered where the path does not say it. Google's
// SDKs send x-goog-api-key, old ones and curl users ?key=; Anthropic's anthropic-version or x-api-key;
// OpenAI's none of these (captured from the SDKs 2026-11).
func (s *Server) shape(r *http.Request) dialect.Dialect {
	d, path := &s.opts.Dialects, r.URL.Path
	switch {
	case strings.HasPrefix(path, "/v1/messages"):
		return d.Anthropic
	case strings.HasPrefix(path, "/v1/responses"):
		return d.Responses
	case strings.HasPrefix(path, "/v1/chat/"):
		return d.OpenAI
	case strings.HasPrefix(path, "/v1beta/"), r.Header.Get("X-Goog-Api-Key") != "",
		r.Header.Get("Authorization") == "" && r.Header.Get("X-Api-Key") == "" && r.URL.Query().Get("key") != "",
		r.Method == http.MethodPost && strings.HasPrefix(path, "/v1/models/"):
		return d.Gemini
	case r.Header.Get("Anthropic-Version") != "" || r.Header.Get("X-Api-Key") != "":
		return d.Anthropic
	}
	return d.OpenAI
}

// socket serves the Responses protocol's WebSocket mode.
func (s *Server) socket() http.HandlerFunc {
	d := s.opts.Dialects.Responses
	h := &socket.Handler{
		Turn:     s.guard(s.opts.Gateway.Handler(gateway.Call{Dialect: d})),
		Check:    func(w http.ResponseWriter, r *http.Request) bool { return s.opts.Gateway.Check(w, r, d) },
		Kept:     s.opts.Gateway.Keeps,
		Draining: func() bool { return s.gone.Load() || s.opts.Gateway.Draining() },
		// What is larger ends the connection.
		MaxMessage: func() int64 { return s.opts.Gateway.Snapshot().Settings.MaxBody }, Log: s.opts.Log,
		Memory: s.opts.Gateway.Bodies(),
	}
	s.sockets = h
	return func(w http.ResponseWriter, r *http.Request) {
		if socket.IsUpgrade(r) {
			h.ServeHTTP(w, r)
			return
		}
		s.refuse(d, domain.KindMethodNotAllowed, "use POST for /v1/responses, or a WebSocket", "POST").ServeHTTP(w, r)
	}
}
