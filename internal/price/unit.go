package price

import "math/bits"

// kind is one countable thing that a provider may charge for. The kinds form a lattice: cache_read_tokens are some of the
// input_tokens, cache_audio_read_tokens some of the cache_read_tokens and of the input_audio_tokens. What a token costs is
// decided by the most particular kind that has a price.
type kind uint8

// dims are what tells kinds apart. A kind is a part of another if it says all that the other says and more.
type dims struct{ family, direction, modality, sort, lifetime string }

// unit is a kind's name in a usage, the name of its price, and how many of it that price is for.
type unit struct {
	usage, price string
	per          int64
	dims         dims
}

const (
	perThousand = 1_000
	perHour     = 3_600 // seconds
	perMillion  = 1_000_000
	perBillion  = 1_000_000_000
)

// units are all kinds, by their usage name. They are those of @pydantic/genai-prices, whose names the catalogue and the
// command line use (read in version 0.1.8, 2026-11). A price under any other name is an error when a catalogue is read.
var units = [...]unit{
	{"audio_seconds", "audio_hours", perHour, dims{"durations", "", "audio", "", ""}},
	{"cache_audio_read_tokens", "cache_audio_read_mtok", perMillion, dims{"tokens", "input", "audio", "cache_read", ""}},
	{"cache_audio_write_1h_tokens", "cache_audio_write_1h_mtok", perMillion, dims{"tokens", "input", "audio", "cache_write", "1h"}},
	{"cache_audio_write_5m_tokens", "cache_audio_write_5m_mtok", perMillion, dims{"tokens", "input", "audio", "cache_write", "5m"}},
	{"cache_audio_write_tokens", "cache_audio_write_mtok", perMillion, dims{"tokens", "input", "audio", "cache_write", ""}},
	{"cache_image_read_tokens", "cache_image_read_mtok", perMillion, dims{"tokens", "input", "image", "cache_read", ""}},
	{"cache_image_write_1h_tokens", "cache_image_write_1h_mtok", perMillion, dims{"tokens", "input", "image", "cache_write", "1h"}},
	{"cache_image_write_5m_tokens", "cache_image_write_5m_mtok", perMillion, dims{"tokens", "input", "image", "cache_write", "5m"}},
	{"cache_image_write_tokens", "cache_image_write_mtok", perMillion, dims{"tokens", "input", "image", "cache_write", ""}},
	{"cache_read_tokens", "cache_read_mtok", perMillion, dims{"tokens", "input", "", "cache_read", ""}},
	{"cache_text_read_tokens", "cache_text_read_mtok", perMillion, dims{"tokens", "input", "text", "cache_read", ""}},
	{"cache_text_write_1h_tokens", "cache_text_write_1h_mtok", perMillion, dims{"tokens", "input", "text", "cache_write", "1h"}},
	{"cache_text_write_5m_tokens", "cache_text_write_5m_mtok", perMillion, dims{"tokens", "input", "text", "cache_write", "5m"}},
	{"cache_text_write_tokens", "cache_text_write_mtok", perMillion, dims{"tokens", "input", "text", "cache_write", ""}},
	{"cache_video_read_tokens", "cache_video_read_mtok", perMillion, dims{"tokens", "input", "video", "cache_read", ""}},
	{"cache_video_write_1h_tokens", "cache_video_write_1h_mtok", perMillion, dims{"tokens", "input", "video", "cache_write", "1h"}},
	{"cache_video_write_5m_tokens", "cache_video_write_5m_mtok", perMillion, dims{"tokens", "input", "video", "cache_write", "5m"}},
	{"cache_video_write_tokens", "cache_video_write_mtok", perMillion, dims{"tokens", "input", "video", "cache_write", ""}},
	{"cache_write_1h_tokens", "cache_write_1h_mtok", perMillion, dims{"tokens", "input", "", "cache_write", "1h"}},
	{"cache_write_5m_tokens", "cache_write_5m_mtok", perMillion, dims{"tokens", "input", "", "cache_write", "5m"}},
	{"cache_write_tokens", "cache_write_mtok", perMillion, dims{"tokens", "input", "", "cache_write", ""}},
	{"code_executions", "code_executions_kcount", perThousand, dims{"tool_calls", "", "", "code_execution", ""}},
	{"input_annotated_document_pages", "input_annotated_document_kpages", perThousand, dims{"document_pages", "input", "", "annotated", ""}},
	{"input_audio_seconds", "input_audio_hours", perHour, dims{"durations", "input", "audio", "", ""}},
	{"input_audio_tokens", "input_audio_mtok", perMillion, dims{"tokens", "input", "audio", "", ""}},
	{"input_audio_tool_tokens", "input_audio_tool_mtok", perMillion, dims{"tokens", "input", "audio", "tool", ""}},
	{"input_characters", "input_mchars", perMillion, dims{"characters", "input", "", "", ""}},
	{"input_document_pages", "input_document_kpages", perThousand, dims{"document_pages", "input", "", "", ""}},
	{"input_image_tokens", "input_image_mtok", perMillion, dims{"tokens", "input", "image", "", ""}},
	{"input_image_tool_tokens", "input_image_tool_mtok", perMillion, dims{"tokens", "input", "image", "tool", ""}},
	{"input_pixels", "input_gpixels", perBillion, dims{"pixels", "input", "", "", ""}},
	{"input_text_messages", "input_text_messages_kcount", perThousand, dims{"messages", "input", "text", "", ""}},
	{"input_text_tokens", "input_text_mtok", perMillion, dims{"tokens", "input", "text", "", ""}},
	{"input_text_tool_tokens", "input_text_tool_mtok", perMillion, dims{"tokens", "input", "text", "tool", ""}},
	{"input_tokens", "input_mtok", perMillion, dims{"tokens", "input", "", "", ""}},
	{"input_tool_tokens", "input_tool_mtok", perMillion, dims{"tokens", "input", "", "tool", ""}},
	{"input_video_tokens", "input_video_mtok", perMillion, dims{"tokens", "input", "video", "", ""}},
	{"input_video_tool_tokens", "input_video_tool_mtok", perMillion, dims{"tokens", "input", "video", "tool", ""}},
	{"output_audio_citation_tokens", "output_audio_citation_mtok", perMillion, dims{"tokens", "output", "audio", "citation", ""}},
	{"output_audio_reasoning_tokens", "output_audio_reasoning_mtok", perMillion, dims{"tokens", "output", "audio", "reasoning", ""}},
	{"output_audio_seconds", "output_audio_hours", perHour, dims{"durations", "output", "audio", "", ""}},
	{"output_audio_tokens", "output_audio_mtok", perMillion, dims{"tokens", "output", "audio", "", ""}},
	{"output_citation_tokens", "output_citation_mtok", perMillion, dims{"tokens", "output", "", "citation", ""}},
	{"output_image_citation_tokens", "output_image_citation_mtok", perMillion, dims{"tokens", "output", "image", "citation", ""}},
	{"output_image_reasoning_tokens", "output_image_reasoning_mtok", perMillion, dims{"tokens", "output", "image", "reasoning", ""}},
	{"output_image_tokens", "output_image_mtok", perMillion, dims{"tokens", "output", "image", "", ""}},
	{"output_reasoning_tokens", "output_reasoning_mtok", perMillion, dims{"tokens", "output", "", "reasoning", ""}},
	{"output_text_citation_tokens", "output_text_citation_mtok", perMillion, dims{"tokens", "output", "text", "citation", ""}},
	{"output_text_reasoning_tokens", "output_text_reasoning_mtok", perMillion, dims{"tokens", "output", "text", "reasoning", ""}},
	{"output_text_tokens", "output_text_mtok", perMillion, dims{"tokens", "output", "text", "", ""}},
	{"output_tokens", "output_mtok", perMillion, dims{"tokens", "output", "", "", ""}},
	{"output_video_citation_tokens", "output_video_citation_mtok", perMillion, dims{"tokens", "output", "video", "citation", ""}},
	{"output_video_reasoning_tokens", "output_video_reasoning_mtok", perMillion, dims{"tokens", "output", "video", "reasoning", ""}},
	{"output_video_tokens", "output_video_mtok", perMillion, dims{"tokens", "output", "video", "", ""}},
	{"requests", "requests_kcount", perThousand, dims{"requests", "", "", "", ""}},
	{"rerank_searches", "rerank_searches_kcount", perThousand, dims{"rerank", "", "", "", ""}},
	{"social_searches", "social_searches_kcount", perThousand, dims{"tool_calls", "", "", "social_search", ""}},
	{"storage_searches", "storage_searches_kcount", perThousand, dims{"tool_calls", "", "", "storage_search", ""}},
	{"web_searches", "web_searches_kcount", perThousand, dims{"tool_calls", "", "", "web_search", ""}},
}

