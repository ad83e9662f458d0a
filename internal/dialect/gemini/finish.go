package gemini

import "turnout/internal/dialect/neutral"

// finishIn says why a candidate ended (API reference, FinishReason). There is no reason of its own for calls.
func finishIn(reason string, calls bool) neutral.Finish {
	switch reason {
	case "MAX_TOKENS", "CONTINUATION": // CONTINUATION: the limit of one request, in long answers of Gemini 4
		return neutral.FinishLength
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return neutral.FinishRefusal
	}
	// STOP, and what went wrong in a way that no other dialect has a word for: MALFORMED_FUNCTION_CALL,
	// UNEXPECTED_TOOL_CALL, TOO_MANY_TOOL_CALLS, NO_IMAGE, OTHER.
	if calls {
		return neutral.FinishTool
	}
	return neutral.FinishStop
}

func finishOut(f neutral.Finish) string {
	switch f {
	case neutral.FinishLength, neutral.FinishContext:
		return "MAX_TOKENS"
	case neutral.FinishRefusal:
		return "SAFETY"
	case neutral.FinishNone, neutral.FinishStop, neutral.FinishSequence, neutral.FinishTool, neutral.FinishPause:
	}
	return "STOP"
}
