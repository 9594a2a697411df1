package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/ripcord-dev/ripcord/procfs"
)

// own is a shim that this very process started.
type own struct {
	id procfs.Identity
	// news gets a value when there is something new in the folder, and is
	// closed when there is a result or the shim is dead.
	news chan struct{}
	// dead is closed when the shim has ended.
	dead chan struct{}
	// leash, when not nil, keeps a leashed command alive while it is open.
	leash *os.File
}

// launch starts a shim for the folder and hands it the spec. It returns as soon
// as the shim has everything that it needs to go on alone.
func launch(ctx context.Context, self, dir string, s spec, proc procfs.FS) (*own, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("start shim: %w", err)
	}
	in, news, cmd, err := command(ctx, self, dir)
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start shim: %w", errors.Join(err, in.Close(), news.Close(), closeAll(cmd)))
	}
	err = closeAll(cmd)
	o := &own{news: make(chan struct{}, 1), dead: make(chan struct{}), leash: in}
	id, idErr := proc.Of(cmd.Process.Pid) // it can't be reaped yet
	o.id = id
	go o.listen(news)
	go func() {
		_ = cmd.Wait()
		close(o.dead)
	}()
	_, writeErr := in.Write(data)
	if !s.Leashed || writeErr != nil {
		err = errors.Join(err, in.Close())
		o.leash = nil
	}
	if err = errors.Join(err, idErr, writeErr); err != nil {
		_ = cmd.Process.Kill()
		<-o.dead
		return nil, fmt.Errorf("start shim: %w", err)
	}
	return o, nil
}

// command prepares the shim's process. The ends that the shim gets are in cmd.
func command(ctx context.Context, self, dir string) (in, news *os.File, cmd *exec.Cmd, err error) {
	inRead, in, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("start shim: %w", err)
	}
	news, newsWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("start shim: %w", errors.Join(err, inRead.Close(), in.Close()))
	}
	trouble, err := os.OpenFile(pathIn(dir, troubleFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("start shim: %w", errors.Join(err, inRead.Close(), in.Close(), news.Close(), newsWrite.Close()))
	}
	// The shim outlives us on purpose, so no context ends it.
	cmd = exec.CommandContext(context.WithoutCancel(ctx), procfs.Executable(self), "__shim", dir) // #nosec G204 -- our own binary
	cmd.Args[0] = self
	cmd.Dir = "/"
	cmd.Env = []string{Environment + "=" + dir}
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = inRead, trouble, []*os.File{newsWrite}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return in, news, cmd, nil
}

// closeAll closes our copies of what the shim got.
func closeAll(cmd *exec.Cmd) error {
	var errs []error
	for _, f := range []any{cmd.Stdin, cmd.Stderr, cmd.ExtraFiles[0]} {
		if file, ok := f.(*os.File); ok {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

func (o *own) listen(from *os.File) {
	defer func() {
		close(o.news)
		_ = from.Close()
	}()
	buffer := make([]byte, 4096)
	for {
		if _, err := from.Read(buffer); err != nil {
			return
		}
		select {
		case o.news <- struct{}{}:
		default:
		}
	}
}

// letGo ends the leash, if there is one.
func (o *own) letGo() {
	if o != nil && o.leash != nil {
		_ = o.leash.Close()
		o.leash = nil
	}
}
