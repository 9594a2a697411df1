package backup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/backup"
)

func (l lab) desk(t *testing.T) *backup.Desk {
	t.Helper()
	d, err := l.adapter.Desk(t.Context(), l.raw, l.scope, true)
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func take(t *testing.T, d *backup.Desk, o backup.Origin) *ripcord.Backup {
	t.Helper()
	b, err := d.Take(t.Context(), o)
	must(t, err)
	return b
}

func TestOneBackupForOneKey(t *testing.T) {
	t.Parallel()
	d := newLab(t).desk(t)
	first, second := take(t, d, backup.Origin{Key: "run-1/backup"}), take(t, d, backup.Origin{Key: "run-1/backup"})
	other := take(t, d, backup.Origin{Key: "run-2/backup"})
	if first.ID != second.ID || other.ID == first.ID {
		t.Errorf("%s %s %s", first.ID, second.ID, other.ID)
	}
}

func TestARestoreTestLeavesEvidence(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.desk(t)
	b := take(t, d, backup.Origin{})
	must(t, d.Test(t.Context(), b, ""))
	again, err := d.Find(t.Context(), "")
	must(t, err)
	if again.State() != ripcord.BackupRestored || again.Test.Seconds <= 0 || len(again.Test.Phases) < 3 || len(again.Test.Passed) != 3 {
		t.Errorf("%s %+v", again.State(), again.Test)
	}
	if left, err := filepath.Glob(filepath.Join(l.scope.StateDir, "work", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("the scratch place is left: %v %v", left, err)
	}
	// One that does not hold what the plan asks is bad.
	l.do(t, `delete from orders where id = 2`)
	b = take(t, d, backup.Origin{})
	must(t, d.Test(t.Context(), b, ""))
	if b.State() != ripcord.BackupBad || len(b.Test.Problems) != 1 || !strings.Contains(b.Test.Problems[0], "select count(*) >= 3") {
		t.Errorf("%s %+v", b.State(), b.Test)
	}
}

func TestARestoreThatWouldLoseIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.desk(t)
	b := take(t, d, backup.Origin{})
	l.do(t, `insert into orders values (4, 'd')`, `update orders set item = 'z' where id = 1`)
	before, err := os.ReadFile(l.db)
	must(t, err)
	var foreseen *backup.Loss
	order := backup.Order{Backup: b, Foreseen: func(l *backup.Loss) { foreseen = l }}
	_, err = d.Restore(t.Context(), order)
	if ripcord.CodeOf(err) != ripcord.CodeRefused || foreseen == nil || foreseen.Lost != 2 {
		t.Fatalf("%v, %+v", err, foreseen)
	}
	order.DryRun = true
	r, err := d.Restore(t.Context(), order)
	if err != nil || r.Loss.Lost != 2 || !r.DryRun {
		t.Fatalf("%v, %+v", err, r)
	}
	after, err := os.ReadFile(l.db)
	must(t, err)
	if string(before) != string(after) {
		t.Error("a refused restore has changed the database")
	}
	order.DryRun, order.AcceptLoss = false, true
	r, err = d.Restore(t.Context(), order)
	if err != nil || r.Loss.Lost != 2 || r.Safety == "" {
		t.Fatalf("%v, %+v", err, r)
	}
	r, err = d.Restore(t.Context(), backup.Order{Backup: b, DryRun: true})
	if err != nil || r.Loss.Any() {
		t.Errorf("after the restore: %v, %+v", err, r.Loss)
	}
}

func TestALostDatabaseComesBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.desk(t)
	b := take(t, d, backup.Origin{})
	must(t, os.Remove(l.db))
	r, err := d.Restore(t.Context(), backup.Order{Backup: b})
	if err != nil || r.Loss.Any() || r.Safety != "" {
		t.Fatalf("%v, %+v", err, r)
	}
	l.do(t, `insert into orders values (4, 'd')`)
}

func TestPruneKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.desk(t)
	all := []*ripcord.Backup{take(t, d, backup.Origin{}), take(t, d, backup.Origin{}), take(t, d, backup.Origin{Run: "run-1"}), take(t, d, backup.Origin{}), take(t, d, backup.Origin{})}
	must(t, d.Test(t.Context(), all[1], ""))
	p, err := d.Prune(t.Context(), 1, 0, func(run ripcord.RunID) bool { return run == "run-1" }, false)
	must(t, err)
	left, err := d.Backups(t.Context())
	must(t, err)
	var ids []string
	for _, b := range left {
		ids = append(ids, b.ID)
	}
	if diff := cmp.Diff([]string{all[4].ID, all[2].ID, all[1].ID}, ids); diff != "" || len(p.Removed) != 2 || len(p.Kept) != 2 {
		t.Errorf("%+v\n%s", p, diff)
	}
}
