package gemini

import (
	"turnout/internal/dialect"
	"turnout/internal/dialect/neutral"
)

// maxCitations bounds the citations of one answer.
const maxCitations = 1000

// citationsIn reads groundingMetadata or citationMetadata. Places in the text are counted in bytes there and in
// characters here: in says which are which.
func citationsIn(v []byte, in *places, visit func(*neutral.Citation)) {
	var chunks, supports, sources []byte
	each(v, func(key, v []byte) {
		switch string(key) {
		case "groundingChunks":
			chunks = v
		case "groundingSupports":
			supports = v
		case "citationSources", "citations": // citationMetadata, as the REST reference and as the SDKs name it
			sources = v
		}
	})
	n := 0
	cite := func(segment []byte, url, title string) {
		if n++; n > maxCitations || url == "" {
			return
		}
		c := neutral.Citation{URL: url, Title: title, Document: -1, Origin: own}
		if c.End = in.char(int(count(member(segment, "endIndex")))); c.End > 0 {
			c.Start = in.char(int(count(member(segment, "startIndex"))))
		}
		visit(&c)
	}
	var pages []neutral.Citation
	elements(chunks, func(e []byte) {
		page := member(e, "web")
		if page == nil {
			page = member(e, "retrievedContext")
		}
		pages = append(pages, neutral.Citation{URL: text(member(page, "uri")), Title: text(member(page, "title"))})
	})
	elements(supports, func(e []byte) {
		segment := member(e, "segment")
		elements(member(e, "groundingChunkIndices"), func(i []byte) {
			if k := count(i); k < int64(len(pages)) {
				cite(segment, pages[k].URL, pages[k].Title)
			}
		})
	})
	elements(sources, func(e []byte) { cite(e, text(member(e, "uri")), text(member(e, "title"))) })
}

// grounding gathers an answer's citations until its last chunk, where the API has them.
type grounding struct {
	list  []neutral.Citation
	text  places // of the whole answer
	began places // the same, where the open block began
	first int    // the open block's first citation
}

func (g *grounding) add(c *neutral.Citation) {
	// Without an address (a document of the request) there is no place for it.
	if c.URL != "" && len(g.list) < maxCitations {
		g.list = append(g.list, neutral.Citation{URL: c.URL, Title: c.Title, Start: c.Start, End: c.End})
	}
}

// close ends a block: what its citations say of their places becomes one in the whole text, in bytes. A citation without a
// place stands for the whole block.
func (g *grounding) close() {
	for i := g.first; i < len(g.list); i++ {
		c := &g.list[i]
		if c.End == 0 {
			c.Start, c.End = g.began.bytes, g.text.bytes
			continue
		}
		c.Start, c.End = g.text.byte(g.began.chars()+c.Start), g.text.byte(g.began.chars()+c.End)
	}
	g.first, g.began = len(g.list), g.text
}

// write writes the member groundingMetadata.
func (g *grounding) write(j *neutral.JSON) {
	if len(g.list) == 0 {
		return
	}
	j.Key("groundingMetadata").Open().Key("groundingChunks").List()
	for i := range g.list {
		c := &g.list[i]
		j.Open().Key("web").Open().Member("uri", c.URL).Member("title", c.Title).Close().Close()
	}
	j.End().Key("groundingSupports").List()
	for i := range g.list {
		c := &g.list[i]
		j.Open()
		if c.End > 0 {
			j.Key("segment").Open().MemberInt("startIndex", int64(c.Start)).MemberInt("endIndex", int64(c.End)).Close()
		}
		j.Key("groundingChunkIndices").List().Int(int64(i)).End().Close()
	}
	j.End().Close()
}

// quotedText is a JSON string of s as an event carries it.
func quotedText(s []byte) []byte {
	return dialect.AppendString(make([]byte, 0, len(s)+len(s)/4+2), string(s))
}
