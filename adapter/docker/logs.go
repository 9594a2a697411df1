package docker

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// secretsLabel tells where in a container's environment and command secrets
// stand, so that they can be removed from its log. Their values are in neither.
const secretsLabel = labelPrefix + "secrets"

// span is where a secret stands: in which of the texts, from which byte, how long.
type span [3]int

// spansOf finds the secrets in texts.
func spansOf(texts, secrets []string) string {
	spans := []span{}
	for i, text := range texts {
		for _, secret := range secrets {
			if at := strings.Index(text, secret); secret != "" && at >= 0 {
				spans = append(spans, span{i, at, len(secret)})
			}
		}
	}
	raw, err := json.Marshal(spans)
	if err != nil {
		return ""
	}
	return string(raw)
}

// values are the secrets that the container was given, the longest first.
func (c *container) values() []string {
	var spans []span
	if json.Unmarshal([]byte(c.secrets), &spans) != nil {
		return nil
	}
	var values []string
	for _, s := range spans {
		if s[0] < 0 || s[0] >= len(c.texts) || s[1] < 0 || s[2] <= 0 || s[1] > len(c.texts[s[0]]) || s[2] > len(c.texts[s[0]])-s[1] {
			continue // somebody else's label
		}
		values = append(values, c.texts[s[0]][s[1]:s[1]+s[2]])
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	return values
}

// mask removes the container's secrets from a text.
func (c *container) mask(text string) string {
	for _, secret := range c.values() {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// lastWords is how long the last words of a container that has ended may take to
// come into its log.
const lastWords = 2 * time.Second

// tail returns the newest lines of a container's log, without secrets. That of a
// container that has ended is read until its engine has closed it.
func (e *engine) tail(ctx context.Context, c *container, lines int) ([]string, error) {
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "tail": {strconv.Itoa(lines)}}
	limited := ctx
	if !c.running() {
		query.Set("follow", "1")
		var done context.CancelFunc
		limited, done = context.WithTimeout(ctx, lastWords)
		defer done()
	}
	response, err := e.send(limited, http.MethodGet, "/containers/"+c.ID+"/logs", query, nil, nil)
	if err != nil {
		return nil, err
	}
	text, err := unframed(io.LimitReader(response.Body, answerLimit))
	if limited.Err() != nil && ctx.Err() == nil {
		err = nil // what came in time is what there is
	}
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	text = strings.TrimSuffix(c.mask(text), "\n")
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-lines):], nil
}

// unframed joins the frames of a log: each has a header of eight bytes, the first
// of which names the stream and the last four of which are its length.
func unframed(stream io.Reader) (string, error) {
	var text strings.Builder
	header := make([]byte, 8)
	for {
		_, err := io.ReadFull(stream, header)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
		_, err = io.CopyN(&text, stream, int64(binary.BigEndian.Uint32(header[4:])))
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
	}
}

// lastWords is the end of a container's log; none where it cannot be read, because a
// failure without its log is still the failure.
func (e *engine) lastWords(ctx context.Context, name string, lines int) []string {
	c, err := e.inspect(ctx, name)
	if err != nil {
		return nil
	}
	text, err := e.tail(ctx, c, lines)
	if err != nil {
		return nil
	}
	return text
}
