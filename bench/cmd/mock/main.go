// Command mock is the upstream of the benchmarks: OpenAI Chat Completions and
// Anthropic Messages, JSON and SSE, always healthy (turnout sim is the one that
// fails), with pre-rendered answers, so that on a small machine it does not become
// what is measured.
//
// It listens twice: on -addr in plain HTTP/1.1, written directly on TCP, and on
// -tls-addr in HTTP/2 over TLS with a certificate that it makes and writes to -cert.
//
// Dash-separated words in the model's name choose the answer, as in mock-n20-d100:
//
//	n<count>   content chunks of a stream
//	d<ms>      pause between chunks
//	s<bytes>   text in each chunk
//	r<bytes>   text of an answer that is not streamed
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9100", "address of the plain HTTP/1.1 listener")
	tlsAddr := flag.String("tls-addr", "", "address of the HTTP/2 listener; empty: none")
	cert := flag.String("cert", "", "file to write the HTTP/2 listener's certificate to")
	flag.Parse()
	if err := run(*addr, *tlsAddr, *cert); err != nil {
		log.Fatal("mock: ", err)
	}
}

func run(addr, tlsAddr, cert string) error {
	plain, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- servePlain(plain) }()
	if tlsAddr != "" {
		secure, err := net.Listen("tcp", tlsAddr)
		if err != nil {
			return err
		}
		pair, pem, err := certificate()
		if err != nil {
			return err
		}
		if err := os.WriteFile(cert, pem, 0o600); err != nil {
			return fmt.Errorf("write the certificate: %w", err)
		}
		go func() { failed <- serveTLS(secure, pair) }()
	}
	return <-failed
}
