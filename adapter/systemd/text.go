package systemd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Where the units and what belongs to them lie on the machine.
const (
	unitFolder = "/etc/systemd/system"
	// ownFolder holds environments, which only root may read, and the releases'
	// files, which only their units' group may.
	ownFolder = "/var/lib/ripcord-units"
)

// labels are what Ripcord remembers of a unit, in the unit file itself.
type labels struct {
	Application string `json:"application"`
	Environment string `json:"environment"`
	Service     string `json:"service"`
	Colour      string `json:"colour"`
	Number      int    `json:"number"`
	Run         string `json:"run"`
	Version     string `json:"version"`
	// Command is a digest of what was configured.
	Command string `json:"command"`
	Address string `json:"address"`
}

// name is the unit's.
func (l *labels) name() string {
	return fmt.Sprintf("ripcord-%s-%s-%s-%s-%d.service", l.Application, l.Environment, l.Service, l.Colour, l.Number)
}

// files is the folder with the release's files, shared by the units of a colour.
func (l *labels) files() string {
	return fmt.Sprintf("%s/%s-%s-%s-%s", ownFolder, l.Application, l.Environment, l.Service, l.Colour)
}

// labelsLine begins the line of a unit file that holds the labels.
const labelsLine = "Labels="

// definition is everything that a unit is made of.
type definition struct {
	labels      labels
	argv        []word
	directory   string
	user        string
	group       string
	grace       float64 // in seconds
	restart     string
	limits      Limits
	environment []service.Variable
	// secrets are values that are removed from the log.
	secrets []string
}

// word is one word of the command. A secret one is kept out of the unit file,
// which everybody may read.
type word struct {
	text   string
	secret bool
}

// unitText renders the unit file. It holds no secret.
func (d *definition) unitText() ([]byte, error) {
	about, err := json.Marshal(d.labels)
	if err != nil {
		return nil, err
	}
	l := &d.labels
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by ripcord, which replaces and removes it.")
	line("[Unit]")
	line("Description=%s %s %s in %s, %s %d", l.Application, l.Service, value(l.Version), l.Environment, l.Colour, l.Number)
	line("After=network-online.target")
	line("Wants=network-online.target")
	line("StartLimitIntervalSec=0")
	line("")
	line("[Service]")
	line("Type=exec")
	words := make([]string, len(d.argv))
	for i, w := range d.argv {
		words[i] = quoted(w.text)
		if w.secret {
			words[i] = "${" + argument(i) + "}"
		}
	}
	line("ExecStart=%s", strings.Join(words, " "))
	line("WorkingDirectory=%s", value(d.directory))
	line("EnvironmentFile=%s", d.environmentFile())
	if d.user != "" {
		line("User=%s", d.user)
	}
	if d.group != "" {
		line("Group=%s", d.group)
	}
	line("Restart=%s", d.restart)
	line("RestartSec=1")
	line("TimeoutStopSec=%s", strconv.FormatFloat(d.grace, 'f', -1, 64))
	line("SyslogIdentifier=%s", strings.TrimSuffix(l.name(), ".service"))
	line("LogExtraFields=RIPCORD_RUN=%s", value(l.Run))
	d.limitLines(line)
	line("")
	line("[Install]")
	line("WantedBy=multi-user.target")
	line("")
	line("[X-Ripcord]")
	line("%s%s", labelsLine, about)
	return b.Bytes(), nil
}

func (d *definition) limitLines(line func(format string, args ...any)) {
	if d.limits.Memory != "" {
		line("%s%s", memoryLine, d.limits.Memory)
	}
	if d.limits.CPU != "" {
		line("CPUQuota=%s", d.limits.CPU)
	}
	if d.limits.Tasks > 0 {
		line("TasksMax=%d", d.limits.Tasks)
	}
	if d.limits.Files > 0 {
		line("LimitNOFILE=%d", d.limits.Files)
	}
}

// memoryLine begins the line of a unit file with the limit of its memory.
const memoryLine = "MemoryMax="

// memoryIn returns a unit file's limit of memory; empty is none.
func memoryIn(text []byte) string {
	for line := range strings.Lines(string(text)) {
		if limit, ok := strings.CutPrefix(line, memoryLine); ok {
			return strings.TrimSpace(limit)
		}
	}
	return ""
}

// argument names the variable that holds a secret word of the command.
func argument(i int) string { return fmt.Sprintf("%sARGUMENT_%d", service.OwnPrefix, i) }

// secretLine begins a line of the environment file with a value that is removed
// from the log. To systemd the line is a comment.
const secretLine = "# secret: "

func (d *definition) environmentFile() string { return environmentFile(d.labels.name()) }

func environmentFile(unit string) string {
	return ownFolder + "/" + strings.TrimSuffix(unit, ".service") + ".env"
}

// environmentText renders the environment file.
func (d *definition) environmentText() ([]byte, error) {
	var b bytes.Buffer
	for _, secret := range d.secrets {
		raw, err := json.Marshal(secret)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s%s\n", secretLine, raw)
	}
	for _, v := range d.environment {
		fmt.Fprintf(&b, "%s=%s\n", v.Name, environmentValue(v.Value))
	}
	for i, w := range d.argv {
		if w.secret {
			fmt.Fprintf(&b, "%s=%s\n", argument(i), environmentValue(w.text))
		}
	}
	return b.Bytes(), nil
}

// secretsIn returns the values that an environment file wants to be hidden.
func secretsIn(environment []byte) []string {
	var secrets []string
	for line := range strings.Lines(string(environment)) {
		raw, ok := strings.CutPrefix(line, secretLine)
		var secret string
		if ok && json.Unmarshal([]byte(raw), &secret) == nil && secret != "" {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// environmentValue quotes a value for an environment file.
func environmentValue(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`).Replace(text) + `"`
}

// quoted is a word of ExecStart.
func quoted(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(word)
	return `"` + word + `"`
}

// value is the value of a setting that is one line and not split into words.
func value(text string) string {
	return strings.ReplaceAll(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " "), "%", "%%")
}

// labelsIn reads a unit file's labels; ok is false for a unit that is not ours.
func labelsIn(text []byte) (l labels, ok bool) {
	for line := range strings.Lines(string(text)) {
		raw, found := strings.CutPrefix(line, labelsLine)
		if found {
			return l, json.Unmarshal([]byte(raw), &l) == nil
		}
	}
	return l, false
}
