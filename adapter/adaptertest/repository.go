package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

// RepositoryConfig says what RunRepository tests.
type RepositoryConfig struct {
	// New makes a fixture whose repository does not exist yet.
	New func(t *testing.T) RepositoryFixture
	// Brief leaves out what does not depend on where the bytes go.
	Brief bool
}

// RepositoryFixture is a place for one repository.
type RepositoryFixture struct {
	Repositories ripcord.Repositories
	Settings     map[string]any
	Scope        ripcord.Scope
}

// RunRepository asks of a repository what the contract promises.
func RunRepository(t *testing.T, config RepositoryConfig) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, f RepositoryFixture)
	}{
		{"settings", repositorySettings},
		{"nothing there", repositoryAbsent},
		{"stream", repositoryStream},
		{"tree", repositoryTree},
		{"failed data leaves nothing", repositoryFailed},
		{"cancelled", repositoryCancelled},
		{"note and delete", repositoryNote},
		{"maintain", repositoryMaintain},
		{"wrong password", repositoryPassword},
	}
	brief := []string{"nothing there", "stream", "failed data leaves nothing", "note and delete"}
	for _, test := range tests {
		if config.Brief && !slices.Contains(brief, test.name) {
			continue
		}
		t.Run(test.name, func(t *testing.T) { t.Parallel(); test.test(t, config.New(t)) })
	}
}

func (f RepositoryFixture) raw(t *testing.T) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(f.Settings)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (f RepositoryFixture) open(t *testing.T, create bool) ripcord.Repository {
	t.Helper()
	r, err := f.Repositories.Open(t.Context(), f.raw(t), f.Scope, create)
	if err != nil {
		t.Fatalf("Open: %v", describe(err))
	}
	t.Cleanup(func() { _ = r.Close() }) // closing twice is safe
	return r
}

// NewBackup is a backup to save under an id.
func NewBackup(id string) *ripcord.Backup {
	return &ripcord.Backup{ID: id, Application: "shop", Environment: "test", Name: "orders", Kind: "fake"}
}

// SaveStream saves bytes as a backup.
func SaveStream(t *testing.T, r ripcord.Repository, id string, data []byte) *ripcord.Backup {
	t.Helper()
	b := NewBackup(id)
	err := r.Save(t.Context(), b, nil, func(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) error {
		b.View.Server = "fake 1"
		return to.Stream(ctx, func(_ context.Context, w io.Writer) error { _, err := w.Write(data); return err })
	})
	if err != nil {
		t.Fatalf("Save: %v", describe(err))
	}
	return b
}

// RandomBytes are bytes that no compression makes smaller.
func RandomBytes(seed byte, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func ids(t *testing.T, r ripcord.Repository) []string {
	t.Helper()
	all, err := r.Backups(t.Context())
	if err != nil {
		t.Fatalf("Backups: %v", describe(err))
	}
	names := []string{}
	for _, b := range all {
		names = append(names, b.ID)
	}
	return names
}

func repositorySettings(t *testing.T, f RepositoryFixture) {
	t.Helper()
	if err := f.Repositories.Check(f.raw(t)); err != nil {
		t.Errorf("Check: %v", describe(err))
	}
	f.Settings["no_such_setting"] = 1
	err := f.Repositories.Check(f.raw(t))
	codeIs(t, err, ripcord.CodePlan)
	if !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the error %q does not name the setting", err)
	}
	codeIs(t, f.Repositories.Check(json.RawMessage(`{"password":"x"}`)), ripcord.CodePlan)
	codeIs(t, f.Repositories.Check(json.RawMessage(`[]`)), ripcord.CodePlan)
}

