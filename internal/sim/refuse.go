package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// HTTP/2 frames, as far as refusing a stream needs them (RFC 9113 §4.1, §6).
const (
	clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHeaders  = 0x1
	frameSettings = 0x4
	frameGoAway   = 0x7
	frameHead     = 9 // bytes
	refuseLimit   = 10 * time.Second
)

func frame(kind byte, payload []byte) []byte {
	b := make([]byte, frameHead, frameHead+len(payload))
	b[0], b[1], b[2], b[3] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind
	return append(b, payload...)
}

// refuseStream speaks HTTP/2 up to the first request and answers it with GOAWAY,
// last stream 0, no error: nothing was processed. It returns when the client has
// closed the connection or took too long for that.
func refuseStream(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(refuseLimit))
	preface := make([]byte, len(clientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != clientPreface {
		return
	}
	if _, err := conn.Write(frame(frameSettings, nil)); err != nil {
		return
	}
	head := make([]byte, frameHead)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		length := int64(binary.BigEndian.Uint32(append([]byte{0}, head[:3]...)))
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return
		}
		if head[3] == frameHeaders {
			if _, err := conn.Write(frame(frameGoAway, make([]byte, 8))); err != nil {
				return
			}
		}
	}
}

// RefusedAddress gives an address of 127.0.0.1 that surely refuses connections
// until release is called: its port is held as the near end of a connection
// elsewhere, so that no listener can take it.
func RefusedAddress() (addr string, release func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("hold an address that refuses: %w", err)
	}
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		_ = ln.Close()
		return "", nil, fmt.Errorf("hold an address that refuses: %w", err)
	}
	return near.LocalAddr().String(), func() { _ = near.Close(); _ = ln.Close() }, nil
}
