package neutral

import "turnout/internal/domain"

// Request is what a caller asks. Raw members are JSON as it came; a nil or empty one
// was not stated. Slices point into the body that was read, so a Request lives no longer than
// that.
type Request struct {
	Model  string
	Stream bool

	// System are the instructions that stand before the conversation: text blocks.
	System []Block
	// Turns are the conversation, oldest first. Neighbours may have the same role; codecs
	// that need them to alternate call [Merge].
	Turns []Turn

	Tools    []Tool
	Choice   ToolChoice
	Parallel *bool // whether several tools may be called at once; nil: not stated

	MaxTokens int64 // of the answer, reasoning included; 0: not stated
	Reasoning Reasoning
	Format    Format
	Stop      []string

	// Sampling: JSON numbers as they came.
	Temperature, TopP, TopK, Seed, PresencePenalty, FrequencyPenalty []byte

	User        string // the caller's own user, for abuse detection
	CacheKey    string // a name for the prompt's cache
	Tier        string // service tier: "auto", "default", "flex", "priority", "batch"
	Verbosity   string // "low", "medium", "high"
	Metadata    []byte // an object of the caller's own
	ShowUsage   bool   // of a stream: the caller wants its usage at the end
	PlainUsage  bool   // of a stream: the upstream does not know how to be asked for usage
	LegacyCalls bool   // the caller knows function_call, one a message, and no tool_calls (Chat)
	Unkept      bool   // the caller sends no opaque reasoning back, and said so (Responses)
	Obfuscation bool   // of a stream: the caller wants padding; only Responses and Chat know it

	// Asks are features that have no place above and that a target may or may not know,
	// with their raw value in the dialect that they came from.
	Asks []Ask

	// Extra are members that the decoder does not know.
	Extra []Member
	From  domain.Dialect

	// Size is how long the body was that it was read from, in bytes; 0: not known.
	Size int

	// Echo are members that an answer in the caller's own dialect repeats, as they came (Responses).
	Echo []Member
}

// Room is a buffer for the request in another dialect, with room for most of them.
func (r *Request) Room() []byte { return make([]byte, 0, r.Size+r.Size/16+4<<10) }

// Ask is the use of a feature that only some dialects have.
type Ask struct {
	Feature Feature
	Name    string // the member's name where it came from
	Raw     []byte
}

// Member is one member of an object, as it came.
type Member struct {
	Name string
	Raw  []byte
}

// Role is who speaks.
type Role uint8

// The roles.
const (
	User Role = iota
	Assistant
	System // instructions in the middle of the conversation
)

// Turn is what one side says. Results of tools stand in turns of role User.
type Turn struct {
	Role   Role
	Blocks []Block
	Name   string // of the participant, where a dialect knows such
	ID     string // of the item, where a dialect names them
}

// Kind is what a block is.
type Kind uint8

// The kinds of blocks.
const (
	KindText       Kind = iota
	KindRefusal         // text in which the model declines
	KindImage           // Media
	KindDocument        // Media, with Title
	KindAudio           // Media
	KindVideo           // Media
	KindReasoning       // Text, Signature; see Foreign
	KindToolUse         // ID, Name, Args
	KindToolResult      // ID (of the call), Name, Content, Failed
	KindOpaque          // Raw: something that only its own dialect knows
)

// Block is one piece of content. What a kind does not use is zero.
type Block struct {
	Kind Kind
	Text string

	// Media of images, documents, audio and video: exactly one of URL, Data and FileID is set.
	MediaType string // "image/png"; empty: not stated
	URL       string
	Data      []byte // base64, as it came, without quotes
	FileID    string // an upload at one account
	Detail    string // "low", "high", "auto", of images
	Title     string // a document's title or file name
	Context   string // what the caller says about a document
	Cite      bool   // citations of this document are wanted

	// Reasoning: what a provider wants back to go on thinking. Signature is opaque and good only
	// in the dialect named by Origin; an empty Signature is text that can be shown and not
	// sent back. Redacted: there is no text, Signature is all.
	Signature string
	Origin    domain.Dialect
	Redacted  bool

	// Tool calls and results.
	ID      string
	Name    string
	Args    []byte // a JSON object, as it came; of a custom tool: nil, and Text is the input
	Custom  bool   // a tool of free text
	Content []Block
	Failed  bool

	Citations []Citation
	Cache     Cache
	Raw       []byte // KindOpaque: the block in the dialect Origin
	Type      string // KindOpaque: its type there
}

