package shim

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"strings"
)

// Removed stands in the output where a secret value stood.
const Removed = "[secret]"

// A value shorter than this is looked for as it is, but not in disguise: its
// encoded forms would be found by chance.
const disguiseLength = 6

// redactor removes secret values from what is written through it, however the
// writes cut them into pieces. It holds back only bytes that may turn out to be
// the beginning of a value.
type redactor struct {
	to      io.Writer
	find    automaton
	state   int32
	held    []byte
	covered []bool // held[i] belongs to a value
	removed bool   // the newest thing written out was Removed
}

func newRedactor(to io.Writer, secrets []string) *redactor {
	return &redactor{to: to, find: newAutomaton(disguises(secrets))}
}

// Write takes the next piece of output. It never fails because of what the data
// is; an error is one of the underlying writer.
func (r *redactor) Write(data []byte) (int, error) {
	if r.find.empty() {
		return r.to.Write(data)
	}
	var out bytes.Buffer
	for _, b := range data {
		r.held = append(r.held, b)
		r.covered = append(r.covered, false)
		r.state = r.find.next(r.state, b)
		for i := range int(r.find.nodes[r.state].longest) {
			r.covered[len(r.covered)-1-i] = true
		}
		// What is older than the longest value that may still be on its way can
		// go. Waiting for some more makes it cheaper.
		if len(r.held) > 4096+2*int(r.find.nodes[r.state].depth) {
			r.release(&out, len(r.held)-int(r.find.nodes[r.state].depth))
		}
	}
	r.release(&out, len(r.held)-int(r.find.nodes[r.state].depth))
	if _, err := r.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Flush writes what was held back; nothing will follow.
func (r *redactor) Flush() error {
	var out bytes.Buffer
	r.release(&out, len(r.held))
	r.state = 0
	_, err := r.to.Write(out.Bytes())
	return err
}

func (r *redactor) release(out *bytes.Buffer, n int) {
	for i := range n {
		switch {
		case !r.covered[i]:
			out.WriteByte(r.held[i])
			r.removed = false
		case !r.removed:
			out.WriteString(Removed)
			r.removed = true
		}
	}
	r.held = append(r.held[:0], r.held[n:]...)
	r.covered = append(r.covered[:0], r.covered[n:]...)
}

// disguises returns the values and the forms in which programs print them.
func disguises(secrets []string) []string {
	var all []string
	for _, secret := range secrets {
		all = append(all, secret)
		trimmed := strings.TrimSpace(secret)
		if len(trimmed) < disguiseLength {
			continue
		}
		all = append(all, trimmed, hex.EncodeToString([]byte(trimmed)),
			url.QueryEscape(trimmed), url.PathEscape(trimmed))
		all = append(all, quoted(trimmed)...)
		for line := range strings.SplitSeq(trimmed, "\n") {
			if line = strings.TrimSpace(line); len(line) >= disguiseLength {
				all = append(all, line)
			}
		}
		all = append(all, base64Forms(secret)...)
		all = append(all, base64Forms(trimmed)...)
	}
	return all
}

// quoted returns the value as JSON and the shell's "set -x" write it.
func quoted(value string) []string {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return []string{
		strings.Trim(string(plain), `"`),
		strings.ReplaceAll(value, "'", `'\''`), strings.ReplaceAll(value, "'", `'"'"'`),
	}
}

// base64Forms returns what of the value's base64 does not depend on what stands
// before and after it ("user:password"), for each of the three alignments.
func base64Forms(value string) []string {
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, encoding.EncodeToString([]byte(value)))
		for before := range 3 {
			text := encoding.EncodeToString(append(make([]byte, before), value...))
			first := (before*8 + 5) / 6
			last := (before + len(value)) * 8 / 6
			if last-first >= disguiseLength {
				all = append(all, text[first:last])
			}
		}
	}
	return all
}
