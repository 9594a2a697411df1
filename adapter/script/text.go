package script

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// shownLength is how long a command may be in a sentence, in runes.
const shownLength = 60

// shell returns the text of a command that is given to a shell.
func shell(argv []string) (text string, ok bool) {
	if len(argv) == 3 && (argv[0] == "sh" || argv[0] == "/bin/sh") && argv[1] == "-c" {
		return argv[2], true
	}
	return "", false
}

// quoted returns a command as a person would type it.
func quoted(argv []string) string {
	if text, ok := shell(argv); ok {
		return text
	}
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quote(word)
	}
	return strings.Join(words, " ")
}

func quote(word string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// shown is quoted, short enough for a sentence.
func shown(argv []string) string {
	text, rest, more := strings.Cut(strings.TrimSpace(quoted(argv)), "\n")
	if utf8.RuneCountInString(text) > shownLength {
		text, more = string([]rune(text)[:shownLength]), true
	}
	if more && (rest != "" || utf8.RuneCountInString(text) == shownLength) {
		return strings.TrimSpace(text) + " ..."
	}
	return text
}
