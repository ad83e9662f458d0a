// Command floor is net/http/httputil.ReverseProxy with a sensible transport and
// nothing else: what a gateway written in Go costs before it does any work.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	_ "net/http/pprof" //nolint:gosec // G108: on -pprof only, nothing else serves the default mux
	"net/url"
	"sync"
	"time"
)

// buffers implements httputil.BufferPool.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

func main() {
	addr := flag.String("addr", "127.0.0.1:9201", "address to listen on")
	to := flag.String("to", "http://127.0.0.1:9100", "the upstream; https:// is spoken in HTTP/2")
	profile := flag.String("pprof", "", "address of Go's profiling endpoints; empty: none")
	flag.Parse()
	if *profile != "" {
		go func() { log.Fatal("floor: ", serve(*profile, nil)) }()
	}
	u, err := url.Parse(*to)
	if err != nil {
		log.Fatal("floor: ", err)
	}
	log.Fatal("floor: ", serve(*addr, proxy(u)))
}

func serve(addr string, h http.Handler) error {
	srv := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: time.Minute}
	return srv.ListenAndServe()
}

func proxy(to *url.URL) http.Handler {
	p := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{
			MaxIdleConns: 2000, MaxIdleConnsPerHost: 2000, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, ForceAttemptHTTP2: true,
		},
		BufferPool:    &buffers{},
		FlushInterval: -1,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without this, net/http closes the request body when the answer begins; where
		// the upstream answers before the transport has seen the body's end, that closes
		// the upstream connection and cuts the answer. HTTP/1 only; a server of HTTP/2
		// needs nothing.
		_ = http.NewResponseController(w).EnableFullDuplex()
		p.ServeHTTP(w, r)
	})
}
