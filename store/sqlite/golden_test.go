package sqlite_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

// update writes the golden journal of the version in work. Those of released
// versions are never written again.
var update = flag.Bool("update", false, "write the golden journal of this version")

// golden is the newest golden journal: that of the newest schema, without its extension.
const golden = "testdata/journal-2"

// TestGolden reads journals as every version so far wrote them.
func TestGolden(t *testing.T) {
	t.Parallel()
	if *update {
		writeGolden(t)
	}
	files, err := filepath.Glob("testdata/journal-*.db")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden journals %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			readGolden(t, file)
		})
	}
}

func readGolden(t *testing.T, file string) {
	t.Helper()
	s := &stand{dir: filepath.Join(t.TempDir(), "state"), clock: storetest.NewClock()}
	mkdir(t, s.dir)
	copied(t, file, s.journal())
	s.Store = s.open(t, sqlite.Options{})
	if report := verify(t, s.Store, ""); !report.OK() {
		t.Fatalf("findings %+v", report.Findings)
	}
	var lines bytes.Buffer
	if err := s.Export(t.Context(), "", &lines); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(file[:len(file)-len(".db")] + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), lines.String()); diff != "" {
		t.Fatalf("lines (-want +got):\n%s", diff)
	}
	if good, err := s.LastGood(t.Context(), "shop", "prod"); err != nil || good.Run != "r1" || good.State != ripcord.StateSucceeded {
		t.Fatalf("last good %+v, %v", good, err)
	}
	// An older run is taken over and finished.
	s.clock.Advance(time.Hour)
	lease, err := s.Acquire(t.Context(), "r2", storetest.Somebody("bob"), time.Minute, 0)
	if err != nil || lease.Fence != 2 {
		t.Fatalf("lease %+v, %v", lease, err)
	}
	if requests, err := s.Requests(t.Context(), "r2", 0); err != nil || len(requests) != 1 || requests[0].Verb != ripcord.VerbAbort {
		t.Fatalf("requests %+v, %v", requests, err)
	}
	s.releaseEnd(t, lease)
	if report := verify(t, s.Store, ""); !report.OK() {
		t.Fatalf("findings %+v", report.Findings)
	}
}

// TestGoldenIsLookedAt: the first command after an upgrade may be one that only
// looks, also where nothing can be written.
func TestGoldenIsLookedAt(t *testing.T) {
	t.Parallel()
	for _, writable := range []bool{true, false} {
		disk := mount(t, "8m")
		s := &stand{dir: filepath.Join(disk, "state"), clock: storetest.NewClock()}
		mkdir(t, s.dir)
		copied(t, "testdata/journal-1.db", s.journal())
		if !writable {
			if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}
		reader := s.open(t, sqlite.Options{ReadOnly: true})
		if report := verify(t, reader, ""); !report.OK() || report.Runs != 2 || report.Entries == 0 {
			t.Fatalf("report %+v", report)
		}
		refused(t, reader.Append(t.Context(), ripcord.Entry{Run: "r2", Fence: 1, Kind: ripcord.RunPaused}), ripcord.CodeInternal, "reading only")
	}
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeGolden makes a journal with every field of an entry in use.
func writeGolden(t *testing.T) {
	t.Helper()
	s := newStand(t)
	s.release(t, "r1", "prod", ripcord.RunStarted, ripcord.StepChecked, ripcord.StepIntent, ripcord.StepApplied, ripcord.RunCommitted, ripcord.RunSucceeded)
	lease := s.release(t, "r2", "prod", ripcord.RunStarted)
	until := s.clock.Now().Add(time.Minute)
	executor := storetest.Somebody("ada")
	blob := ripcord.BlobRef{Path: "r2/log", Digest: "d1", Size: 12}
	full := ripcord.Entry{
		Run: "r2", Fence: lease.Fence, At: s.clock.Now(), Kind: ripcord.StepFailed, Step: "migrate", Attempt: 2, Executor: &executor,
		Request: &ripcord.Request{ID: 1, Run: "r2", Verb: ripcord.VerbPause, Who: "bob", At: until},
		Seen:    &ripcord.Sighting{Presence: ripcord.Partial, Exact: true, Detail: "half", Digest: "d2", Image: &blob},
		Failure: &ripcord.Failure{
			Class: ripcord.FailedCommand, Summary: "exit 1 <&>\u2028", Lines: []string{"a", "ü"}, Final: true,
			Exit: &ripcord.Exit{Code: 1, Signal: "killed", StartedAt: until, EndedAt: until, MaxRSS: 4096, Tail: []string{"b"}},
		},
		Outputs: map[string]ripcord.Output{"addresses": {Value: "127.0.0.1:1"}, "token": {Sensitive: true, Value: "r2/token"}},
		Blobs:   map[string]ripcord.BlobRef{"log": blob}, Data: json.RawMessage(`{"statements":[1,2.50]}`),
		Who: "ada", Reason: "why", Until: &until, Then: ripcord.FailRollback, Verified: true, Back: true,
		State: ripcord.StateRunning, Cleanup: []ripcord.StepID{"assets"},
	}
	if err := s.Append(t.Context(), full, ripcord.Entry{Run: "r2", Fence: lease.Fence, At: until, Kind: ripcord.RunRollingBack, Reason: "failed"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ask(t.Context(), ripcord.Request{Run: "r2", Verb: ripcord.VerbAbort, Who: "bob", Reason: "now"}); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".db", ".jsonl"} {
		if err := os.RemoveAll(golden + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Backup(t.Context(), golden+".db"); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := s.Export(t.Context(), "", &lines); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(golden+".jsonl", lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzParseLine: whatever a file holds, reading it ends with an entry or an
// error, and an entry that is accepted is the one that was hashed.
func FuzzParseLine(f *testing.F) {
	data, err := os.ReadFile(golden + ".jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		f.Add(line, 10)
		f.Add(line[:len(line)/2], 0)
	}
	f.Add([]byte(`{"hash":""}`), 0)
	f.Add([]byte(`null`), 0)
	f.Fuzz(func(t *testing.T, line []byte, position int) {
		e, err := sqlite.ParseLine(line)
		if err != nil {
			return
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		if !bytes.Contains(line, []byte(e.Hash)) {
			t.Fatalf("the hash %q is not in the line", e.Hash)
		}
		changed := bytes.Clone(line)
		changed[uint(position)%uint(len(changed))] ^= 0x10
		if _, err := sqlite.ParseLine(changed); err == nil {
			t.Fatalf("a change was not noticed:\n%s\n%s", line, changed)
		}
	})
}
