// Package planfile turns ripcord.yaml into a plan.
//
// A file is read in one pass per environment: YAML with positions (yaml.go,
// tree.go), the environment's overlay (merge.go), resources (resource.go,
// service.go), steps (step.go and one kind_*.go per kind), and what steps need of
// one another (needs.go). Problems are collected, never returned one by one, so
// that a user sees all of them at once; each has a place and a fix.
//
// References are replaced where their value is known before the run (variables,
// version, environment, application) and checked where it is not (secrets,
// outputs of steps, instance addresses).
package planfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// DefaultName is the plan file's usual name.
const DefaultName = "ripcord.yaml"

// DefaultEnvironment is the environment's name where a file declares none.
const DefaultEnvironment = "default"

// Options are what the command line says about a plan file.
type Options struct {
	// Environment selects one; empty takes the only one.
	Environment string
	// Version overrides the file's; DefaultVersion stands where neither says.
	Version        string
	DefaultVersion string
	// Set overrides variables.
	Set map[string]string
	// Directory is the folder that paths are relative to; empty is the file's.
	// Parse takes it as it is; Load makes it absolute.
	Directory string
	// ProxyDirectory returns the folder of a balancer's built-in proxy, whose
	// counters a watch step judges. Without it no counters are judged.
	ProxyDirectory func(application, environment, balancer string) string
}

// File is a plan file that was read without a problem.
type File struct {
	// Name is the file's name as given.
	Name string
	// Application, Environment and Version name the release.
	Application, Environment, Version string
	// Environments lists those that the file declares, in order of names.
	Environments []string

	plan    ripcord.Plan
	backups []BackupEntry
}

// Load reads a plan file. Its error is *Errors for a wrong file, and always of
// ripcord.CodePlan.
func Load(name string, o Options) (*File, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ripcord.Errorf(ripcord.CodePlan, "there is no plan file %s: %w", name, err).
			WithFix("write one with `ripcord init`, or name yours with --file")
	case err != nil:
		return nil, ripcord.Errorf(ripcord.CodePlan, "the plan file cannot be read: %w", err).
			WithFix("make %s readable for this user", name)
	case !info.Mode().IsRegular():
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s is not a file", name).
			WithFix("name the plan file itself with --file, for example %s", filepath.Join(name, DefaultName))
	case info.Size() > MaxSize:
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s has %d bytes; a plan file has at most %d (1 MiB)", name, info.Size(), MaxSize).
			WithFix("move long texts into files of their own and name those")
	}
	data, err := os.ReadFile(name) //nolint:gosec // the user names the file to read
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the plan file cannot be read: %w", err).
			WithFix("make %s readable for this user", name)
	}
	if o.Directory == "" {
		o.Directory = filepath.Dir(name)
	}
	if o.Directory, err = filepath.Abs(o.Directory); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the folder of %s is unknown: %w", name, err).
			WithFix("change into a folder that exists")
	}
	return Parse(name, data, o)
}

// Parse reads a plan file's text. Its error is *Errors.
func Parse(name string, data []byte, o Options) (*File, error) {
	p := &problems{source: newSource(name, data)}
	root := readYAML(p, data)
	if root == nil {
		return nil, p.errors()
	}
	f := readFile(p, root, o, nil)
	if err := p.errors(); err != nil {
		return nil, err
	}
	return f, nil
}

// Plan returns the file's plan for a purpose. Traits are left to the adapters.
func (f *File) Plan(purpose ripcord.Purpose) (ripcord.Plan, error) {
	plan := f.plan
	plan.Purpose = purpose
	plan.Steps = slices.Clone(f.plan.Steps)
	if err := plan.Validate(); err != nil {
		return ripcord.Plan{}, err
	}
	return plan, nil
}
