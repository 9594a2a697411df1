package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/keeper"
)

// boot finds what starts the keeper of a state directory at boot, and whether it
// can: the unit, else a line of a crontab.
func (c *command) boot(ctx context.Context, dir string) app.Boot {
	b := app.Boot{Fix: c.again("init --boot")}
	c.bootUnit(dir, &b)
	if b.Unit == "" && b.Trouble == "" {
		c.bootCron(ctx, dir, &b)
	}
	return b
}

// bootUnit looks at the unit of a state directory.
func (c *command) bootUnit(dir string, b *app.Boot) {
	path := filepath.Join(units, unitName(dir))
	text, err := os.ReadFile(path) //nolint:gosec // the boot unit
	if os.IsNotExist(err) {
		return
	}
	b.Source = path
	_, enabled := os.Lstat(filepath.Join(units, "multi-user.target.wants", unitName(dir)))
	switch program := programOf(string(text)); {
	case err != nil:
		b.Trouble = path + " cannot be read"
	case !hasSystemd():
		b.Trouble = path + " is there, but this machine was not started by systemd"
	case enabled != nil:
		b.Trouble = path + " is there, but not enabled"
	case !executable(program):
		b.Trouble = path + " starts " + program + ", which is not there any more"
	case !strings.Contains(string(text), strings.TrimSpace(execStart(program, dir))):
		b.Trouble = path + " does not start the keeper of " + dir
	default:
		b.Unit = path
	}
}

// execStart is the line of a unit that starts the keeper with a program.
func execStart(program, dir string) string {
	unit := keeper.Unit("", "", []string{program, "__keeper", "--state-dir", dir})
	for line := range strings.Lines(unit) {
		if strings.HasPrefix(line, "ExecStart=") {
			return line
		}
	}
	return ""
}

// programOf is the program that a unit starts.
func programOf(unit string) string {
	for line := range strings.Lines(unit) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return firstWord(strings.TrimSpace(command))
		}
	}
	return ""
}

// firstWord is the first word of a unit's command, without its quotes.
func firstWord(command string) string {
	var word strings.Builder
	quoted, escaped := false, false
	for _, r := range command {
		switch {
		case escaped:
			escaped = false
			word.WriteRune(r)
		case r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			return unitSigns(word.String())
		default:
			word.WriteRune(r)
		}
	}
	return unitSigns(word.String())
}

func unitSigns(word string) string { return strings.NewReplacer("%%", "%", "$$", "$").Replace(word) }

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// bootCron looks for a line of a crontab.
func (c *command) bootCron(ctx context.Context, dir string, b *app.Boot) {
	for source, text := range c.crontabs(ctx, dir) {
		for line := range strings.Lines(text) {
			program, ok := cronStarts(line, dir)
			if !ok {
				continue
			}
			b.Source = source
			switch {
			case !executable(program):
				b.Trouble = "a line of " + source + " starts " + program + ", which is not there any more"
				b.Fix = "correct the line that begins with @reboot, or remove it and run: " + c.again("init --boot")
			case !cronLives():
				b.Trouble = "a line of " + source + " starts the keeper, but no cron runs here that would read it"
				b.Fix = "install cron, and let it start at boot"
			default:
				b.Unit, b.Trouble = source, ""
				return
			}
		}
	}
}

// crontabs are those that may start the keeper of a state directory.
func (c *command) crontabs(ctx context.Context, dir string) map[string]string {
	found := map[string]string{}
	files, _ := filepath.Glob("/etc/cron.d/*") // the pattern is a good one
	for _, file := range append(files, "/etc/crontab") {
		if text, err := os.ReadFile(file); err == nil { //nolint:gosec // what others wrote for cron
			found[file] = string(text)
		}
	}
	args, name := []string{"-l"}, "the crontab"
	if owner := c.ownerOf(dir); c.Root && owner != "" {
		args, name = []string{"-l", "-u", owner}, "the crontab of "+owner
	}
	if text, err := exec.CommandContext(ctx, "crontab", args...).Output(); err == nil {
		found[name] = string(text)
	}
	return found
}

// cronStarts reports whether a line of a crontab starts the keeper of a state
// directory at boot, and with which program.
func cronStarts(line, dir string) (program string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "@reboot")
	if !ok {
		return "", false
	}
	words := cronWords(rest)
	for i, word := range words {
		if i == 0 || word != "__keeper" {
			continue
		}
		for n, flag := range words[i:] {
			if flag == "--state-dir="+dir || flag == "--state-dir" && i+n+1 < len(words) && words[i+n+1] == dir {
				return words[i-1], true
			}
		}
	}
	return "", false
}

// cronWords splits a command of a crontab as its shell does, as far as plain and
// quoted words go. The text after a bare % is the command's input.
func cronWords(text string) []string {
	s := &splitter{}
	for _, r := range text {
		if !s.quoting() && r == '\n' || r == '%' && !s.escaped {
			break
		}
		s.take(r)
	}
	s.end()
	return s.words
}

// splitter collects words.
type splitter struct {
	words   []string
	word    strings.Builder
	quote   rune
	inWord  bool
	escaped bool
}

func (s *splitter) quoting() bool { return s.quote != 0 }

func (s *splitter) take(r rune) {
	if s.escaped {
		if s.quote == '\'' && r != '%' { // to the shell it is no escape there
			s.word.WriteRune('\\')
			s.escaped = false
			s.take(r)
			return
		}
		s.word.WriteRune(r)
		s.escaped = false
		return
	}
	switch {
	case r == '\\':
		s.inWord, s.escaped = true, true
	case s.quoting() && r == s.quote:
		s.quote = 0
	case !s.quoting() && (r == '\'' || r == '"'):
		s.quote, s.inWord = r, true
	case !s.quoting() && (r == ' ' || r == '\t'):
		s.end()
	default:
		s.word.WriteRune(r)
		s.inWord = true
	}
}

// end ends a word.
func (s *splitter) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

// cronLives reports whether a cron daemon runs.
func cronLives() bool {
	names, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is a good one
	for _, name := range names {
		text, err := os.ReadFile(name) //nolint:gosec // the kernel's list of processes
		if err != nil {
			continue
		}
		switch strings.TrimSpace(string(text)) {
		case "cron", "crond", "fcron", "busybox-crond", "anacron", "cronie":
			return true
		}
	}
	return false
}