// Cache marks the end of a prefix that the caller wants cached.
type Cache uint8

// The marks.
const (
	CacheNone Cache = iota
	Cache5m
	Cache1h
)

// Citation says where a piece of text comes from.
type Citation struct {
	URL, Title string
	Cited      string // the words at the source
	Start, End int    // of the citing text, in characters; both 0: not stated
	Document   int    // which document of the request; -1: none
	Origin     domain.Dialect
	Raw        []byte // as it came
}

// Tool is something that the model may call.
type Tool struct {
	Name        string
	Description string
	Schema      []byte // JSON schema of the arguments, as it came; nil: no arguments
	Strict      *bool
	Custom      bool // takes free text; Schema is then its grammar ("format"), if any
	Cache       Cache
	Raw         []byte // a tool that the provider runs (web search, …), in the dialect Origin; Name is its type
	Origin      domain.Dialect
	Extra       []Member

	// Namespace is the group that the tool stands in, and Inner its name there (Responses). Name is then
	// made of both, in letters that every dialect takes, and the tool's calls carry it.
	Namespace, Inner string
}

// Server reports whether the provider itself runs the tool.
func (t *Tool) Server() bool { return t.Raw != nil }

// ChoiceMode is whether tools are to be called.
type ChoiceMode uint8

// The modes.
const (
	ChoiceUnset ChoiceMode = iota
	ChoiceAuto
	ChoiceNone
	ChoiceAny   // some tool has to be called
	ChoiceNamed // Names[0] has to be called
	ChoiceAllow // only Names may be called; Must: one of them has to
)

// ToolChoice is which tools are to be called.
type ToolChoice struct {
	Mode  ChoiceMode
	Names []string
	Must  bool
}

// ReasoningMode is whether the model is to think first.
type ReasoningMode uint8

// The modes.
const (
	ReasoningUnset ReasoningMode = iota // as the model does by itself
	ReasoningOff
	ReasoningOn
)

// Reasoning is how much the model is to think.
type Reasoning struct {
	Mode   ReasoningMode
	Effort string // "minimal", "low", "medium", "high", "xhigh", "max"; empty: not stated
	Budget int64  // tokens; 0: not stated
	Show   bool   // the caller wants to see a summary or the thoughts
	// Adaptive: the model decides how much, as Anthropic's adaptive and Gemini's -1 say.
	Adaptive bool
}

// FormatMode is the shape of the answer.
type FormatMode uint8

// The shapes.
const (
	FormatText FormatMode = iota
	FormatJSON            // some JSON object
	FormatSchema
	FormatEnum // one of the schema's words, bare; see [WithEnum]
)

// Format is the shape in which the answer has to be.
type Format struct {
	Mode        FormatMode
	Name        string
	Description string
	Schema      []byte
	Strict      *bool
}

// Merge joins neighbouring turns of the same role, for dialects in which roles alternate.
func Merge(turns []Turn) []Turn {
	out := make([]Turn, 0, len(turns))
	grown := false // the last one's blocks are a copy of our own, so that many neighbours cost no copy each
	for _, t := range turns {
		n := len(out)
		if n == 0 || out[n-1].Role != t.Role {
			out, grown = append(out, t), false
			continue
		}
		last := &out[n-1]
		if !grown {
			last.Blocks, grown = last.Blocks[:len(last.Blocks):len(last.Blocks)], true
		}
		last.Blocks = append(last.Blocks, t.Blocks...)
	}
	return out
}
