package upstream

import (
	"bytes"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func packed(t testing.TB, coding string, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return plain
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var codings = []string{"gzip", "x-gzip", "deflate", "br", "zstd"}

func TestDecoder(t *testing.T) {
	plain := []byte(strings.Repeat(`{"model":"claude-opus-5-5"} `, 2000))
	for _, coding := range append(codings, "", "identity", " GZIP ", "Br") {
		name := strings.ToLower(strings.TrimSpace(coding))
		r, ok, err := Decoder(coding, bytes.NewReader(packed(t, name, plain)))
		if !ok || err != nil {
			t.Errorf("%q: %v, %v", coding, ok, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q: %d bytes of %d, %v", coding, len(got), len(plain), err)
		}
		closeDecoder(r)
	}
	for _, coding := range []string{"compress", "gzip, br", "gzip,gzip", "snappy", "*", "\x00"} {
		if _, ok, err := Decoder(coding, strings.NewReader("x")); ok || err != nil {
			t.Errorf("%q is taken for a coding: %v", coding, err)
		}
	}
}

func closeDecoder(r io.Reader) {
	if c, ok := r.(io.Closer); ok {
		_ = c.Close()
	}
}

// What is broken is an error and never a short text that looks whole.
func TestDecoderBroken(t *testing.T) {
	plain := []byte(strings.Repeat("incompressible? 8c7d6e5f4a3b ", 500))
	for _, coding := range codings {
		whole := packed(t, coding, plain)
		flipped := bytes.Clone(whole)
		flipped[len(flipped)/2] ^= 0x55
		for name, b := range map[string][]byte{"empty": nil, "no such thing": []byte("plain text, no coding at all"), "cut": whole[:len(whole)-1], "half": whole[:len(whole)/2], "first byte": whole[:1], "flipped": flipped} {
			r, ok, err := Decoder(coding, bytes.NewReader(b))
			if !ok {
				t.Fatalf("%s is not known", coding)
			}
			if err != nil {
				continue
			}
			got, err := io.ReadAll(io.LimitReader(r, 1<<20))
			closeDecoder(r)
			// An empty frame of zstd is an empty text; Brotli carries no checksum, so a changed byte may
			// only change the text.
			if err == nil && !(name == "empty" && coding == "zstd" && len(got) == 0) && !(name == "flipped" && coding == "br" && !bytes.Equal(got, plain)) {
				t.Errorf("%s, %s: %d bytes and no error", coding, name, len(got))
			}
		}
	}
}

// A bomb unfolds only as far as it is read: the reader sets the bound.
func TestDecoderBomb(t *testing.T) {
	const size = 3 << 20
	zeros := make([]byte, size)
	for _, coding := range codings {
		bomb := packed(t, coding, zeros)
		src := &countingReader{r: bytes.NewReader(bomb)}
		r, _, err := Decoder(coding, src)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, size/64))
		if err != nil || n != size/64 {
			t.Errorf("%s: %d bytes, %v", coding, n, err)
		}
		if src.n > max(len(bomb)/2, 64<<10) {
			t.Errorf("%s: %d of %d bytes were read for a sixty-fourth of the text", coding, src.n, len(bomb))
		}
		closeDecoder(r)
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// A frame that asks for a window larger than the bound is refused before anything is allocated for it.
func TestDecoderWindow(t *testing.T) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(make([]byte, 9<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Flush(); err != nil { // the frame begins before its size is known: it names its window
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, _, err := Decoder("zstd", &b)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		closeDecoder(r)
	}
	if err == nil {
		t.Error("a window of 64 MiB is taken")
	}
}

func FuzzDecoder(f *testing.F) {
	for i, coding := range codings {
		f.Add(i, packed(f, coding, []byte("hello, hello, hello")))
		f.Add(i, packed(f, coding, make([]byte, 100_000)))
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		r, ok, err := Decoder(codings[(i%len(codings)+len(codings))%len(codings)], bytes.NewReader(b))
		if !ok {
			t.Fatal("a known coding is not known")
		}
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(r, 4<<20))
		closeDecoder(r)
	})
}

func TestDecode(t *testing.T) {
	closed := &closing{Reader: bytes.NewReader(packed(t, "zstd", []byte("hello")))}
	resp := &http.Response{Header: http.Header{"Content-Encoding": {"zstd"}, "Content-Type": {"text/plain"}}, Body: closed, ContentLength: 99}
	if err := decode(resp); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if string(got) != "hello" || err != nil || resp.ContentLength != -1 || resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Content-Type") == "" {
		t.Errorf("%q, %v, length %d, %v", got, err, resp.ContentLength, resp.Header)
	}
	if _ = resp.Body.Close(); !closed.closed {
		t.Error("the connection is not given back")
	}
	untouched := &http.Response{Header: http.Header{}, Body: http.NoBody, ContentLength: 7}
	if err := decode(untouched); err != nil || untouched.Body != http.NoBody || untouched.ContentLength != 7 {
		t.Errorf("an answer without a coding was changed: %v", err)
	}
	if err := decode(&http.Response{Header: http.Header{"Content-Encoding": {"lzma"}}, Body: http.NoBody}); err == nil {
		t.Error("an answer that cannot be read is passed on")
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }
