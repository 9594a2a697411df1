package app

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// planFile looks whether the plan file is right and its programs are there.
func (d *doctor) planFile(ctx context.Context, s Selection) {
	if _, err := os.Stat(s.File); errors.Is(err, fs.ErrNotExist) {
		d.add(LevelOK, "plan file", "", "there is no %s here; `ripcord init` writes one", s.File)
		return
	}
	plans, err := CheckPlanFile(ctx, d.options, s)
	if err != nil {
		d.add(LevelBad, "plan file", "ripcord plan-file check", "%s is wrong: %s", s.File, firstLine(err.Error()))
		return
	}
	d.add(LevelOK, "plan file", "", "%s is right", s.File)
	seen := make(map[string]bool)
	for _, plan := range plans {
		d.targets(ctx, plan, seen)
		for i := range plan.Steps {
			for _, tool := range tools(&plan.Steps[i]) {
				if !seen[tool] {
					seen[tool] = true
					d.tool(plan, &plan.Steps[i], tool)
				}
			}
		}
	}
}

// targetPatience is how long a target may take to say who changed it last.
const targetPatience = 10 * time.Second

// targets tells of what steps cannot work with: an engine or a balancer that is
// missing or may not be used.
func (d *doctor) targets(ctx context.Context, plan *ripcord.Plan, seen map[string]bool) {
	a := &App{options: d.options, adapters: adapters(d.options.Environ, d.options.Now), dir: "/nonexistent", machines: newMachines(d.options)}
	for _, spec := range plan.Steps {
		step, err := a.open(ctx, plan, spec)
		stamper, ok := step.(ripcord.Stamper)
		if err != nil || !ok || spec.Skip != "" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, targetPatience)
		_, err = stamper.Stamp(limited)
		cancel()
		if err == nil || ripcord.CodeOf(err) != ripcord.CodeRefused || seen[err.Error()] {
			continue // what an earlier step makes is not there yet
		}
		seen[err.Error()] = true
		d.add(LevelBad, "targets", fixOf(err), "step %s: %v", spec.ID, err)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// tool looks for one program.
func (d *doctor) tool(plan *ripcord.Plan, spec *ripcord.StepSpec, name string) {
	if !strings.Contains(name, "/") {
		if path, err := exec.LookPath(name); err == nil {
			d.add(LevelOK, "programs", "", "%s is %s", name, path)
			return
		}
		d.add(LevelBad, "programs", "install it, or mend PATH", "step %s calls %s, which is not in PATH", spec.ID, name)
		return
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(plan.Directory, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		d.add(LevelBad, "programs", "make it before the release", "step %s calls %s, which is not there", spec.ID, path)
	case info.IsDir() || info.Mode()&0o111 == 0:
		d.add(LevelBad, "programs", "chmod +x "+path, "step %s calls %s, which cannot be executed", spec.ID, path)
	default:
		d.add(LevelOK, "programs", "", "%s", path)
	}
}

// tools names the programs that a step's commands begin with, where they lie on
// this machine and not in an image. What a shell's
// text calls beyond its first word is for the shell to find.
func tools(spec *ripcord.StepSpec) []string {
	var settings struct {
		Command   []string `json:"command"`
		Undo      []string `json:"undo"`
		Check     []string `json:"check"`
		Directory string   `json:"directory"`
	}
	if spec.Adapter == "docker" || spec.Skip != "" || json.Unmarshal(spec.Settings, &settings) != nil {
		return nil
	}
	var list []string
	for _, argv := range [][]string{settings.Command, settings.Undo, settings.Check} {
		if len(argv) == 0 || strings.Contains(argv[0], "${") {
			continue
		}
		list = append(list, place(argv[0], settings.Directory))
		if len(argv) == 3 && argv[0] == "sh" && argv[1] == "-c" {
			if word, _, _ := strings.Cut(strings.TrimSpace(argv[2]), " "); strings.HasPrefix(word, "./") && !strings.ContainsAny(word, "$`;&|\n") {
				list = append(list, place(word, settings.Directory))
			}
		}
	}
	return list
}

// place puts a relative program below the step's directory.
func place(program, directory string) string {
	if directory == "" || filepath.IsAbs(program) || !strings.Contains(program, "/") {
		return program
	}
	return directory + "/" + program
}
