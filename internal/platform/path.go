package platform

import (
	"net/url"
	"strings"

	"turnout/internal/dialect"
)

// Places in a path, and the paths that all of Gemini's verbs share.
const (
	placeVersion = "{version}"
	placeModel   = "{model}"
	generatePath = "/" + placeVersion + "/models/" + placeModel + ":"

	// defaultVersion is what Google's SDKs but the newest JavaScript one ask for (captured 2026-11); it has
	// every feature, while v1 lacks some.
	defaultVersion = "v1beta"
)

// Expand fills the places of an offer's path with what a request's own path says: {version}, which is
// v1beta where it is not stated or is none, and {model}, escaped so that it stays one segment and names no verb.
// A model in another collection than models/ ("tunedModels/x") takes that one's place. A path without places is
// given back as it is.
func Expand(path string, at dialect.Route) string {
	if !strings.Contains(path, "{") {
		return path
	}
	version := at.Version
	if !isVersion(version) {
		version = defaultVersion
	}
	path = strings.ReplaceAll(path, placeVersion, version)
	model := strings.TrimPrefix(at.Model, "models/")
	if rest, tuned := strings.CutPrefix(model, "tunedModels/"); tuned {
		return strings.ReplaceAll(path, "models/"+placeModel, "tunedModels/"+segment(rest))
	}
	return strings.ReplaceAll(path, placeModel, segment(model))
}

// segment escapes what would end a path's segment, or the model's name within it: after a colon comes the verb.
func segment(s string) string {
	return strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
}

// isVersion reports whether s is a version of the API as its paths write it: v1, v1beta, v1beta2.
func isVersion(s string) bool {
	rest, ok := strings.CutPrefix(s, "v")
	if !ok || rest == "" || rest[0] < '0' || rest[0] > '9' || len(rest) > 16 {
		return false
	}
	return strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}
