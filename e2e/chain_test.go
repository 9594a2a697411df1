package e2e_test

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the database that the services need

	"github.com/ripcord-dev/ripcord"
)

// newChain is a world whose services need one another and a database.
func newChain(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "chain")
	w.stock(true)
	return w
}

// stock makes the database that orders needs, or takes it away.
func (w *world) stock(there bool) {
	w.Helper()
	path := filepath.Join(w.app, "orders.db")
	if !there {
		if err := os.Remove(path); err != nil {
			w.Fatal(err)
		}
		return
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(w.Context(), "create table orders (n int)"); err != nil {
		w.Fatal(err)
	}
}

// steps lists the steps of the newest run's entries of a kind, in the journal's order.
func (w *world) steps(kind ripcord.EntryKind) []string {
	w.Helper()
	out := w.must(0, "journal", "export", "--run", string(w.show().Run)).stdout
	var steps []string
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		var e ripcord.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			w.Fatalf("%v: %s", err, lines.Text())
		}
		if e.Kind == kind {
			steps = append(steps, string(e.Step))
		}
	}
	return steps
}

// TestChain: services are deployed in the order of what they need, and when the
// third fails, all go back in reverse, the finished ones included.
func TestChain(t *testing.T) {
	t.Parallel()
	w := newChain(t)
	w.release(0, "v1")
	order := []string{"deploy-orders", "deploy-accounts", "before", "deploy-web"}
	if got := w.steps(ripcord.StepApplied); !slices.Equal(got, order) {
		t.Errorf("v1 was deployed in the order %v", got)
	}
	before := len(w.servers("v1"))
	w.set["web"] = "--nonsense"
	r := w.release(3, "v2")
	if got := w.steps(ripcord.StepIntent); !slices.Equal(got, order) {
		t.Errorf("v2 was deployed in the order %v", got)
	}
	back := []string{"deploy-web", "before", "deploy-accounts", "deploy-orders"}
	got := slices.DeleteFunc(w.steps(ripcord.StepUndone), func(id string) bool { return id == "before" })
	if want := slices.DeleteFunc(slices.Clone(back), func(id string) bool { return id == "before" }); !slices.Equal(got, want) {
		t.Errorf("v2 went back in the order %v, want %v\n%s", got, want, r)
	}
	if v := w.show(); v.Cause == nil || v.Cause.Class == "dependency" || v.Verified == nil || !*v.Verified {
		t.Errorf("cause %+v, not verified", v.Cause)
	}
	if now := len(w.servers("v1")); now != before || len(w.servers("v2")) != 0 {
		t.Errorf("%d of %d instances of v1 are there, and %d of v2", now, before, len(w.servers("v2")))
	}
	w.verified()
}

// TestDependencyDown: a release is refused while a database does not answer that
// its services need; going back is not.
func TestDependencyDown(t *testing.T) {
	t.Parallel()
	w := newChain(t)
	w.release(0, "v1")
	w.release(0, "v2")
	w.stock(false)
	r := w.release(6, "v3")
	for _, want := range []string{"orders needs stock, which does not answer: database ", "orders.db", "bring stock back first"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not said: %s", want, r)
		}
	}
	plan := append([]string{"plan", "--version", "v3"}, w.releaseArgs("v3")[3:]...)
	w.must(6, plan...)
	w.must(0, append(plan, "--offline")...)
	if v := w.show(); v.Version != "v2" {
		t.Errorf("the newest run is of %s", v.Version)
	}
	w.must(0, "rollback")
	if len(w.servers("v1")) != 3 {
		t.Errorf("%d instances of v1 are there", len(w.servers("v1")))
	}
	w.verified()
}

// TestDependencyIsBlamed: when the third service fails while the database is gone,
// that is the cause, and the new version is not blamed. All go back the same.
func TestDependencyIsBlamed(t *testing.T) {
	t.Parallel()
	w := newChain(t)
	w.release(0, "v1")
	w.set["web"], w.set["before"] = "--nonsense", "rm orders.db"
	r := w.release(3, "v2")
	v := w.show()
	if v.Cause == nil || v.Cause.Class != "dependency" || !strings.Contains(v.Cause.Summary, "orders is unhealthy because stock does not answer: database ") ||
		!strings.Contains(v.Cause.Summary, "what was seen of it: web instance 1 exited with status") {
		t.Errorf("cause %+v\n%s", v.Cause, r)
	}
	if len(w.servers("v1")) != 3 || len(w.servers("v2")) != 0 {
		t.Errorf("%d instances of v1 are there, and %d of v2", len(w.servers("v1")), len(w.servers("v2")))
	}
}

// TestOldSideIsTold: whether what going back leads to is alive is said in plan, and
// before it is gone back to.
func TestOldSideIsTold(t *testing.T) {
	t.Parallel()
	w := newChain(t)
	plan := func(version string) string {
		return w.must(0, append([]string{"plan", "--version", version}, w.releaseArgs(version)[3:]...)...).stdout
	}
	if text := plan("v1"); strings.Contains(text, "alive") || strings.Contains(text, "old instance") {
		t.Errorf("before the first release there is an old side: %s", text)
	}
	w.release(0, "v1")
	const alive = "orders v1 is alive: 1 of 1 old instances answer well"
	if text := plan("v2"); !strings.Contains(text, alive) {
		t.Errorf("plan: %s", text)
	}
	w.set["before"] = "sleep 300"
	p := w.start(w.releaseArgs("v2")...)
	w.until("v2 of accounts is there", func() bool { return len(w.servers("v2")) == 2 })
	w.until("the run waits", func() bool { return len(w.steps(ripcord.StepIntent)) == 3 })
	if r := w.must(0, "show"); !strings.Contains(r.stdout, alive) {
		t.Errorf("show: %s", r)
	}
	if r := w.do("rollback"); r.code != 0 || !strings.Contains(r.stdout, alive) || !strings.Contains(r.stdout, "accounts v1 is alive") || strings.Contains(r.stdout, "web v1") {
		t.Errorf("rollback: %s", r)
	}
	p.wait()
	w.set["before"] = "true"
	w.release(0, "v2")
	if r := w.must(0, "rollback", "--dry-run"); !strings.Contains(r.stdout, "v1 is started from its bundle beside v2 and gets users only once it is healthy; if it does not start, v2 keeps them") {
		t.Errorf("dry run: %s", r)
	}
	w.verified()
}
