package backup

import (
	"context"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Pruned is what pruning removed, or would remove.
type Pruned struct {
	Removed []ripcord.Backup `json:"removed"`
	// Kept are those that stay although neither count nor age keep them, and why.
	Kept map[string]string `json:"kept,omitempty"`
}

// Prune removes the backups that neither count nor age keep. The newest stays, and the
// newest that is known to be good; so does what a release needs to go back, which
// needed tells.
func (d *Desk) Prune(ctx context.Context, keep int, keepFor time.Duration, needed func(run ripcord.RunID) bool, dryRun bool) (*Pruned, error) {
	all, err := d.Backups(ctx)
	if err != nil {
		return nil, err
	}
	p := choose(all, keep, keepFor, d.scope.Now(), needed)
	if dryRun || len(p.Removed) == 0 {
		return p, nil
	}
	ids := make([]string, 0, len(p.Removed))
	for _, b := range p.Removed {
		ids = append(ids, b.ID)
	}
	if err := d.Repository.Delete(ctx, ids...); err != nil {
		return nil, err
	}
	if err := d.Repository.Maintain(ctx); err != nil {
		return p, ripcord.Errorf(ripcord.CodeOf(err), "the backups are removed, but their room is not free yet: %w", err).WithFix("run it again when that is mended")
	}
	return p, nil
}

// choose chooses what is removed of the backups, which come newest first.
func choose(all []ripcord.Backup, keep int, keepFor time.Duration, now time.Time, needed func(run ripcord.RunID) bool) *Pruned {
	p := &Pruned{Kept: map[string]string{}, Removed: []ripcord.Backup{}}
	if keep <= 0 && keepFor <= 0 {
		return p
	}
	good := func(state ripcord.BackupState) string {
		i := slices.IndexFunc(all, func(b ripcord.Backup) bool { return b.State() == state })
		if i < 0 {
			return ""
		}
		return all[i].ID
	}
	restored, verified := good(ripcord.BackupRestored), good(ripcord.BackupVerified)
	for i, b := range all {
		counted := keep > 0 && i < keep
		young := keepFor > 0 && now.Sub(b.At) < keepFor
		switch {
		case counted || young || i == 0:
		case b.ID == restored:
			p.Kept[b.ID] = "the newest that was restored and checked"
		case b.ID == verified && restored == "":
			p.Kept[b.ID] = "the newest that was verified"
		case b.Run != "" && needed != nil && needed(b.Run):
			p.Kept[b.ID] = "release " + string(b.Run) + " needs it to go back"
		default:
			p.Removed = append(p.Removed, b)
		}
	}
	return p
}
