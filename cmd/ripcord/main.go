// Command ripcord releases with a way back. This file is the process edge:
// arguments, environment, signals and exit code, and the parts that the binary
// becomes when it starts itself again.
package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/cli"
	"github.com/ripcord-dev/ripcord/shim"
)

// version is set by the build.
var version = "unknown"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		return shim.Main(os.Args[2], time.Now)
	}
	if len(os.Args) > 2 && os.Args[1] == "__proxy" {
		return dataplane.Main(context.Background(), os.Args[2:], os.Stderr, time.Now)
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	// Neither a terminal that goes away nor a reader that has seen enough stops a
	// run. The signals are caught, not ignored, so that commands of steps start
	// with the usual behaviour.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return cli.Run(context.Background(), &cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Environ: os.Environ, Self: self, Version: version, User: who(), Root: os.Geteuid() == 0,
		Terminal: term.IsTerminal(int(os.Stdout.Fd())), Signals: signals, Now: time.Now,
		Width: func() int {
			width, _, err := term.GetSize(int(os.Stdout.Fd()))
			if err != nil {
				return 80
			}
			return width
		},
	})
}

// who is the person behind the process: whoever called sudo, else the user.
func who() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
