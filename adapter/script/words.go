package script

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// scripts returns the words of a command that name the program or script that it
// runs by a path. Other words are data: a file that is named as an argument may
// well be meant to change.
func scripts(argv []string) []string {
	var found []string
	eachScript(argv, func(word string) string {
		found = append(found, word)
		return word
	})
	return found
}

// replaceScripts returns argv with its scripts replaced.
func replaceScripts(argv []string, by map[string]string) []string {
	if len(by) == 0 {
		return argv
	}
	return eachScript(argv, func(word string) string {
		if path, ok := by[word]; ok {
			return path
		}
		return word
	})
}

// eachScript calls to for each script and returns argv with what it answered.
func eachScript(argv []string, to func(word string) string) []string {
	if text, ok := shell(argv); ok {
		return []string{argv[0], argv[1], shellScripts(text, to)}
	}
	changed := slices.Clone(argv)
	walk := walker{}
	for i, word := range argv {
		if walk.next(word) {
			changed[i] = to(word)
		}
	}
	return changed
}

// shellScripts does the same within a text for a shell. Only plain words are
// taken for scripts: what a shell would expand first is left alone.
func shellScripts(text string, to func(word string) string) string {
	var b strings.Builder
	walk, end := walker{}, 0
	for _, span := range regexp.MustCompile(`[^\s;&|()]+`).FindAllStringIndex(text, -1) {
		between, word := text[end:span[0]], text[span[0]:span[1]]
		if strings.ContainsAny(between, ";&|()\n") {
			walk = walker{}
		}
		b.WriteString(between)
		if walk.next(word) && quote(word) == word {
			if now := to(word); now != word {
				word = quote(now)
			}
		}
		b.WriteString(word)
		end = span[1]
	}
	b.WriteString(text[end:])
	return b.String()
}

// walker goes through the words of one simple command.
type walker struct {
	done        bool
	interpreter bool
}

// next reports whether the word is the command's script.
func (w *walker) next(word string) bool {
	if w.done {
		return false
	}
	switch {
	case regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`).MatchString(word):
		return false
	case w.interpreter && strings.HasPrefix(word, "-"):
		w.done = strings.HasSuffix(word, "c") || word == "-m" || word == "-e"
		return false
	case slices.Contains(interpreters(), filepath.Base(word)):
		w.interpreter = true
		return false
	}
	w.done = true
	return w.interpreter || strings.Contains(word, "/")
}

// interpreters are programs whose first plain argument is what really runs.
func interpreters() []string {
	return []string{
		"sh", "bash", "dash", "zsh", "ksh", "python", "python3", "perl", "ruby", "node", "php",
		"env", "exec", "sudo", "nohup", "nice", "time",
	}
}
