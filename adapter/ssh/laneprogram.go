package ssh

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/shim"
)

// The lines that a lane reads: beat is a sign of life, look one that its script gets
// as SIGUSR1. All others are a mark and a script.
const (
	beat = "\n"
	look = ".\n"
)

// What follows a mark beside the script's status: it begins here, and it ended without a
// word.
const (
	statusBegins = "begins"
	statusDead   = "dead"
)

// opening is the part of a program for the machine's shell that makes sure that it leads a
// process group, and then says which on standard error, in one line with setup before it.
func opening(b *strings.Builder, setup func()) {
	add(b, `ripcord_say() { echo "%s$1" >&2; exit %d; }`, leashWord, leashStatus)
	add(b, `read -r _ _ _ _ ripcord_g _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ ripcord_s _ </proc/$$/stat || ripcord_say "it has no /proc, so it is no Linux machine"`)
	add(b, `[ "$ripcord_g" = "$$" ] || [ "$ripcord_g" = "$PPID" ] || ripcord_say "its SSH server gives commands no process group of their own"`)
	add(b, `[ "$ripcord_g" = "$$" ] || read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ ripcord_s _ <"/proc/$ripcord_g/stat"`)
	add(b, `command -v timeout >/dev/null || ripcord_say "it has no program timeout (coreutils or busybox)"`)
	add(b, `ripcord_n=${IFS#??}`) // a new line: the third character of IFS as every shell starts with it
	setup()
	add(b, `echo "%s$ripcord_g $ripcord_s" >&2; exec 3<&0 </dev/null`, leashWord)
}

func add(b *strings.Builder, format string, args ...any) { fmt.Fprintf(b, format+"; ", args...) }

// beatsMissed is how many of its turns a lane's watchdog waits for a sign of life.
const beatsMissed = 4

// laneProgram is what the machine's shell runs to become a lane: it reads lines until its
// leash ends, and then kills its process group, itself included. So does a
// watchdog beside it when no sign of life came in all its turns, at the latest
// after the silence.
//
// SIGUSR1 is ignored until whoever is to get it has said what it means.
func laneProgram(silence time.Duration) string {
	var b strings.Builder
	opening(&b, func() {})
	turn := strconv.FormatFloat((silence / (beatsMissed + 1)).Seconds(), 'f', -1, 64)
	add(&b, `trap "" USR1`)
	add(&b, `ripcord_p=""; [ -z "${1:-}" ] || ripcord_p=$(printf "%%b" "$1")`)
	add(&b, `( trap "ripcord_i=0" USR1; ripcord_i=0; while [ $ripcord_i -lt %d ]; do ripcord_i=$((ripcord_i+1)); sleep %s; done; kill -s KILL -- "-$ripcord_g" ) 3<&- >/dev/null 2>&1 & ripcord_w=$!`, beatsMissed, turn)
	add(&b, `ripcord_j=""; ripcord_m=""`)
	// On both streams: nobody knows which of them comes first.
	add(&b, `ripcord_mark() { printf "\036%%s %%s\n" "$ripcord_m" "$1"; printf "\036%%s %%s\n" "$ripcord_m" "$1" >&2; }`)
	b.WriteString(`while IFS=" " read -r ripcord_k ripcord_l <&3; do case $ripcord_k in ` +
		`"") kill -s USR1 "$ripcord_w" 2>/dev/null;; ` +
		// One that is a zombie has said how it ended, or will never.
		`.) if [ "$ripcord_j" ]; then ripcord_s=""; read -r _ _ ripcord_s _ 2>/dev/null <"/proc/$ripcord_j/stat"; ` +
		`case $ripcord_s in ""|Z) ripcord_mark ` + statusDead + `;; *) kill -s USR1 "$ripcord_j" 2>/dev/null;; esac; fi;; ` +
		`*) [ -z "$ripcord_j" ] || wait "$ripcord_j" 2>/dev/null; ripcord_m=$ripcord_k; ripcord_mark ` + statusBegins + `; ` +
		`( trap : USR1; trap 'ripcord_mark $?' EXIT; eval "$ripcord_l"; exit ) 3<&- & ripcord_j=$!;; ` +
		`esac; done; kill -s KILL -- "-$ripcord_g"`)
	return b.String()
}

// laneStart is what the machine's shell is asked to execute for a lane. With the start of any
// other command comes the program that most scripts are: as a word it costs nothing,
// while on standard input a shell reads it byte by byte. Sudo would write it into its log.
func (h *host) laneStart() string {
	carried := h.carried()
	if carried == "" {
		return h.shell(start)
	}
	return h.shell(start + " sh '" + encode(carried) + "'")
}

// carried is the word that lanes hold from their start, empty where there is none.
func (h *host) carried() string {
	if h.spec.Sudo {
		return ""
	}
	return strings.TrimRight(shim.Program(), "\n") // as the shell gets it
}

// encode makes a text out of any other that all login shells read alike between single
// quotes, and that the %b of printf turns back.
func encode(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || strings.IndexByte(`'!\`, c) >= 0 {
			fmt.Fprintf(&b, `\0%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// scriptLine is what makes a lane run a script with the words of a command. The mark
// begins what it says at the end. The lane holds the word that it carries already.
func scriptLine(mark, text string, c ripcord.MachineCommand, carried string) string {
	var b strings.Builder
	b.WriteString(mark + " ")
	for _, variable := range c.Env {
		name, value, _ := strings.Cut(variable, "=")
		add(&b, `export %s=%s`, name, quote(value))
	}
	if c.Dir != "" {
		add(&b, `cd -- %s || exit %d`, quote(c.Dir), leashStatus)
	}
	b.WriteString("set --")
	for _, word := range c.Args {
		if carried != "" && strings.TrimRight(word, "\n") == carried {
			b.WriteString(` "$ripcord_p"`)
			continue
		}
		b.WriteString(" " + quote(word))
	}
	b.WriteString("; eval " + quote(text) + "\n")
	return b.String()
}