const kinds = kind(len(units))

// set is a set of kinds.
type set uint64

func (s set) has(k kind) bool { return s>>k&1 == 1 }
func (s set) with(k kind) set { return s | 1<<k }
func (s set) len() int        { return bits.OnesCount64(uint64(s)) }

// each calls f with the set's kinds, in their order.
func (s set) each(f func(kind)) {
	for s != 0 {
		f(kind(bits.TrailingZeros64(uint64(s))))
		s &= s - 1
	}
}

var (
	byUsage = map[string]kind{}
	byPrice = map[string]kind{}
	// wholes are the kinds that a kind is a part of; parts are the kinds that are parts of it.
	wholes, parts [kinds]set
)

// The kinds that a domain.Usage can tell.
var (
	kInput, kCacheRead, kCacheWrite, kCacheWrite5m, kCacheWrite1h kind
	kOutput, kReasoning                                           kind
	kAudioIn, kAudioRead, kAudioOut, kImageIn, kImageOut          kind
	kSearches, kRequests                                          kind
	kSeconds, kSecondsIn                                          kind
)

func init() {
	for i, u := range units {
		byUsage[u.usage], byPrice[u.price] = kind(i), kind(i)
		for j, v := range units {
			if i != j && u.dims.within(v.dims) {
				wholes[i] = wholes[i].with(kind(j))
				parts[j] = parts[j].with(kind(i))
			}
		}
	}
	for name, to := range map[string]*kind{
		"input_tokens": &kInput, "cache_read_tokens": &kCacheRead, "cache_write_tokens": &kCacheWrite,
		"cache_write_5m_tokens": &kCacheWrite5m, "cache_write_1h_tokens": &kCacheWrite1h,
		"output_tokens": &kOutput, "output_reasoning_tokens": &kReasoning,
		"input_audio_tokens": &kAudioIn, "cache_audio_read_tokens": &kAudioRead, "output_audio_tokens": &kAudioOut,
		"input_image_tokens": &kImageIn, "output_image_tokens": &kImageOut,
		"web_searches": &kSearches, "requests": &kRequests,
		"audio_seconds": &kSeconds, "input_audio_seconds": &kSecondsIn,
	} {
		*to = byUsage[name]
	}
}

