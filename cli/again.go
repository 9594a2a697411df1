package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// given notes the shared flags that stand on the command line, so that commands
// that we propose reach the same state directory and plan file.
func (c *command) given(cmd *cobra.Command) {
	c.places = nil
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains([]string{"state-dir", "key-file", "file", "environment"}, f.Name) {
			c.places = append(c.places, place{f.Name, f.Value.String()})
		}
	})
}

// place is a flag that says where something is.
type place struct{ flag, value string }

// again is a command line that a person can copy: the words, and the flags by
// which this command was told where things are.
func (c *command) again(words string) string {
	verb, _, _ := strings.Cut(words, " ")
	reads := slices.Contains([]string{"plan", "release", "adopt", "init", "doctor", "backup"}, verb)
	line := []string{"ripcord", words}
	for _, p := range c.places {
		if reads || p.flag == "state-dir" || p.flag == "key-file" {
			line = append(line, "--"+p.flag, shellWord(p.value))
		}
	}
	return strings.Join(line, " ")
}

// shellWord quotes a word where a shell would change it.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
