// Package socket serves the Responses protocol's WebSocket mode: one connection, a
// response.create message for each turn, the events of the answer as messages.
//
// Every turn goes through the same handler as an HTTP request, so that accounts, fail-over and records are
// the same. What the mode adds is memory: a turn may name the response of an earlier one on the same
// connection, and send new input alone. The connection keeps the conversation for that, so that no account
// needs to have stored it, any dialect can serve it, and a turn may move to another account. A response that its account
// has stored is named all the same, as long as that account serves: it holds more than can be sent. The
// protocol: the WebSocket mode guide of OpenAI's documentation, read 2026-11.
//
// It must never decide anything about a request. Start reading at conn.go.
package socket