// all gives the dimensions one by one.
func (d dims) all() [5]string {
	return [5]string{d.family, d.direction, d.modality, d.sort, d.lifetime}
}

// within says whether d says all that e says.
func (d dims) within(e dims) bool {
	a, b := d.all(), e.all()
	for i := range a {
		if b[i] != "" && a[i] != b[i] {
			return false
		}
	}
	return true
}

// join is the kind of what is of both kinds: cache_audio_read_tokens for cache_read_tokens and input_audio_tokens. ok is
// false where nothing can be both, or no kind says it.
func join(j, k kind) (_ kind, ok bool) {
	a, b := units[j].dims.all(), units[k].dims.all()
	for i := range a {
		switch {
		case a[i] == "":
			a[i] = b[i]
		case b[i] != "" && a[i] != b[i]:
			return 0, false
		}
	}
	both := dims{a[0], a[1], a[2], a[3], a[4]}
	for i, u := range units {
		if u.dims == both {
			return kind(i), true
		}
	}
	return 0, false
}

// particular is how much a kind says.
func particular(k kind) (n int) {
	for _, d := range units[k].dims.all() {
		if d != "" {
			n++
		}
	}
	return n
}

// of says whether a kind is tokens in one direction: "input" or "output".
func (k kind) of(direction string) bool {
	return units[k].dims.family == "tokens" && units[k].dims.direction == direction
}
