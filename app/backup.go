package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/backup"
	"github.com/ripcord-dev/ripcord/planfile"
)

// Desk is where the backups of one data are worked on.
type Desk struct {
	*backup.Desk
	// Name is that of the data, RepositoryName that of the repository in the plan file.
	Name, RepositoryName string
	app                  *App
	application          string
	environment          string
}

// What the command line works with.
type (
	// RestoreOrder says what to restore and how.
	RestoreOrder = backup.Order
	// Restored is how a restore went.
	Restored = backup.Restored
	// Loss is what a restore would lose of what is there now.
	Loss = backup.Loss
	// Origin says on whose behalf a backup is taken.
	Origin = backup.Origin
)

// BackupSelection says which backups are meant.
type BackupSelection struct {
	Selection
	// Data is the name of a database, or a path of a backup step; empty is all.
	Data string
	// Repository is the name of one; empty is all, or the only one.
	Repository string
}

// Desks opens what the selection names. With create repositories that are not there
// yet are made; without, those are left out when all are meant.
func (a *App) Desks(ctx context.Context, s BackupSelection, create bool) ([]*Desk, error) {
	file, err := planfile.Load(s.File, planfile.Options{
		Environment: s.Environment, Version: s.Version, Set: s.Set, DefaultVersion: a.options.Now().UTC().Format("20060102-150405"),
	})
	if err != nil {
		return nil, err
	}
	entries, err := chosen(file.Backups(), s)
	if err != nil {
		return nil, err
	}
	var desks []*Desk
	for _, entry := range entries {
		desk, err := a.desk(ctx, file, entry, create)
		if ripcord.CodeOf(err) == ripcord.CodeNotFound && len(entries) > 1 && !create {
			continue // nothing was backed up there yet
		}
		if err != nil {
			return nil, errors.Join(err, CloseDesks(desks))
		}
		desks = append(desks, desk)
	}
	return desks, nil
}

// CloseDesks closes them all.
func CloseDesks(desks []*Desk) error {
	var err error
	for _, d := range desks {
		err = errors.Join(err, d.Close())
	}
	return err
}

// Desk opens the one that the selection names.
func (a *App) Desk(ctx context.Context, s BackupSelection, create bool) (*Desk, error) {
	desks, err := a.Desks(ctx, s, create)
	if err != nil {
		return nil, err
	}
	if len(desks) == 1 {
		return desks[0], nil
	}
	var names []string
	for _, d := range desks {
		if name := d.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	err = CloseDesks(desks)
	if len(names) == 1 {
		return nil, errors.Join(ripcord.Errorf(ripcord.CodePlan, "there are several repositories").WithFix("name one with --repository"), err)
	}
	return nil, errors.Join(ripcord.Errorf(ripcord.CodePlan, "the command does not say which database or path").
		WithFix("name one of: %s", strings.Join(names, ", ")), err)
}

// chosen are the entries that the selection names.
func chosen(all []planfile.BackupEntry, s BackupSelection) ([]planfile.BackupEntry, error) {
	names, repositories := []string{}, []string{}
	for _, e := range all {
		names, repositories = append(names, e.Name), append(repositories, e.Repository)
	}
	slices.Sort(repositories)
	names, repositories = slices.Compact(names), slices.Compact(repositories)
	switch {
	case len(all) == 0:
		return nil, ripcord.Errorf(ripcord.CodePlan, "the plan file names no database or path together with a repository to back up into").
			WithFix("add `repositories: {main: {directory: PATH, password: \"${secret:BACKUP_PASSWORD}\"}}`, and `databases` or a backup step with a path")
	case s.Data != "" && !slices.Contains(names, s.Data):
		return nil, ripcord.Errorf(ripcord.CodePlan, "there is no database %q, and no backup step with that path", s.Data).WithFix("name one of: %s", strings.Join(names, ", "))
	case s.Repository != "" && !slices.Contains(repositories, s.Repository):
		return nil, ripcord.Errorf(ripcord.CodePlan, "there is no repository %q", s.Repository).WithFix("name one of: %s", strings.Join(repositories, ", "))
	}
	return slices.DeleteFunc(all, func(e planfile.BackupEntry) bool {
		return s.Data != "" && e.Name != s.Data || s.Repository != "" && e.Repository != s.Repository
	}), nil
}

func (a *App) desk(ctx context.Context, file *planfile.File, e planfile.BackupEntry, create bool) (*Desk, error) {
	adapter, ok := a.adapters[backup.Kind].(*backup.Adapter)
	if !ok {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "this binary has no adapter %q", backup.Kind)
	}
	plan, err := file.Plan(ripcord.PurposeRelease)
	if err != nil {
		return nil, err
	}
	plan.Secrets = e.Secrets
	scope := a.scope(&plan, ripcord.Lease{Run: a.looking})
	scope.Application, scope.Environment, scope.Version, scope.Directory = plan.Application, plan.Environment, plan.Version, plan.Directory
	d, err := adapter.Desk(ctx, e.Settings, scope, create)
	if err != nil {
		return nil, err
	}
	return &Desk{d, e.Name, e.Repository, a, plan.Application, plan.Environment}, nil
}

// PrunedBackups is what pruning removed, or would remove.
type PrunedBackups = backup.Pruned

// PruneBackups removes what the plan file, or keep and keepFor where they are given,
// do not keep. What a release needs that has not ended, or that can still be taken
// back, stays.
func (d *Desk) PruneBackups(ctx context.Context, keep int, keepFor time.Duration, dryRun bool) (*PrunedBackups, error) {
	if keep == 0 && keepFor == 0 {
		keep, keepFor = d.Set.Keep, d.Set.KeepFor.Std()
	}
	if keep == 0 && keepFor == 0 {
		return nil, ripcord.Errorf(ripcord.CodePlan, "nothing says which backups of %s stay", d.Name).
			WithFix("give --keep N or --keep-for 720h, or write keep or keep_for into the repository %s", d.RepositoryName)
	}
	needed, err := d.needed(ctx)
	if err != nil {
		return nil, err
	}
	return d.Prune(ctx, keep, keepFor, func(run ripcord.RunID) bool { return slices.Contains(needed, run) }, dryRun)
}

// needed are the runs whose way back may need a backup: those that have not ended, the
// last good one and the one before it.
func (d *Desk) needed(ctx context.Context) ([]ripcord.RunID, error) {
	runs, err := d.app.store.Runs(ctx, ripcord.Filter{Application: d.application, Environment: d.environment})
	if err != nil {
		return nil, err
	}
	var needed []ripcord.RunID
	good := 0
	for _, r := range runs {
		switch {
		case !r.State.Ended():
			needed = append(needed, r.Run)
		case r.Committed && good < 2:
			needed = append(needed, r.Run)
			good++
		}
	}
	return needed, nil
}

// Size is a number of bytes for people.
func Size(bytes int64) string { return backup.Size(bytes) }
