package adaptertest

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Supervisor runs instances as children. It does not restart one that exits: its
// status then says so.
type Supervisor struct {
	logs      string
	now       func() time.Time
	mu        sync.Mutex
	instances map[string]*instance
}

type instance struct {
	spec   ripcord.Instance
	status ripcord.InstanceStatus
	ended  chan struct{}
}

// NewSupervisor returns a supervisor that keeps its logs in a folder.
func NewSupervisor(logs string, now func() time.Time) *Supervisor {
	return &Supervisor{logs: logs, now: now, instances: make(map[string]*instance)}
}

// Start runs the instance unless it runs already with the same spec. One that is
// wanted with another spec is refused with CodeRefused.
func (s *Supervisor) Start(ctx context.Context, i ripcord.Instance) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	old := s.instances[i.ID]
	s.mu.Unlock()
	if old != nil {
		if !reflect.DeepEqual(old.spec, i) {
			return ripcord.Errorf(ripcord.CodeRefused, "instance %s is there already with another spec", i.ID).WithFix("stop it first")
		}
		if old.alive() {
			return nil
		}
		if err := s.Stop(ctx, i.ID); err != nil {
			return err
		}
	}
	path := filepath.Join(s.logs, strings.ReplaceAll(i.ID, "/", "_")+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // a path of the test
	if err != nil {
		return err
	}
	cmd := exec.Command(i.Args[0], i.Args[1:]...) //nolint:gosec,noctx // instances outlive the context
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = i.Dir, i.Env, log, log
	credential, err := credentialOf(i.User)
	if err != nil {
		return errors.Join(err, log.Close())
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	n := &instance{spec: i, ended: make(chan struct{}), status: ripcord.InstanceStatus{
		ID: i.ID, Labels: i.Labels, Running: true, PID: cmd.Process.Pid, StartedAt: s.now(), Log: path,
	}}
	s.mu.Lock()
	s.instances[i.ID] = n
	s.mu.Unlock()
	go s.wait(cmd, n)
	return log.Close()
}

// wait notes how an instance ended.
func (s *Supervisor) wait(cmd *exec.Cmd, n *instance) {
	err := cmd.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	exit := ripcord.Exit{StartedAt: n.status.StartedAt, EndedAt: s.now(), Code: cmd.ProcessState.ExitCode()}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && err != nil && status.Signaled() {
		exit.Signal = status.Signal().String()
	}
	n.status.Running, n.status.PID, n.status.LastExit = false, 0, &exit
	close(n.ended)
}

func (n *instance) alive() bool {
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// Stop ends the instance and its process group.
func (s *Supervisor) Stop(_ context.Context, id string) error {
	s.mu.Lock()
	n := s.instances[id]
	pid := 0
	if n != nil {
		pid = n.status.PID
	}
	s.mu.Unlock()
	if n == nil {
		return nil
	}
	if pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGTERM) // it may have ended in this moment
		grace := time.NewTimer(max(n.spec.Grace.Std(), time.Second))
		defer grace.Stop()
		select {
		case <-n.ended:
		case <-grace.C:
		}
		_ = syscall.Kill(-pid, syscall.SIGKILL) // the rest of the group
		<-n.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.instances, id)
	return nil
}

// List returns the instances whose ID starts with prefix.
func (s *Supervisor) List(ctx context.Context, prefix string) ([]ripcord.InstanceStatus, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []ripcord.InstanceStatus
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		if strings.HasPrefix(id, prefix) {
			found = append(found, s.instances[id].status)
		}
	}
	return found, nil
}

// Recall returns an instance as it was started.
func (s *Supervisor) Recall(_ context.Context, id string) (ripcord.Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.instances[id]
	if n == nil {
		return ripcord.Instance{}, ripcord.Errorf(ripcord.CodeNotFound, "no instance %s is wanted", id)
	}
	return n.spec, nil
}

// Tail returns the newest lines of the instance's log, without its secrets.
func (s *Supervisor) Tail(_ context.Context, id string, lines int) ([]string, error) {
	s.mu.Lock()
	n := s.instances[id]
	s.mu.Unlock()
	if n == nil {
		return nil, nil
	}
	data, err := os.ReadFile(n.status.Log)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(data), "\n")
	for _, secret := range n.spec.Secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-lines):], nil
}

// Close stops all instances.
func (s *Supervisor) Close() {
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.instances))
	s.mu.Unlock()
	for _, id := range ids {
		_ = s.Stop(context.Background(), id) // stopping cannot fail here
	}
}
