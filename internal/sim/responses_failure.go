package sim

// failedResponse is the response that an error inside a success leaves behind.
func (x *exchange) failedResponse(f *failure) responsesReply {
	r := x.said.responsesReply()
	code := f.code
	if code == "" {
		code = f.kind
	}
	r.Status, r.Error = "failed", &responsesError{code, f.message}
	return r
}

// responsesErrorEvent is the error inside a stream: two events, as the provider sends them (captured by
// the API's clients).
func (x *exchange) responsesErrorEvent() []byte {
	type detail struct {
		Type    string  `json:"type"`
		Code    string  `json:"code"`
		Message string  `json:"message"`
		Param   *string `json:"param"`
	}
	f := x.inBandFailure()
	r := x.failedResponse(f)
	return append(
		responsesEvent("error", x.written, struct {
			Error detail `json:"error"`
		}{detail{f.kind, r.Error.Code, f.message, nil}}),
		responsesEvent("response.failed", x.written+1, lifecycle{r})...)
}
