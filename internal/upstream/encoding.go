package upstream

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Decoder wraps a reader of the named content coding. "" and "identity" are the reader itself. ok is
// false for a coding that is not known.
func Decoder(coding string, r io.Reader) (dec io.Reader, ok bool, err error) {
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return r, true, nil
	case "gzip", "x-gzip":
		dec, err = gzip.NewReader(r)
	case "deflate":
		dec, err = zlib.NewReader(r)
	case "br":
		dec = brotli.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			dec = z.IOReadCloser()
		}
	default:
		return nil, false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("content coding %s: %w", coding, err)
	}
	return dec, true, nil
}

// maxWindow bounds what a zstd frame may make the decoder allocate, in bytes.
const maxWindow = 8 << 20

// decode undoes a content coding that the upstream chose although none was asked for.
func decode(resp *http.Response) error {
	coding := resp.Header.Get("Content-Encoding")
	if coding == "" {
		return nil
	}
	r, ok, err := Decoder(coding, resp.Body)
	if errors.Is(err, io.EOF) { // a coding is claimed for a body that is empty
		r, ok, err = resp.Body, true, nil
	}
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("content coding %q of the answer is not known", coding)
	}
	resp.Header.Del("Content-Encoding")
	resp.ContentLength = -1
	resp.Body = &decoded{r, resp.Body}
	return nil
}

type decoded struct {
	io.Reader
	raw io.Closer
}

// Close ends the decoder, where it needs that, and the body below it.
func (d *decoded) Close() error {
	if c, ok := d.Reader.(io.Closer); ok {
		_ = c.Close()
	}
	return d.raw.Close()
}
