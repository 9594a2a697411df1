package script

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Settings are those of a step of kind run or manual.
type Settings struct {
	// Command makes the change; kind manual has none.
	Command []string `json:"command,omitempty"`
	// Undo takes it back, also when Command stopped anywhere in its middle.
	Undo []string `json:"undo,omitempty"`
	// UndoIdempotent: an interrupted Undo may be repeated although no Check can
	// tell how far it came.
	UndoIdempotent bool `json:"undo_idempotent,omitempty"`
	// Check exits with 0 (present), 1 (absent) or 2 (partial) and may print a
	// canonical description of what is there. It changes nothing.
	Check []string `json:"check,omitempty"`
	// Idempotent: an interrupted Command may be repeated.
	Idempotent bool `json:"idempotent,omitempty"`
	// Changes is "nothing" for a command that only looks, or empty.
	Changes string `json:"changes,omitempty"`
	// Directory is where the commands run; relative to the plan file's folder.
	Directory   string            `json:"directory,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	// User runs the commands as somebody else, "name" or "uid:gid".
	User string `json:"user,omitempty"`
	// SensitiveOutputs names the outputs that are secret.
	SensitiveOutputs []string `json:"sensitive_outputs,omitempty"`
	// OutputLimit caps the kept output in bytes; 0 is the runner's default.
	OutputLimit int64 `json:"output_limit,omitempty"`
	// Grace is the time between SIGTERM and SIGKILL; 0 is 10 seconds.
	Grace ripcord.Duration `json:"grace,omitempty"`
	// Machine is the one that the commands run on; empty is this one.
	Machine string `json:"machine,omitempty"`
}

// manual is the kind of step that a person carries out.
const manual = "manual"

func decode(spec ripcord.StepSpec) (Settings, error) {
	s := Settings{Grace: ripcord.Duration(defaultGrace)}
	raw := string(spec.Settings)
	if raw == "" && spec.Kind == manual {
		raw = "{}"
	}
	decoder := json.NewDecoder(strings.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of kind %s", spec.Kind)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: text after the end of the settings", spec.ID)
	}
	return s, s.validate(spec)
}

func (s *Settings) validate(spec ripcord.StepSpec) error {
	wrong := func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: "+format, append([]any{spec.ID}, args...)...).WithFix("%s", fix)
	}
	if spec.Kind == manual {
		if s.Command != nil || s.Undo != nil {
			return wrong("use kind run for commands", "a manual step has no command")
		}
	} else if len(s.Command) == 0 {
		return wrong(`add "command"`, "there is no command to run")
	}
	for name, argv := range map[string][]string{"command": s.Command, "undo": s.Undo, "check": s.Check} {
		if argv != nil && (len(argv) == 0 || argv[0] == "") {
			return wrong("name the program first", "%s is empty", name)
		}
	}
	switch {
	case s.Changes != "" && s.Changes != "nothing":
		return wrong(`write "nothing" or leave it out`, "changes is %q", s.Changes)
	case s.Changes != "" && s.Undo != nil:
		return wrong("remove one of them", "a command that changes nothing has an undo")
	case s.Machine != "" && s.User != "":
		return wrong("remove it, and let the machine's ssh say who logs in", "user is set, but on another machine commands run as who logs in")
	case s.Machine != "" && s.Directory != "" && !filepath.IsAbs(s.Directory) && !strings.HasPrefix(s.Directory, "${"):
		return wrong("give an absolute path of the machine, or leave it out for the home folder", "directory %q is relative, but the commands run on another machine", s.Directory)
	case s.OutputLimit < 0:
		return wrong("give a number of bytes, or leave it out", "output_limit is %d", s.OutputLimit)
	case s.Grace < 0:
		return wrong("give a number of seconds, or leave it out", "grace is %s", s.Grace)
	}
	return s.validEnvironment(wrong)
}

func (s *Settings) validEnvironment(wrong func(fix, format string, args ...any) error) error {
	for name := range s.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return wrong("use letters, digits and underscores", "environment has no valid name %q", name)
		}
		if strings.HasPrefix(name, ownPrefix) {
			return wrong("choose another name", "environment sets %s, which is Ripcord's own", name)
		}
	}
	return nil
}
