package engine_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

var update = flag.Bool("update", false, "write the golden states; never the journals, which released binaries have written")

// TestGoldenJournal: a journal that an older binary has written leads to the
// same states for ever.
func TestGoldenJournal(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			states := map[ripcord.RunID]*engine.State{}
			rows := map[ripcord.RunID]*ripcord.Summary{}
			for _, e := range journal(t, "testdata/journal-"+version+".jsonl") {
				if states[e.Run] == nil {
					states[e.Run], rows[e.Run] = &engine.State{}, &ripcord.Summary{}
				}
				states[e.Run].Apply(e)
				rows[e.Run].Apply(e)
			}
			for run, state := range states {
				state.Last = ripcord.Entry{} // it is in the journal already
				if rows[run].State != state.State {
					t.Errorf("%s: the row says %s, the entries %s", run, rows[run].State, state.State)
				}
			}
			got, err := json.MarshalIndent(map[string]any{"states": states, "rows": rows}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/journal-"+version+".state.json", append(got, '\n'))
		})
	}
}

// journal reads entries and proves their chains.
func journal(t *testing.T, name string) []ripcord.Entry {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var entries []ripcord.Entry
	heads := map[ripcord.RunID]ripcord.Entry{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data))
	for lines.Scan() {
		var e ripcord.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		sealed, err := ripcord.Seal(e, heads[e.Run].Seq+1, heads[e.Run].Hash)
		if err != nil {
			t.Fatal(err)
		}
		if sealed.Hash != e.Hash {
			t.Errorf("entry %d of run %s no longer gives its hash: a field has changed its form", e.Seq, e.Run)
		}
		heads[e.Run] = e
		entries = append(entries, e)
	}
	return entries
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}
