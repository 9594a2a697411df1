package files

import (
	"context"
	"errors"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/ripcord-dev/ripcord"
)

const reference = "${secret:"

// errTooLarge stops a template that writes too much.
var errTooLarge = errors.New("the filled-in template is too large")

// write fills text in and makes it the content of n.
func (s *Step) write(ctx context.Context, w *source, n *node, text string) error {
	filled, err := s.render(text, n.Path)
	if err != nil {
		return err
	}
	w.raw[n.Path] = filled
	if strings.Contains(filled, reference) {
		w.secret[n.Path] = true
		if s.scope.Secrets == nil {
			return ripcord.Errorf(ripcord.CodePlan, "files: the content refers to a secret, but none are declared")
		}
		if filled, _, err = s.scope.Secrets.Expand(ctx, filled); err != nil {
			return err
		}
	}
	w.texts[n.Path] = []byte(filled)
	n.Size, n.Digest = int64(len(filled)), sum([]byte(filled))
	if s.set.Content != nil {
		return s.key(w)
	}
	return nil
}

func (s *Step) render(text, p string) (string, error) {
	if !s.set.Template {
		return text, nil
	}
	if !utf8.ValidString(text) {
		return "", ripcord.Errorf(ripcord.CodePlan, "files: %s is no text, so it cannot be a template", s.named(p)).
			WithFix("copy binary files in a step of their own without template: true")
	}
	t, err := template.New(s.named(p)).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", ripcord.Errorf(ripcord.CodePlan, "files: %w", err).WithFix("correct the template")
	}
	out := &capped{left: s.limits.TemplateBytes}
	values := s.set.Values
	if values == nil {
		values = map[string]any{}
	}
	err = t.Execute(out, map[string]any{
		"version": s.scope.Version, "environment": s.scope.Environment, "application": s.scope.Application, "values": values,
	})
	if errors.Is(err, errTooLarge) {
		return "", s.tooLarge(p)
	}
	if err != nil {
		return "", ripcord.Errorf(ripcord.CodePlan, "files: %w", err).
			WithFix("templates know .version, .environment, .application and .values.NAME")
	}
	return out.String(), nil
}

// named is the template's name for people.
func (s *Step) named(p string) string {
	switch {
	case s.set.Content != nil:
		return "content"
	case p == ".":
		return s.set.Source
	default:
		return s.set.Source + "/" + p
	}
}

// capped is a buffer with an end.
type capped struct {
	strings.Builder
	left int64
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, errTooLarge
	}
	return c.Builder.Write(p)
}
