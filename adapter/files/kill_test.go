package files_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/files"
)

// TestMain lets the test binary play an executor that is killed: with a folder
// in its environment it goes one way and ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FILES_TEST_EXECUTOR"); dir != "" {
		if err := execute(dir, os.Getenv("FILES_TEST_WAY")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func execute(dir, way string) error {
	e := executor{dir}
	step, a, err := e.open()
	if err != nil {
		return err
	}
	fmt.Println("started")
	if way == "undo" {
		return step.Undo(context.Background(), a)
	}
	return step.Apply(context.Background(), a)
}

// executor keeps everything on disk, as the real one does.
type executor struct{ dir string }

func (e executor) open() (*files.Step, ripcord.Attempt, error) {
	scope := ripcord.Scope{
		Run: "run-1", Directory: filepath.Join(e.dir, "plan"), StateDir: filepath.Join(e.dir, "state"),
		Blobs: folderBlobs{filepath.Join(e.dir, "blobs")},
	}
	settings := fmt.Sprintf(`{"source":"src","destination":%q,"delete":true}`, filepath.Join(e.dir, "target", "dst"))
	step, err := files.New(files.Options{}).Open(context.Background(), ripcord.StepSpec{ID: "tree", Settings: []byte(settings)}, scope)
	if err != nil {
		return nil, ripcord.Attempt{}, err
	}
	a := ripcord.Attempt{Key: "run-1/tree", Number: 1, Record: e.record}
	if data, err := os.ReadFile(filepath.Join(e.dir, "before")); err == nil {
		if err := json.Unmarshal(data, &a.Before); err != nil {
			return nil, a, err
		}
	}
	if data, err := os.ReadFile(filepath.Join(e.dir, "progress")); err == nil {
		for line := range bytes.SplitSeq(bytes.TrimSpace(data), []byte("\n")) {
			if json.Valid(line) {
				a.Progress = append(a.Progress, line)
			}
		}
	}
	return step.(*files.Step), a, nil
}

func (e executor) record(_ context.Context, data any) error {
	line, err := json.Marshal(data)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(e.dir, "progress"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

type folderBlobs struct{ dir string }

func (b folderBlobs) Put(_ context.Context, _ ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return ripcord.BlobRef{}, err
	}
	f, err := os.CreateTemp(b.dir, name)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	defer func() { _ = f.Close() }()
	n, err := io.Copy(f, r)
	return ripcord.BlobRef{Path: f.Name(), Size: n}, err
}

func (b folderBlobs) Open(_ context.Context, ref ripcord.BlobRef) (io.ReadCloser, error) {
	return os.Open(ref.Path)
}

func (b folderBlobs) Delete(_ context.Context, ref ripcord.BlobRef) error { return os.Remove(ref.Path) }

func (b folderBlobs) Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// kill starts an executor and kills it after a while; it reports whether the
// executor was still at work.
func (e executor) kill(t *testing.T, way string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FILES_TEST_EXECUTOR="+e.dir, "FILES_TEST_WAY="+way)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() != nil
}

func bigTree(version string) map[string]string {
	tree := map[string]string{"link": "-> d1", "only-" + version: version, "kind/" + version: version}
	for i := range 200 {
		text := version + strconv.Itoa(i)
		switch i % 10 {
		case 0:
			text = "0600 " + text
		case 1:
			text = "0755 " + text
		case 2:
			text = "same"
		case 3:
			tree[fmt.Sprintf("d%d/only-%s/f%d", i%7, version, i)] = text
			continue
		}
		tree[fmt.Sprintf("d%d/f%d", i%7, i)] = text
	}
	if version == "new" {
		tree["swap/f1"] = "x"
	} else {
		delete(tree, "kind/old")
		tree["kind"] = "a file that becomes a folder"
		tree["swap"] = "-> d1" // which has a file of the same name as the folder that swap becomes
		tree["link"] = "-> d2"
	}
	return tree
}

// fastFolder is in memory where that can be had: a killed process loses nothing
// that it wrote, so the test needs no disk.
func fastFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "files-test-") //nolint:usetesting // it is to lie in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// TestKill kills Apply and Undo at random moments: the way back ends with all
// old, the way on with all new.
func TestKill(t *testing.T) { //nolint:tparallel // the rounds are parallel, and all end before they are counted
	t.Parallel()
	newExecutor := func(t *testing.T) executor {
		t.Helper()
		e := executor{fastFolder(t)}
		put(t, filepath.Join(e.dir, "plan", "src"), bigTree("new"))
		put(t, filepath.Join(e.dir, "target", "dst"), bigTree("old"))
		must(t, os.Mkdir(filepath.Join(e.dir, "state"), 0o700))
		step, _, err := e.open()
		must(t, err)
		seen, err := step.Check(t.Context())
		must(t, err)
		data, err := json.Marshal(seen)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(e.dir, "before"), data, 0o600))
		return e
	}
	run := func(t *testing.T, e executor, way string) {
		t.Helper()
		step, a, err := e.open()
		must(t, err)
		if way == "undo" {
			err = step.Undo(t.Context(), a)
		} else {
			err = step.Apply(t.Context(), a)
		}
		must(t, err)
	}
	whole := newExecutor(t)
	oldWorld := fingerprint(t, filepath.Join(whole.dir, "target"))
	started := time.Now()
	run(t, whole, "apply")
	took := time.Since(started)
	newWorld := fingerprint(t, filepath.Join(whole.dir, "target"))
	if oldWorld == newWorld {
		t.Fatal("the trees do not differ")
	}
	const rounds = 14
	var killed atomicCount
	t.Run("rounds", func(t *testing.T) {
		for i := range rounds {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				e := newExecutor(t)
				target := filepath.Join(e.dir, "target")
				random := func() time.Duration { return rand.N(took*3/2 + time.Millisecond) }
				killed.add(e.kill(t, "apply", random()))
				if i%2 == 0 {
					killed.add(e.kill(t, "apply", random()))
					run(t, e, "apply")
					if now := fingerprint(t, target); now != newWorld {
						t.Fatalf("not all new:\n%s", now)
					}
				}
				killed.add(e.kill(t, "undo", random()))
				killed.add(e.kill(t, "undo", random()))
				run(t, e, "undo")
				if now := fingerprint(t, target); now != oldWorld {
					t.Fatalf("not all old:\n%s", now)
				}
				run(t, e, "apply")
				if now := fingerprint(t, target); now != newWorld {
					t.Fatalf("not all new:\n%s", now)
				}
				run(t, e, "undo")
				if now := fingerprint(t, target); now != oldWorld {
					t.Fatalf("not all old:\n%s", now)
				}
			})
		}
	})
	if killed.n.Load() == 0 {
		t.Error("no executor was killed at work")
	}
	t.Logf("killed %d executors at work; a whole Apply took %s", killed.n.Load(), took)
}
