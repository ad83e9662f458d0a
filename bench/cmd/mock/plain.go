package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// servePlain answers in HTTP/1.1 until the listener fails.
func servePlain(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		s := &session{conn: conn, r: bufio.NewReaderSize(conn, 8<<10)}
		go func() {
			defer func() { _ = conn.Close() }()
			var err error
			for err == nil {
				err = s.serve()
			}
		}()
	}
}

// session is one connection.
type session struct {
	conn net.Conn
	r    *bufio.Reader
	path string
	body []byte
	out  []byte
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nX-Request-Id: req_mock\r\nTransfer-Encoding: chunked\r\n\r\n"

// serve answers one request. An error ends the connection.
func (s *session) serve() error {
	if err := s.readRequest(); err != nil {
		return err
	}
	a, ok := read(s.path, s.body)
	switch {
	case strings.HasSuffix(s.path, "/models"):
		return s.whole("200 OK", models)
	case !ok:
		return s.whole("404 Not Found", []byte(`{"error":{"message":"no such path","type":"invalid_request_error"}}`))
	case !a.stream:
		return s.whole("200 OK", a.dialect.json)
	}
	s.out = append(s.out[:0], streamHead...)
	if err := s.flush(); err != nil {
		return err
	}
	err := a.each(func(event []byte) error {
		s.out = append(strconv.AppendInt(s.out[:0], int64(len(event)), 16), "\r\n"...)
		s.out = append(append(s.out, event...), "\r\n"...)
		return s.flush()
	})
	if err != nil {
		return err
	}
	s.out = append(s.out[:0], "0\r\n\r\n"...)
	return s.flush()
}

// each sends a stream's events with the pauses between them.
func (a asked) each(send func([]byte) error) error {
	for i, e := range a.dialect.events {
		if i > 0 && a.answers.delay > 0 {
			time.Sleep(a.answers.delay)
		}
		if err := send(e); err != nil {
			return err
		}
	}
	if a.usage && a.dialect.usage != nil {
		if err := send(a.dialect.usage); err != nil {
			return err
		}
	}
	for _, e := range a.dialect.end {
		if err := send(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) whole(status string, body []byte) error {
	s.out = fmt.Appendf(s.out[:0], "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Request-Id: req_mock\r\nContent-Length: %d\r\n\r\n", status, len(body))
	s.out = append(s.out, body...)
	return s.flush()
}

func (s *session) flush() error {
	_, err := s.conn.Write(s.out)
	return err
}

// readRequest reads one request into the session's buffers.
func (s *session) readRequest() error {
	line, err := s.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	words := bytes.Fields(line)
	if len(words) != 3 {
		return errors.New("bad request line")
	}
	path, _, _ := bytes.Cut(words[1], []byte("?"))
	s.path = string(path)
	length, chunked := 0, false
	for {
		if line, err = s.r.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	s.body = s.body[:0]
	if !chunked {
		return s.more(length)
	}
	for {
		if line, err = s.r.ReadSlice('\n'); err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil {
			return err
		}
		if err := s.more(int(n)); err != nil {
			return err
		}
		if _, err := s.r.ReadSlice('\n'); err != nil || n == 0 {
			return err
		}
	}
}

// more reads n further bytes of the body.
func (s *session) more(n int) error {
	at := len(s.body)
	if cap(s.body) < at+n {
		s.body = append(make([]byte, 0, (at+n)*5/4), s.body...)
	}
	s.body = s.body[:at+n]
	_, err := io.ReadFull(s.r, s.body[at:])
	return err
}
