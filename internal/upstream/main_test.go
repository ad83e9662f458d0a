package upstream

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet keeps servers' complaints about broken handshakes, which tests want, out of the output.
var quiet = log.New(io.Discard, "", 0)
