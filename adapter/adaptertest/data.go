package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

// DataConfig says what RunData tests.
type DataConfig struct {
	// New makes data with something in it.
	New func(t *testing.T) DataFixture
}

// DataFixture is data of one source.
type DataFixture struct {
	Source   ripcord.DataSource
	Settings map[string]any
	Scope    ripcord.Scope
	// Fingerprint describes all of the data.
	Fingerprint func(t *testing.T) string
	// Write writes something: Lost says how many writes that is.
	Write func(t *testing.T)
	Lost  int64
	// Lose loses the data as a whole.
	Lose func(t *testing.T)
	// Elsewhere is a place for a restore, which does not exist yet; Full is one with
	// something in it.
	Elsewhere, Full string
	// Hold keeps others from exchanging the data until free is called; nil where
	// nobody can.
	Hold func(t *testing.T) (free func())
	// True and False are questions with that answer; empty where it answers none.
	True, False string
	// Secrets may show nowhere.
	Secrets []string
}

// RunData asks of a data source what the contract promises.
func RunData(t *testing.T, config DataConfig) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, f DataFixture)
	}{
		{"settings", dataSettings},
		{"scratch", dataScratch},
		{"in place", dataInPlace},
		{"lost", dataLost},
		{"elsewhere", dataElsewhere},
		{"not accepted", dataNotAccepted},
		{"held", dataHeld},
		{"damaged content", dataDamaged},
		{"cancelled", dataCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { t.Parallel(); test.test(t, config.New(t)) })
	}
}

func (f DataFixture) open(t *testing.T) ripcord.Data {
	t.Helper()
	raw, err := json.Marshal(f.Settings)
	if err != nil {
		t.Fatal(err)
	}
	data, err := f.Source.Open(t.Context(), raw, f.Scope)
	if err != nil {
		t.Fatalf("Open: %v", describe(err))
	}
	return data
}

// Memory is a Sink and a Content that keeps one backup.
type Memory struct {
	T          *testing.T
	Bytes      []byte
	Dir        string
	Attributes []byte
}

// Stream implements ripcord.Sink.
func (m *Memory) save(ctx context.Context, write func(ctx context.Context, w io.Writer) error) error {
	var kept bytes.Buffer
	if err := write(ctx, &kept); err != nil {
		return err
	}
	m.Bytes = kept.Bytes()
	return nil
}

// sink takes into memory.
type sink struct{ *Memory }

func (s sink) Stream(ctx context.Context, write func(ctx context.Context, w io.Writer) error) error {
	return s.save(ctx, write)
}

func (s sink) Tree(ctx context.Context, directory string, attributes []byte) error {
	s.Dir, s.Attributes = filepath.Join(s.T.TempDir(), "tree"), attributes
	return copied(ctx, directory, s.Dir)
}

// content gives from memory.
type content struct{ *Memory }

func (c content) Stream(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.Bytes)), nil
}

func (c content) Tree(ctx context.Context, directory string) ([]byte, error) {
	return c.Attributes, copied(ctx, c.Dir, directory)
}

func copied(ctx context.Context, from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return exec.CommandContext(ctx, "cp", "-a", from+"/.", to).Run() //nolint:gosec // the test's own folders
}

// take takes a backup into memory.
func (f DataFixture) take(t *testing.T) (ripcord.Data, *ripcord.Backup, *Memory) {
	t.Helper()
	data, b, m := f.open(t), NewBackup("one"), &Memory{T: t}
	if err := data.Backup(t.Context(), b, sink{m}); err != nil {
		t.Fatalf("Backup: %v", describe(err))
	}
	if b.At.IsZero() {
		t.Error("the backup does not say of which moment it is")
	}
	return data, b, m
}

// restoreID is that of every restore.
const restoreID = "20260102-030405-abcd"

func (f DataFixture) place(t *testing.T, data ripcord.Data, to string) ripcord.Place {
	t.Helper()
	p, err := data.Place(t.Context(), restoreID, to)
	if err != nil {
		t.Fatalf("Place: %v", describe(err))
	}
	t.Cleanup(func() {
		if err := p.Drop(context.Background()); err != nil {
			t.Errorf("Drop: %v", describe(err))
		}
	})
	return p
}

