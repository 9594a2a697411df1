package planfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// bundled are the parts of any step's settings that name files.
type bundled struct {
	Command   []string  `json:"command"`
	Undo      []string  `json:"undo"`
	Check     []string  `json:"check"`
	Directory string    `json:"directory"`
	Source    string    `json:"source"`
	Artifact  []string  `json:"artifact"`
	Checks    []bundled `json:"checks"`
}

// Bundle lists what the way back of a plan needs of its folder: files that the
// steps' commands name (also within text for sh -c), sources of files steps,
// artifacts and the plan's own `bundle` entries. The paths are relative to
// plan.Directory, slash-separated, sorted and without doubles.
//
// Files that commands name are listed only where they are regular files below the
// folder now; sources, artifacts and `bundle` entries always, as files or folders,
// because they are meant to be there. What a script itself reads cannot be seen;
// `bundle` is for that.
func Bundle(plan ripcord.Plan) []string {
	b := &bundler{root: plan.Directory, found: map[string]bool{}}
	if real, err := filepath.EvalSymlinks(plan.Directory); err == nil {
		b.real = real
	}
	for _, entry := range plan.Bundle {
		b.always(entry)
	}
	for _, secret := range plan.Secrets {
		b.command(secret.Command, "")
	}
	for i := range plan.Steps {
		var s bundled
		if plan.Steps[i].Skip != "" || json.Unmarshal(plan.Steps[i].Settings, &s) != nil {
			continue
		}
		b.step(s)
	}
	list := make([]string, 0, len(b.found))
	for name := range b.found {
		list = append(list, name)
	}
	return sorted(list)
}

// bundler collects paths.
type bundler struct {
	root string
	// real is root without symbolic links; empty when root is not there.
	real  string
	found map[string]bool
}

func (b *bundler) step(s bundled) {
	if s.Source != "" {
		b.always(s.Source)
	}
	for _, artifact := range s.Artifact {
		b.always(artifact)
	}
	for _, command := range [][]string{s.Command, s.Undo, s.Check} {
		b.command(command, s.Directory)
	}
	for _, check := range s.Checks {
		b.step(check)
	}
}

// always adds a path below the folder, there or not.
func (b *bundler) always(name string) {
	if clean := filepath.Clean(filepath.FromSlash(name)); filepath.IsLocal(clean) {
		b.found[filepath.ToSlash(clean)] = true
	}
}

// command adds the files that a command names.
func (b *bundler) command(argv []string, directory string) {
	for _, argument := range argv {
		for _, word := range wordsOf(argument) {
			b.file(word, directory)
		}
	}
}

// wordsOf returns what may be paths in an argument or a shell text: the argument
// as a whole, quoted parts, words without quotes, and what follows "=".
func wordsOf(argument string) []string {
	argument = strings.ReplaceAll(argument, "${release.directory}/", "")
	words := append([]string{argument}, strings.FieldsFunc(argument, func(r rune) bool { return r == '"' || r == '\'' })...)
	pieces := strings.FieldsFunc(argument, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()<>\"'`{}=,$", r) })
	return append(words, pieces...)
}

// file adds a path when it is a regular file below the folder. Commands run in
// their directory; programs may also be named relative to the plan file.
func (b *bundler) file(word, directory string) {
	if word == "" || len(word) > 4096 || strings.ContainsRune(word, 0) || b.real == "" {
		return
	}
	at := word
	if !filepath.IsAbs(at) {
		if filepath.IsAbs(directory) {
			at = filepath.Join(directory, word)
		} else {
			at = filepath.Join(b.root, directory, word)
		}
	}
	relative, err := filepath.Rel(b.root, at)
	if err != nil || !filepath.IsLocal(relative) {
		return
	}
	info, err := os.Stat(at)
	if err != nil || !info.Mode().IsRegular() || !b.within(at) {
		return
	}
	b.found[filepath.ToSlash(relative)] = true
}

// within reports whether a path stays below the folder when its symbolic links
// are followed.
func (b *bundler) within(at string) bool {
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return false
	}
	relative, err := filepath.Rel(b.real, real)
	return err == nil && filepath.IsLocal(relative) && !slices.Contains(strings.Split(relative, string(filepath.Separator)), "..")
}
