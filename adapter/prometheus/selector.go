package prometheus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/source"
)

// selector is name{label="value"}, without anything around it.
type selector struct {
	text string
	// name is that of the metric; empty where only labels select.
	name string
}

func isSelector(text string) bool {
	_, err := parseSelector(text)
	return err == nil
}

// parseSelector reads a selector. References may stand anywhere in it.
func parseSelector(text string) (selector, error) {
	s := selector{text: strings.TrimSpace(text)}
	rest := source.Plain(s.text)
	end := strings.IndexFunc(rest, func(r rune) bool { return !nameRune(r, true) })
	if end < 0 {
		end = len(rest)
	}
	s.name, rest = rest[:end], strings.TrimSpace(rest[end:])
	switch {
	case s.name != "" && s.name[0] >= '0' && s.name[0] <= '9':
		return s, errors.New("a number is none")
	case rest == "" && s.name == "":
		return s, errors.New("it is empty")
	case rest == "":
		return s, nil
	case rest[0] != '{':
		return s, fmt.Errorf("%q is more than name{label=\"value\"}", cut(rest))
	}
	rest, err := matchers(rest[1:])
	if err != nil {
		return s, err
	}
	if rest = strings.TrimSpace(rest); rest != "" {
		return s, fmt.Errorf("%q is more than name{label=\"value\"}", cut(rest))
	}
	return s, nil
}

// matchers reads until the closing brace.
func matchers(rest string) (string, error) {
	for {
		rest = strings.TrimSpace(rest)
		if after, ok := strings.CutPrefix(rest, "}"); ok {
			return after, nil
		}
		var err error
		if rest, err = matcher(rest); err != nil {
			return "", err
		}
		rest = strings.TrimSpace(rest)
		if after, ok := strings.CutPrefix(rest, ","); ok {
			rest = after
		} else if !strings.HasPrefix(rest, "}") {
			return "", errors.New("a } is missing")
		}
	}
}

// matcher reads label="value", or a quoted name.
func matcher(rest string) (string, error) {
	quotedName := rest != "" && strings.ContainsRune("\"'`", rune(rest[0]))
	if quotedName {
		after, err := quoted(rest)
		if err != nil {
			return "", err
		}
		if rest = strings.TrimSpace(after); strings.HasPrefix(rest, ",") || strings.HasPrefix(rest, "}") {
			return rest, nil
		}
	} else {
		end := strings.IndexFunc(rest, func(r rune) bool { return !nameRune(r, false) })
		if end <= 0 {
			return "", errors.New("a label is missing between { and }")
		}
		rest = strings.TrimSpace(rest[end:])
	}
	for _, operator := range []string{"=~", "!~", "!=", "="} {
		if after, ok := strings.CutPrefix(rest, operator); ok {
			return quoted(strings.TrimSpace(after))
		}
	}
	return "", errors.New("a label is not followed by =, !=, =~ or !~")
}

// quoted reads a string.
func quoted(rest string) (string, error) {
	if rest == "" || !strings.ContainsRune("\"'`", rune(rest[0])) {
		return "", errors.New("a label's value has no quotes")
	}
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == quote:
			return rest[i+1:], nil
		case rest[i] == '\\' && quote != '`':
			i++
		}
	}
	return "", errors.New("a quote is not closed")
}

func nameRune(r rune, colon bool) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || colon && r == ':'
}

func cut(text string) string {
	const longest = 40
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}
