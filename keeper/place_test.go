package keeper

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

// blobs keeps blobs in a folder, unreadable at first sight.
type blobs string

func (b blobs) Put(_ context.Context, run ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	ref := ripcord.BlobRef{Path: "blob-" + string(run) + "-" + name, Digest: b.Digest(data), Size: int64(len(data))}
	return ref, os.WriteFile(filepath.Join(string(b), ref.Path), []byte(base64.StdEncoding.EncodeToString(data)), 0o600)
}

func (b blobs) Open(_ context.Context, ref ripcord.BlobRef) (io.ReadCloser, error) {
	text, err := os.ReadFile(filepath.Join(string(b), ref.Path))
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(string(text))
	return io.NopCloser(bytes.NewReader(data)), err
}

func (b blobs) Delete(_ context.Context, ref ripcord.BlobRef) error {
	return os.RemoveAll(filepath.Join(string(b), ref.Path))
}

func (b blobs) Digest(data []byte) string {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil))
}

// place is a state directory of which nothing runs after the test.
type place struct {
	*testing.T
	dir, self string
	s         *Supervisor
}

func newPlace(t *testing.T) *place {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{T: t, dir: t.TempDir(), self: self}
	p.s = p.supervisor()
	t.Cleanup(p.clean)
	return p
}

func (p *place) supervisor() *Supervisor {
	return NewSupervisor(SupervisorOptions{Dir: p.dir, Self: p.self, Blobs: blobs(p.dir)})
}

func (p *place) clean() {
	ctx := context.Background()
	if err := Stop(ctx, p.dir); err != nil {
		p.Error(err)
	}
	all, _ := wanted(p.dir, "")
	for _, r := range all {
		if err := p.s.Stop(ctx, r.ID); err != nil {
			p.Error(err)
		}
	}
	_ = os.WriteFile(filepath.Join(p.dir, "gate"), nil, 0o600)
	if !eventually(func() bool { return len(p.ours()) == 0 }) {
		p.Errorf("left running: %+v", p.ours())
		if log, err := os.ReadFile(filepath.Join(p.dir, logFile)); err == nil {
			p.Log(string(log))
		}
	}
}

// ours are all processes that belong to the state directory.
func (p *place) ours() []procfs.Process {
	tree, err := procfs.System().Tree()
	if err != nil {
		p.Fatal(err)
	}
	return tree.Where(func(q procfs.Process) bool {
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", q.PID))
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", q.PID))
		return q.PID != os.Getpid() && bytes.Contains(append(environ, cmdline...), []byte(p.dir))
	})
}

func eventually(ok func() bool) bool {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(3 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

func (p *place) waitFor(what string, ok func() bool) {
	p.Helper()
	if !eventually(ok) {
		log, _ := os.ReadFile(filepath.Join(p.dir, logFile))
		p.Fatalf("waited in vain for %s; the keeper's log:\n%s", what, log)
	}
}

func (p *place) ensure() procfs.Identity {
	p.Helper()
	if err := Ensure(p.Context(), p.dir, p.self); err != nil {
		p.Fatal(err)
	}
	info, err := Status(p.dir)
	if err != nil || !info.Running {
		p.Fatalf("%+v %v", info, err)
	}
	return info.Keeper
}

func (p *place) start(i ripcord.Instance) {
	p.Helper()
	if err := p.s.Start(p.Context(), i); err != nil {
		p.Fatal(err)
	}
}

func (p *place) status(id string) ripcord.InstanceStatus {
	p.Helper()
	all, err := p.s.List(p.Context(), id)
	if err != nil || len(all) != 1 {
		p.Fatalf("%+v %v", all, err)
	}
	return all[0]
}

func (p *place) kill(id procfs.Identity) {
	p.Helper()
	if err := procfs.Signal(id, unix.SIGKILL); err != nil {
		p.Fatal(err)
	}
	if err := procfs.System().Wait(p.Context(), id); err != nil {
		p.Fatal(err)
	}
}

func (p *place) killPID(pid int) {
	p.Helper()
	id, err := procfs.Of(pid)
	if err != nil {
		p.Fatal(err)
	}
	p.kill(id)
}

func script(id, text string) ripcord.Instance {
	return ripcord.Instance{
		ID: id, Args: []string{"sh", "-c", text}, Dir: "/", Grace: ripcord.Duration(5 * time.Second),
		Env: []string{"PATH=/usr/bin:/bin", "PASSWORD=hunter2-secret"}, Labels: map[string]string{"colour": "blue"},
		Secrets: []string{"hunter2-secret"},
	}
}

const serve = "echo serving; while :; do sleep 0.05; done"
