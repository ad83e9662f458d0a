package gemini

import "turnout/internal/dialect/neutral"

// wentWrong reports whether a finish reason says that the turn went wrong at the model (API reference, FinishReason):
// without content that is no answer, and another attempt may well give one.
func wentWrong(reason string) bool {
	switch reason {
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE",
		"OTHER", "IMAGE_OTHER", "NO_IMAGE":
		return true
	}
	return false
}

// finishIn says why a candidate ended (API reference, FinishReason). There is no reason of its own for calls.
func finishIn(reason string, calls bool) neutral.Finish {
	switch reason {
	case "MAX_TOKENS", "CONTINUATION": // CONTINUATION: the limit of one request, in long answers of Gemini 4
		return neutral.FinishLength
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return neutral.FinishRefusal
	}
	// STOP, and NO_IMAGE behind words. What failed otherwise is an error of the decoder.
	if calls {
		return neutral.FinishTool
	}
	return neutral.FinishStop
}

// finishOut writes a finish reason. Other dialects have words for a refusal, and may call it a whole answer.
func finishOut(f neutral.Finish, refused bool) string {
	if f == neutral.FinishStop && refused {
		f = neutral.FinishRefusal
	}
	switch f {
	case neutral.FinishLength, neutral.FinishContext:
		return "MAX_TOKENS"
	case neutral.FinishRefusal:
		return "SAFETY"
	case neutral.FinishNone, neutral.FinishStop, neutral.FinishSequence, neutral.FinishTool, neutral.FinishPause:
	}
	return "STOP"
}