func repositoryAbsent(t *testing.T, f RepositoryFixture) {
	t.Helper()
	_, err := f.Repositories.Open(t.Context(), f.raw(t), f.Scope, false)
	codeIs(t, err, ripcord.CodeNotFound)
	r := f.open(t, true)
	if !r.Made() {
		t.Error("a new repository does not say that it was made")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if again := f.open(t, true); again.Made() || len(ids(t, again)) != 0 {
		t.Error("an existing repository says that it was made")
	}
}

func repositoryStream(t *testing.T, f RepositoryFixture) {
	t.Helper()
	r := f.open(t, true)
	data := RandomBytes(1, 9<<20)
	var told int64
	b := NewBackup("one")
	err := r.Save(t.Context(), b, func(done, _ int64) { told = done }, func(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) error {
		b.View.Server = "fake 1"
		return to.Stream(ctx, func(_ context.Context, w io.Writer) error { _, err := w.Write(data); return err })
	})
	if err != nil {
		t.Fatalf("Save: %v", describe(err))
	}
	if told != int64(len(data)) || b.Bytes != told {
		t.Errorf("%d bytes were saved, %d told, %d noted", len(data), told, b.Bytes)
	}
	// Another process reads.
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = f.open(t, false)
	all, err := r.Backups(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("Backups: %v, %v", all, err)
	}
	if diff := cmp.Diff(*b, all[0]); diff != "" {
		t.Errorf("the backup is not as it was saved (-saved +read):\n%s", diff)
	}
	content, err := r.Content(t.Context(), &all[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	from, err := content.Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	back, err := io.ReadAll(from)
	if err != nil || !bytes.Equal(back, data) {
		t.Fatalf("%d bytes came back, %v", len(back), err)
	}
	v, err := r.Verify(t.Context(), all, nil)
	if err != nil || !v.Sound() || v.Bytes < int64(len(data)) {
		t.Errorf("Verify: %+v, %v", v, err)
	}
}

func repositoryTree(t *testing.T, f RepositoryFixture) {
	t.Helper()
	r := f.open(t, true)
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "back")
	if err := errors.Join(os.WriteFile(filepath.Join(from, "a"), []byte("one"), 0o640), os.Mkdir(filepath.Join(from, "empty"), 0o750), //nolint:gosec // modes are what is tested
		os.Symlink("a", filepath.Join(from, "link")), os.WriteFile(filepath.Join(from, ".kopiaignore"), []byte("*\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	b := NewBackup("tree")
	err := r.Save(t.Context(), b, nil, func(ctx context.Context, _ *ripcord.Backup, to ripcord.Sink) error {
		return to.Tree(ctx, from, []byte("attributes"))
	})
	if err != nil {
		t.Fatalf("Save: %v", describe(err))
	}
	content, err := r.Content(t.Context(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := content.Tree(t.Context(), to)
	if err != nil || string(attributes) != "attributes" {
		t.Fatalf("Tree: %q, %v", attributes, err)
	}
	if diff := cmp.Diff(listing(t, from), listing(t, to)); diff != "" {
		t.Errorf("the folder is not as it was (-was +is):\n%s", diff)
	}
}

// listing is a folder in words.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path) //nolint:gosec // the test's own
			if err != nil {
				return err
			}
			what += " " + info.ModTime().UTC().String() + " " + string(data)
		}
		name, err := filepath.Rel(dir, path)
		if name != "." {
			all[name] = what
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func repositoryFailed(t *testing.T, f RepositoryFixture) {
	t.Helper()
	r := f.open(t, true)
	broken := errors.New("the dump ended with status 1")
	for _, size := range []int{0, 100, 30 << 20} {
		err := r.Save(t.Context(), NewBackup("half"), nil, func(ctx context.Context, _ *ripcord.Backup, to ripcord.Sink) error {
			return to.Stream(ctx, func(_ context.Context, w io.Writer) error {
				if _, err := w.Write(RandomBytes(2, size)); err != nil {
					return err
				}
				return broken
			})
		})
		if !errors.Is(err, broken) {
			t.Errorf("%d bytes: Save returns %v", size, err)
		}
		if all := ids(t, r); len(all) != 0 {
			t.Fatalf("%d bytes of a failed dump became the backup %v", size, all)
		}
	}
	nothing := r.Save(t.Context(), NewBackup("nothing"), nil, func(context.Context, *ripcord.Backup, ripcord.Sink) error { return nil })
	if all := ids(t, r); nothing == nil || len(all) != 0 {
		t.Errorf("nothing became a backup: %v, %v", nothing, all)
	}
	SaveStream(t, r, "whole", RandomBytes(3, 1<<20))
	if diff := cmp.Diff([]string{"whole"}, ids(t, r)); diff != "" {
		t.Error(diff)
	}
}

func repositoryCancelled(t *testing.T, f RepositoryFixture) {
	t.Helper()
	r := f.open(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	err := r.Save(ctx, NewBackup("half"), nil, func(ctx context.Context, _ *ripcord.Backup, to ripcord.Sink) error {
		return to.Stream(ctx, func(_ context.Context, w io.Writer) error {
			_, _ = w.Write(RandomBytes(2, 5<<20))
			cancel()
			return nil
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Save returns %v", err)
	}
	if all := ids(t, r); len(all) != 0 {
		t.Errorf("a cancelled backup is there: %v", all)
	}
}

func repositoryNote(t *testing.T, f RepositoryFixture) {
	t.Helper()
	r := f.open(t, true)
	first, second := SaveStream(t, r, "first", RandomBytes(1, 1<<20)), SaveStream(t, r, "second", RandomBytes(1, 1<<20))
	first.Test = &ripcord.RestoreTest{At: f.Scope.Now().UTC(), Seconds: 3, Passed: []string{"rows"}}
	if err := r.Note(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	all, err := f.open(t, false).Backups(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, b := range all {
		want := ripcord.BackupTaken
		if b.ID == "first" {
			want = ripcord.BackupRestored
		}
		if b.State() != want {
			t.Errorf("%s is %s", b.ID, b.State())
		}
	}
	if err := errors.Join(r.Delete(t.Context(), "first", "gone"), r.Delete(t.Context(), "first")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"second"}, ids(t, r)); diff != "" {
		t.Error(diff)
	}
	if v, err := r.Verify(t.Context(), []ripcord.Backup{*second}, nil); err != nil || !v.Sound() {
		t.Errorf("what a deleted backup shared with another is damaged: %+v, %v", v, err)
	}
	_, err = r.Content(t.Context(), first, nil)
	codeIs(t, err, ripcord.CodeNotFound)
}

func repositoryMaintain(t *testing.T, f RepositoryFixture) {
	t.Helper()
	r := f.open(t, true)
	kept := SaveStream(t, r, "kept", RandomBytes(4, 3<<20))
	SaveStream(t, r, "gone", RandomBytes(5, 3<<20))
	if err := errors.Join(r.Delete(t.Context(), "gone"), r.Maintain(t.Context()), r.Maintain(t.Context())); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Verify(t.Context(), []ripcord.Backup{*kept}, nil); err != nil || !v.Sound() {
		t.Errorf("after maintenance: %+v, %v", v, err)
	}
}

func repositoryPassword(t *testing.T, f RepositoryFixture) {
	t.Helper()
	if err := f.open(t, true).Close(); err != nil {
		t.Fatal(err)
	}
	f.Settings["password"] = "another"
	_, err := f.Repositories.Open(t.Context(), f.raw(t), f.Scope, true)
	codeIs(t, err, ripcord.CodePlan)
	if !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "another") {
		t.Errorf("the error is %q", err)
	}
}
