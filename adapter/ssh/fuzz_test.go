package ssh

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

func FuzzServer(f *testing.F) {
	for _, text := range []string{"deploy@10.0.0.5:22", "app1", "a@[::1]:22", "a@::1", "@", "a@b@c:1", "a@-x", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		user, address, err := Server(text)
		if err == nil && (address == "" || strings.ContainsAny(user+address, " \n") || strings.HasPrefix(address, "-")) {
			t.Errorf("%q gives %q and %q", text, user, address)
		}
	})
}

func FuzzParseLeader(f *testing.F) {
	for _, text := range []string{"12 345\n", "1 2", "-5 1", "12", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if l, ok := parseLeader(text); ok && l.pid < 2 {
			t.Errorf("%q gives %+v", text, l)
		}
	})
}

// Whatever a word holds, the shell takes it for one, and reads it on one line.
func FuzzLine(f *testing.F) {
	for _, word := range []string{"plain", "it's", "a\nb", "$(id) `id` \\", "\"", "", "-n", "é\t;&|"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if strings.ContainsRune(word, 0) {
			return
		}
		program := line(ripcord.MachineCommand{Args: []string{"printf", "%s", word}, Env: []string{"WORD=" + word}}, "", time.Second)
		if strings.Contains(program, "\n") {
			t.Fatalf("%q makes several lines", word)
		}
		// Only what comes after the leash is asked here: it needs a process group.
		words := program[strings.LastIndex(program, "exec 'printf'")+len("exec "):]
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ripcord_n=$(printf "\nx"); ripcord_n=${ripcord_n%x}; `+words)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Equal(out, []byte(word)) {
			t.Errorf("%q arrives as %q, %v", word, out, err)
		}
	})
}
