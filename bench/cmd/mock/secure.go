package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// certificate makes a key pair for 127.0.0.1 that signs itself.
func certificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// serveTLS answers in HTTP/2 until the listener fails.
func serveTLS(ln net.Listener, pair tls.Certificate) error {
	srv := &http.Server{
		Handler: http.HandlerFunc(handle), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		// As many streams on one connection as the slow scenarios have open.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
	return srv.ServeTLS(ln, "", "")
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func handle(w http.ResponseWriter, r *http.Request) {
	body, _ := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(r.Body); err != nil {
		return // the caller has left
	}
	a, ok := read(r.URL.Path, body.Bytes())
	h := w.Header()
	h.Set("X-Request-Id", "req_mock")
	h.Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/models"):
		_, _ = w.Write(models)
	case !ok:
		http.Error(w, "no such path", http.StatusNotFound)
	case !a.stream:
		h.Set("Content-Length", strconv.Itoa(len(a.dialect.json)))
		_, _ = w.Write(a.dialect.json)
	default:
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		flush := http.NewResponseController(w)
		_ = a.each(func(event []byte) error {
			if _, err := w.Write(event); err != nil {
				return err
			}
			return flush.Flush()
		})
	}
}
