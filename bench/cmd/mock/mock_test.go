package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"turnout/bench/internal/load"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// TestLoadAgainstMock: the load generator takes the mock's answers for good in every
// shape that the scenarios ask for, and notices one event too few.
func TestLoadAgainstMock(t *testing.T) {
	ln := listen(t)
	go func() { _ = servePlain(ln) }()
	for _, api := range []*load.API{load.OpenAI, load.Anthropic} {
		for name, shape := range map[string]load.Shape{
			"json":   {Model: "mock", Size: 1024},
			"stream": {Model: "mock-n7", Size: 1024, Stream: true},
			"large":  {Model: "mock-n7", Size: 100_000, Stream: true},
			"last":   {Model: "mock-n7", Size: 200_000, Stream: true, ModelLast: true},
		} {
			t.Run(api.Name+"/"+name, func(t *testing.T) {
				c := load.Config{URL: "http://" + ln.Addr().String() + api.Path, Body: api.Body(shape), Concurrency: 3, Count: 9, Timeout: 10 * time.Second,
					Stream: shape.Stream, Terminal: api.Terminal, Events: 7 + api.Frame}
				if !shape.Stream {
					c.Expect = "the quick brown fox"
				}
				if !json.Valid(c.Body) {
					t.Fatalf("the body is no JSON: %.200s", c.Body)
				}
				if n := len(c.Body); n < shape.Size*9/10 || n > shape.Size*11/10 {
					t.Errorf("the body has %d bytes, want about %d", n, shape.Size)
				}
				r, err := load.Run(c)
				if err != nil {
					t.Fatal(err)
				}
				if r.OK != 9 || r.Requests != 9 {
					t.Errorf("%d of %d answers are good, want 9 of 9: %v", r.OK, r.Requests, r.Samples)
				}
				if !shape.Stream {
					return
				}
				c.Events++
				if r, err = load.Run(c); err != nil || r.OK != 0 || len(r.Errors) != 1 {
					t.Errorf("an event too few was not noticed: %d good, errors %v, %v", r.OK, r.Errors, err)
				}
			})
		}
	}
}

// TestListenersAgree: HTTP/2 says the same as HTTP/1.1.
func TestListenersAgree(t *testing.T) {
	plain, secure := listen(t), listen(t)
	pair, pem, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = servePlain(plain) }()
	go func() { _ = serveTLS(secure, pair) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(url string, body []byte) (string, *http.Response) {
		t.Helper()
		resp, err := client.Post(url, "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), resp
	}
	for _, api := range []*load.API{load.OpenAI, load.Anthropic} {
		for _, stream := range []bool{false, true} {
			body := api.Body(load.Shape{Model: "mock-n3", Size: 1024, Stream: stream})
			one, _ := ask("http://"+plain.Addr().String()+api.Path, body)
			two, resp := ask("https://"+secure.Addr().String()+api.Path, body)
			if one != two || one == "" {
				t.Errorf("%s, stream %v: HTTP/1.1 says\n%s\nand HTTP/2\n%s", api.Name, stream, one, two)
			}
			if resp.ProtoMajor != 2 {
				t.Errorf("the secure listener speaks %s", resp.Proto)
			}
		}
	}
}