func dataSettings(t *testing.T, f DataFixture) {
	t.Helper()
	for _, raw := range []string{`{"no_such_setting":1}`, `{}`, `[]`, `{} {}`, `{`} {
		_, err := f.Source.Open(t.Context(), json.RawMessage(raw), f.Scope)
		codeIs(t, err, ripcord.CodePlan)
	}
	for _, secret := range f.Secrets {
		if name := f.open(t).Name(); strings.Contains(name, secret) {
			t.Errorf("the name %q shows a secret", name)
		}
	}
}

// same fails the test where what was restored is not what was backed up.
func same(t *testing.T, b *ripcord.Backup, is ripcord.DataView) {
	t.Helper()
	was := b.View
	if !was.Exact {
		t.Error("the backup was not counted at its moment")
	}
	if was.Schema != is.Schema || was.Content != is.Content {
		t.Errorf("the definitions or contents differ: %s %s, %s %s", was.Schema, is.Schema, was.Content, is.Content)
	}
	rows := func(v ripcord.DataView) map[string]int64 {
		all := map[string]int64{}
		for _, table := range v.Tables {
			all[table.Name] = table.Rows
		}
		return all
	}
	if diff := cmp.Diff(rows(was), rows(is)); diff != "" || len(was.Tables) == 0 {
		t.Errorf("the rows differ (-was +is):\n%s", diff)
	}
}

func dataScratch(t *testing.T, f DataFixture) {
	t.Helper()
	before := f.Fingerprint(t)
	data, b, m := f.take(t)
	p := f.place(t, data, "")
	if err := p.Restore(t.Context(), b, content{m}); err != nil {
		t.Fatalf("Restore: %v", describe(err))
	}
	seen, err := p.Look(t.Context(), true)
	if err != nil {
		t.Fatalf("Look: %v", describe(err))
	}
	same(t, b, seen)
	f.asks(t, p)
	if err := errors.Join(p.Drop(t.Context()), p.Drop(t.Context())); err != nil {
		t.Errorf("Drop: %v", describe(err))
	}
	if now := f.Fingerprint(t); now != before {
		t.Errorf("a restore into a scratch place changed the data:\nbefore %s\nnow    %s", before, now)
	}
}

func (f DataFixture) asks(t *testing.T, p ripcord.Place) {
	t.Helper()
	if f.True == "" {
		return
	}
	well, answer, err := p.Ask(t.Context(), f.True)
	if err != nil || !well {
		t.Errorf("%s: %v %q %v", f.True, well, answer, err)
	}
	if well, answer, err = p.Ask(t.Context(), f.False); err != nil || well {
		t.Errorf("%s: %v %q %v", f.False, well, answer, err)
	}
	if _, _, err = p.Ask(t.Context(), "select nonsense from nowhere"); err == nil {
		t.Error("nonsense has an answer")
	}
}

func dataInPlace(t *testing.T, f DataFixture) {
	t.Helper()
	before := f.Fingerprint(t)
	data, b, m := f.take(t)
	f.Write(t)
	if f.Fingerprint(t) == before {
		t.Fatal("the fixture writes nothing")
	}
	p := f.place(t, data, "")
	if err := p.Restore(t.Context(), b, content{m}); err != nil {
		t.Fatalf("Restore: %v", describe(err))
	}
	if c, ok := data.(ripcord.Comparer); ok {
		losses, err := c.Compare(t.Context(), p)
		if err != nil {
			t.Fatalf("Compare: %v", describe(err))
		}
		var lost int64
		for _, l := range losses {
			lost += l.Lost
		}
		if lost != f.Lost {
			t.Errorf("%d writes are said to be lost, and %d were made: %+v", lost, f.Lost, losses)
		}
	}
	asked := false
	safety, err := data.Exchange(t.Context(), p, ripcord.Exchange{ID: restoreID, Accept: func(_ context.Context, now ripcord.DataView) error {
		asked = len(now.Tables) > 0
		return nil
	}})
	if err != nil || safety == "" || !asked {
		t.Fatalf("Exchange: safety %q, asked %t, %v", safety, asked, describe(err))
	}
	if now := f.Fingerprint(t); now != before {
		t.Errorf("the data is not as it was:\nbefore %s\nnow    %s", before, now)
	}
}

