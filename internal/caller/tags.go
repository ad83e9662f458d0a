package caller

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"turnout/internal/domain"
)

// TagsHeader is where a caller sets tags of its own, as far as its key lets it: project=apollo,cost_centre=r-17.
const TagsHeader = "X-Turnout-Tags"

const maxTag = 64

// Tags are a request's tags: the key's and its owners', with the caller's own over them. The map may be shared: do not change it.
// A tag that the caller may not set is an error, because it would be looked for in vain later.
func Tags(k *domain.Key, h http.Header) (map[string]string, error) {
	stated, out := h[TagsHeader], k.AllTags()
	if len(stated) == 0 {
		return out, nil
	}
	if out = maps.Clone(out); out == nil {
		out = map[string]string{}
	}
	for pair := range strings.SplitSeq(strings.Join(stated, ","), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || !isWord(name) || !isWord(value):
			return nil, tagError("want name=value, and commas between several; names and values are 1 to 64 letters, digits, dots, hyphens and underscores")
		case !slices.Contains(k.TagHeader, name) && len(k.TagHeader) == 0:
			return nil, tagError("the callers of this key may set no tags; ask whoever runs this Turnout for tag_header: [" + name + "]")
		case !slices.Contains(k.TagHeader, name):
			return nil, tagError("the callers of this key may not set " + name + "; they may set: " + strings.Join(k.TagHeader, ", "))
		}
		out[name] = value
	}
	return out, nil
}

func tagError(text string) error {
	return domain.Errorf(domain.KindInvalid, "read the tags", "x-turnout-tags: %s", text)
}

func isWord(s string) bool {
	if len(s) == 0 || len(s) > maxTag {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
