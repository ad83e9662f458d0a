package cli

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"turnout/internal/admin"
	"turnout/internal/app"
)

// callAdmin asks the gateway that runs on a data directory. That it is really that one
// is proved before the token is sent.
func callAdmin(ctx context.Context, dataDir, method, path string) (a admin.Answer, err error) {
	return callAdminWith(ctx, dataDir, method, path, nil)
}

// callAdminWith is callAdmin with a body.
func callAdminWith(ctx context.Context, dataDir, method, path string, body []byte) (a admin.Answer, err error) {
	run, token, err := proveRunning(ctx, dataDir)
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if a, err = askAdmin(ctx, method, "http://"+run.Address+path, token, body); err != nil {
		return a, fmt.Errorf("ask the gateway at %s (process %d): %w", run.Address, run.PID, err)
	}
	return a, nil
}

const (
	callTime  = 90 * time.Second
	helloTime = 10 * time.Second
)

// proveRunning finds the gateway that runs on a data directory.
func proveRunning(ctx context.Context, dataDir string) (run app.Running, token string, err error) {
	if run, err = app.FindRunning(dataDir); err != nil {
		return run, "", err
	}
	if token, err = admin.Token(dataDir); err != nil {
		return run, "", fmt.Errorf("read the admin token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	nonce := rand.Text()
	hello, err := askAdmin(ctx, http.MethodGet, "http://"+run.Address+admin.HelloPath+"?nonce="+nonce, "", nil)
	if err != nil || !hmac.Equal([]byte(hello.Result), []byte(admin.Proof(token, nonce))) {
		return run, "", fmt.Errorf("what listens at %s is not the gateway of the data directory %s, which was process %d there: it has ended without taking its leave, or is just starting", run.Address, dataDir, run.PID)
	}
	return run, token, nil
}

// askAdmin makes one call of the admin API; without a token it sends none.
func askAdmin(ctx context.Context, method, url, token string, content []byte) (a admin.Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return a, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(bytes.TrimSpace(body), &a); err != nil {
		return a, fmt.Errorf("it answered %s, which is no answer of the admin API", resp.Status)
	}
	return a, nil
}
