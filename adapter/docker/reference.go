package docker

import (
	"errors"
	"regexp"
	"strings"
)

// reference names an image.
type reference struct {
	// repository is "shop" or "registry.example.com:5000/team/shop"; empty for an
	// image's id.
	repository string
	tag        string
	// digest is "sha256:..." of the image in its registry, or the image's id.
	digest string
}

// parseReference reads "name", "name:tag", "name@sha256:...", "name:tag@sha256:..."
// or "sha256:...".
func parseReference(text string) (reference, error) {
	digest := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	if digest.MatchString(text) {
		return reference{digest: text}, nil
	}
	var r reference
	name, found, pinned := strings.Cut(text, "@")
	if pinned {
		if !digest.MatchString(found) {
			return r, errors.New("what follows @ is no sha256 digest of 64 hexadecimal digits")
		}
		r.digest = found
	}
	r.repository = name
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		r.repository, r.tag = name[:colon], name[colon+1:]
		if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`).MatchString(r.tag) {
			return r, errors.New("the tag may hold letters, digits, dots, dashes and underscores")
		}
	}
	const word = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
	path := regexp.MustCompile(`^(?:(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?` + word + `(?:/` + word + `)*$`)
	if !path.MatchString(r.repository) {
		return r, errors.New("the name may hold lower-case letters, digits and . _ - between them, and slashes")
	}
	if r.tag == "" && r.digest == "" {
		r.tag = latest
	}
	return r, nil
}

const latest = "latest"

// String is how the engine is asked for it. With a digest the tag says nothing.
func (r reference) String() string {
	switch {
	case r.repository == "":
		return r.digest
	case r.digest != "":
		return r.repository + "@" + r.digest
	}
	return r.repository + ":" + r.tag
}

// familiar is how the engine lists a repository.
func familiar(repository string) string {
	rest, hub := strings.CutPrefix(repository, "docker.io/")
	if !hub {
		rest, hub = strings.CutPrefix(repository, "index.docker.io/")
	}
	if official, ok := strings.CutPrefix(rest, "library/"); ok && (hub || strings.Count(rest, "/") == 1) {
		return official
	}
	return rest
}

// digestIn returns the digest under which an image came from the repository, of
// all those that it is known by; an image that was built here has none, and one
// that was tagged anew has those of its old name.
func (r reference) digestIn(known []string) (digest string, ok bool) {
	for _, text := range known {
		other, err := parseReference(text)
		if err == nil && other.repository != "" && familiar(other.repository) == familiar(r.repository) {
			return other.digest, true
		}
	}
	return "", false
}
