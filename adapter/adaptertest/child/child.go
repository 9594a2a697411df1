// Package child starts processes that must not outlive the test that started them,
// however that ends.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts a command that gets a signal when this process ends; ended is closed
// when the command has ended and was waited for.
//
// The kernel sends the signal when the very thread ends that started the command, and
// Go ends a thread with the goroutine that is locked to it, so the command has one of
// its own.
func Start(cmd *exec.Cmd, signal syscall.Signal) (ended <-chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = signal
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in cmd.ProcessState
			close(done)
		}
	}()
	return done, <-started
}
