// Package gemini is the Gemini API's generateContent protocol: what the gateway reads of
// its requests, streams and answers, and its translation to and from the neutral form.
package gemini
