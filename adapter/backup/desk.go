package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Desk works on the backups of one data in one repository.
type Desk struct {
	Set        Settings
	Data       ripcord.Data
	Repository ripcord.Repository
	scope      ripcord.Scope
	// Progress may be set; it is told how far a long work has come.
	Progress ripcord.Progress
}

// Desk opens the data and its repository. With create a repository that is not there
// yet is made.
func (a *Adapter) Desk(ctx context.Context, raw json.RawMessage, scope ripcord.Scope, create bool) (*Desk, error) {
	set, err := a.read(raw)
	if err != nil {
		return nil, err
	}
	data, err := a.sources[set.Source].Open(ctx, set.Data, scope)
	if err != nil {
		return nil, err
	}
	repository, err := a.repositories.Open(ctx, set.Repository, scope, create)
	if err != nil {
		return nil, err
	}
	return &Desk{Set: set, Data: data, Repository: repository, scope: scope}, nil
}

// Close ends the work.
func (d *Desk) Close() error { return d.Repository.Close() }

// newID is a backup's ID: the time, so that people can read it, and chance.
func newID(now time.Time) string {
	return now.UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:4])
}

// Origin says on whose behalf a backup is taken.
type Origin struct {
	// Key finds a backup that was taken already; empty takes one anyway.
	Key     string
	Run     ripcord.RunID
	Version string
	Why     string
}

// Take takes a backup, or finds the one that was taken under the origin's key.
func (d *Desk) Take(ctx context.Context, o Origin) (*ripcord.Backup, error) {
	if found, err := d.find(ctx, o.Key); err != nil || found != nil {
		return found, err
	}
	b := &ripcord.Backup{
		ID: newID(d.scope.Now()), Application: d.scope.Application, Environment: d.scope.Environment,
		Name: d.Set.Name, Kind: d.Set.Source, Key: o.Key, Run: o.Run, Version: o.Version, Why: o.Why,
	}
	if err := d.Repository.Save(ctx, b, d.Progress, d.Data.Backup); err != nil {
		return nil, err
	}
	return b, nil
}

// find finds the backup that was taken under a key; nil where there is none.
func (d *Desk) find(ctx context.Context, key string) (*ripcord.Backup, error) {
	if key == "" {
		return nil, nil
	}
	all, err := d.Repository.Backups(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Key == key && all[i].Name == d.Set.Name && all[i].Application == d.scope.Application && all[i].Environment == d.scope.Environment {
			return &all[i], nil
		}
	}
	return nil, nil
}

// Backups are those of the desk's data, newest first.
func (d *Desk) Backups(ctx context.Context) ([]ripcord.Backup, error) {
	all, err := d.Repository.Backups(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(b ripcord.Backup) bool { return !d.own(&b) }), nil
}

func (d *Desk) own(b *ripcord.Backup) bool {
	return b.Name == d.Set.Name && b.Kind == d.Set.Source && b.Application == d.scope.Application && b.Environment == d.scope.Environment
}

// Find finds a backup by its ID, or the beginning of one; empty is the newest.
func (d *Desk) Find(ctx context.Context, id string) (*ripcord.Backup, error) {
	all, err := d.Backups(ctx)
	if err != nil {
		return nil, err
	}
	matching := slices.DeleteFunc(all, func(b ripcord.Backup) bool { return !strings.HasPrefix(b.ID, id) })
	switch {
	case len(matching) == 0 && id == "":
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no backup of %s in %s yet", d.Set.Name, d.Repository.Name()).
			WithFix("take one: ripcord backup run %s", d.Set.Name)
	case len(matching) == 0:
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no backup %s of %s in %s", id, d.Set.Name, d.Repository.Name()).WithFix("ripcord backup list shows them")
	case len(matching) > 1 && id != "" && matching[0].ID != id:
		return nil, ripcord.Errorf(ripcord.CodePlan, "%d backups begin with %s", len(matching), id).WithFix("give more of the id")
	}
	return &matching[0], nil
}

// Verified is what verifying has found.
type Verified struct {
	ripcord.Verification
	Backups []ripcord.Backup `json:"backups"`
	Seconds float64          `json:"seconds"`
}

// Verify reads everything of the backups back, and notes it with those that are sound.
func (d *Desk) Verify(ctx context.Context, all []ripcord.Backup) (*Verified, error) {
	began := d.scope.Now()
	found, err := d.Repository.Verify(ctx, all, d.Progress)
	if err != nil {
		return nil, err
	}
	v := &Verified{Verification: found, Seconds: d.scope.Now().Sub(began).Seconds()}
	for _, b := range all {
		if len(found.Problems[b.ID])+len(found.Records) == 0 {
			b.VerifiedAt = d.scope.Now().UTC()
			if err := d.Repository.Note(ctx, &b); err != nil {
				return nil, err
			}
		}
		v.Backups = append(v.Backups, b)
	}
	return v, nil
}
