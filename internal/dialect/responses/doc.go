// Package responses is the OpenAI Responses protocol: what the gateway reads of its
// requests, streams and answers, and its translation to and from the neutral form.
package responses
