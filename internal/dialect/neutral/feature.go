package neutral

import (
	"strings"

	"turnout/internal/domain"
)

// Feature is something that not every dialect can express.
type Feature uint8

// The features, in the order of the documented table.
const (
	FeatureImageURL Feature = iota
	FeatureImageData
	FeatureDocumentURL
	FeatureDocumentData
	FeatureFile // an upload, by id: it belongs to one account
	FeatureAudio
	FeatureVideo
	FeatureCustomTool
	FeatureServerTool // a tool that the provider runs
	FeatureToolStrict
	FeatureToolChoiceAllowed
	FeatureParallel
	FeatureToolResultImage
	FeatureToolResultError
	FeatureReasoningEffort
	FeatureReasoningBudget
	FeatureReasoningOff
	FeatureReasoningReplay // reasoning of the same provider, sent back
	FeatureForeignReasoning
	FeatureSchema
	FeatureJSONMode
	FeatureEnum      // an answer that is one of several words, bare
	FeatureMaxTokens // not stated, where the target needs it
	FeatureStop
	FeatureTemperature
	FeatureTopP
	FeatureTopK
	FeatureSeed
	FeaturePenalties
	FeatureLogprobs
	FeatureLogitBias
	FeatureChoices // more than one answer
	FeatureCacheControl
	FeatureCacheKey
	FeatureCachedContent // Gemini's, by name: it belongs to one account
	FeatureMetadata
	FeatureUser
	FeatureTier
	FeatureVerbosity
	FeatureStore
	FeaturePreviousResponse
	FeatureBackground
	FeatureTruncation
	FeatureSafety
	FeatureContextManagement
	FeatureMCP
	FeatureContainer
	FeatureResidency // where in the world the model is to run
	FeaturePrediction
	FeatureOutputAudio
	FeatureOutputImage
	FeaturePrefill // the conversation ends with the assistant
	FeatureMidSystem
	FeatureCitations
	FeatureOpaque // a block that only its own dialect knows
	FeatureUnknown
	NumFeatures
)

var featureNames = [NumFeatures]string{
	"image by URL", "image data", "document by URL", "document data", "uploaded file", "audio", "video", "custom tool", "provider's tool",
	"strict tool", "allowed tools", "parallel_tool_calls", "image in a tool result", "failed tool result", "reasoning effort", "reasoning budget",
	"reasoning off", "reasoning sent back", "another provider's reasoning", "answer by schema", "JSON mode", "one word of several", "no max tokens", "stop sequences",
	"temperature", "top_p", "top_k", "seed", "penalties", "logprobs", "logit_bias", "several answers", "cache_control", "prompt_cache_key",
	"cached content", "metadata", "user", "service tier", "verbosity", "store", "previous_response_id", "background", "truncation", "safety settings",
	"context management", "MCP servers", "container", "data residency", "prediction", "audio answer", "image answer", "answer begun by the caller", "instructions amid the conversation", "citations",
	"block of another dialect", "unknown member",
}

// String is the feature's name in the table and in warnings.
func (f Feature) String() string { return featureNames[f] }

// How is what becomes of a feature.
type How uint8

// What becomes of a feature.
const (
	Carried How = iota // it means the same there
	Adapted            // it is said in another way; a warning says how where the meaning shifts
	Dropped            // it is left out, and a warning says so
	Refused            // the request is refused: without it the answer would be another one
)

var howNames = [...]string{"carried", "adapted", "dropped", "refused"}

// String is its name in the table.
func (h How) String() string { return howNames[h] }

// Rule is what a target does with a feature, and how or why, in words for a caller.
type Rule struct {
	How How
	Why string
}

// Table holds a target's rule for every feature. The zero Rule carries.
type Table [NumFeatures]Rule

// Notes gathers what happened to a request's features on the way to one target.
// The zero Notes has no table and is of no use; see [NewNotes].
type Notes struct {
	table    *Table
	target   domain.Dialect
	warnings []string
	told     map[string]bool // the same
	err      *domain.Error
}

// NewNotes begins the notes of one translation.
func NewNotes(target domain.Dialect, table *Table) *Notes {
	return &Notes{table: table, target: target}
}

// Use says that the request uses a feature, in the member that param names, and reports
// whether it goes to the target. A dropped feature leaves a warning; a refused one makes the
// translation fail.
func (n *Notes) Use(f Feature, param string) bool {
	rule := n.table[f]
	switch rule.How {
	case Carried:
		return true
	case Adapted:
		n.warn(param, "adapted", rule.Why)
		return true
	case Dropped:
		n.warn(param, "dropped", rule.Why)
		return false
	}
	n.Refuse(param, f.String()+": "+rule.Why)
	return false
}

// Adapt warns that something goes to the target in another way, where that hangs on the model
// or on the value and not on the dialect alone.
func (n *Notes) Adapt(param, why string) { n.warn(param, "adapted", why) }

// Drop warns that something is left out, where that hangs on the model or on the value.
func (n *Notes) Drop(param, why string) { n.warn(param, "dropped", why) }

// Refuse makes the translation fail. The first refusal is told.
func (n *Notes) Refuse(param, why string) {
	if n.err == nil {
		n.err = &domain.Error{
			Kind: domain.KindInvalid, Op: "translate the request", Param: param, Code: "unsupported_by_target",
			Message: "the account that serves this model speaks " + n.target.String() + ", which cannot express it: " + why,
		}
	}
}

// maxWarnings bounds what is gathered of one request.
const maxWarnings = 1000

func (n *Notes) warn(param, how, why string) {
	w := how + " " + param
	if why != "" {
		w += ": " + why
	}
	if n.told[w] || len(n.warnings) >= maxWarnings {
		return
	}
	if n.told == nil {
		n.told = make(map[string]bool)
	}
	n.told[w] = true
	n.warnings = append(n.warnings, w)
}

// Warnings are for the caller, one for each thing that did not go as it was asked: printable ASCII.
func (n *Notes) Warnings() []string {
	out := make([]string, len(n.warnings))
	for i, w := range n.warnings {
		out[i] = strings.Map(func(r rune) rune {
			if r < 0x20 || r > 0x7e {
				return '?'
			}
			return r
		}, w)
	}
	return out
}

// Err is the refusal, or nil. It is a *domain.Error.
func (n *Notes) Err() error {
	if n.err == nil {
		return nil
	}
	return n.err
}