func dataLost(t *testing.T, f DataFixture) {
	t.Helper()
	before := f.Fingerprint(t)
	data, b, m := f.take(t)
	f.Lose(t)
	_, err := data.Look(t.Context(), true)
	codeIs(t, err, ripcord.CodeNotFound)
	p := f.place(t, data, "")
	if err := p.Restore(t.Context(), b, content{m}); err != nil {
		t.Fatalf("Restore: %v", describe(err))
	}
	safety, err := data.Exchange(t.Context(), p, ripcord.Exchange{ID: restoreID})
	if err != nil || safety != "" {
		t.Fatalf("Exchange: %q, %v", safety, describe(err))
	}
	if now := f.Fingerprint(t); now != before {
		t.Errorf("the data is not as it was:\nbefore %s\nnow    %s", before, now)
	}
}

func dataElsewhere(t *testing.T, f DataFixture) {
	t.Helper()
	data, b, m := f.take(t)
	_, err := data.Place(t.Context(), restoreID, f.Full)
	codeIs(t, err, ripcord.CodePlan)
	p := f.place(t, data, f.Elsewhere)
	if err := p.Restore(t.Context(), b, content{m}); err != nil {
		t.Fatalf("Restore: %v", describe(err))
	}
	seen, err := p.Look(t.Context(), true)
	if err != nil {
		t.Fatalf("Look: %v", describe(err))
	}
	if seen.Rows() != b.View.Rows() {
		t.Errorf("%d rows of %d", seen.Rows(), b.View.Rows())
	}
}

func dataNotAccepted(t *testing.T, f DataFixture) {
	t.Helper()
	data, b, m := f.take(t)
	f.Write(t)
	now := f.Fingerprint(t)
	p := f.place(t, data, "")
	if err := p.Restore(t.Context(), b, content{m}); err != nil {
		t.Fatalf("Restore: %v", describe(err))
	}
	refused := errors.New("not accepted")
	_, err := data.Exchange(t.Context(), p, ripcord.Exchange{ID: restoreID, Accept: func(context.Context, ripcord.DataView) error { return refused }})
	if !errors.Is(err, refused) {
		t.Errorf("Exchange: %v", describe(err))
	}
	if after := f.Fingerprint(t); after != now {
		t.Errorf("a refused exchange changed the data:\nbefore %s\nafter  %s", now, after)
	}
}

func dataHeld(t *testing.T, f DataFixture) {
	t.Helper()
	if f.Hold == nil {
		return
	}
	before := f.Fingerprint(t)
	data, b, m := f.take(t)
	p := f.place(t, data, "")
	if err := p.Restore(t.Context(), b, content{m}); err != nil {
		t.Fatalf("Restore: %v", describe(err))
	}
	free := f.Hold(t)
	_, err := data.Exchange(t.Context(), p, ripcord.Exchange{ID: restoreID})
	free()
	codeIs(t, err, ripcord.CodeRefused)
	if now := f.Fingerprint(t); now != before {
		t.Errorf("a refused exchange changed the data:\nbefore %s\nnow    %s", before, now)
	}
}

func dataDamaged(t *testing.T, f DataFixture) {
	t.Helper()
	data, b, m := f.take(t)
	if len(m.Bytes) == 0 {
		return // a folder's files are the repository's to check
	}
	m.Bytes = m.Bytes[:len(m.Bytes)/2]
	p := f.place(t, data, "")
	if err := p.Restore(t.Context(), b, content{m}); err == nil {
		t.Error("half a backup can be restored")
	}
}

func dataCancelled(t *testing.T, f DataFixture) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.open(t).Backup(ctx, NewBackup("one"), sink{&Memory{T: t}}); err == nil {
		t.Error("a cancelled backup is made")
	}
}
