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
	run, err := app.FindRunning(dataDir)
	if err != nil {
		return a, err
	}
	token, err := admin.Token(dataDir)
	if err != nil {
		return a, fmt.Errorf("read the admin token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	base := "http://" + run.Address
	nonce := rand.Text()
	hello, err := askAdmin(ctx, http.MethodGet, base+admin.HelloPath+"?nonce="+nonce, "")
	if err != nil || !hmac.Equal([]byte(hello.Result), []byte(admin.Proof(token, nonce))) {
		return a, fmt.Errorf("what listens at %s is not the gateway of the data directory %s, which was process %d there: it has ended without taking its leave, or is just starting", run.Address, dataDir, run.PID)
	}
	if a, err = askAdmin(ctx, method, base+path, token); err != nil {
		return a, fmt.Errorf("ask the gateway at %s (process %d): %w", run.Address, run.PID, err)
	}
	return a, nil
}

// askAdmin makes one call of the admin API; without a token it sends none.
func askAdmin(ctx context.Context, method, url, token string) (a admin.Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(bytes.TrimSpace(body), &a); err != nil {
		return a, fmt.Errorf("it answered %s, which is no answer of the admin API", resp.Status)
	}
	return a, nil
}
