package keeper

import (
	"context"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// shutdownAnswer is how long systemd may take to say whether it shuts down.
const shutdownAnswer = 5 * time.Second

// shuttingDown asks systemd whether it shuts this machine down; where there is no
// systemd, nobody does.
func shuttingDown(ctx context.Context) bool {
	limited, done := context.WithTimeout(ctx, shutdownAnswer)
	defer done()
	out, _ := exec.CommandContext(limited, "systemctl", "is-system-running").Output() // its status is one of the state
	return strings.TrimSpace(string(out)) == "stopping"
}

// suspend ends the executors when the machine is being shut down. They outlive
// their keeper otherwise, and would take the services that are stopped now for bad
// ones, go back in a machine that starts nothing any more, and hold its end up. To
// the next executor theirs is a death like any other.
func (k *keeper) suspend(ctx context.Context) {
	if !k.ShuttingDown(ctx) {
		return
	}
	living, err := executors(k.Dir, k.Proc)
	if err != nil {
		k.Log.ErrorContext(ctx, "executors cannot be ended before the machine is", slog.Any("error", err))
		return
	}
	for _, e := range living {
		k.Log.InfoContext(ctx, "the machine shuts down: the run goes on after its next boot", slog.String("run", string(e.Run)))
		_ = k.Proc.Signal(e.Identity, unix.SIGKILL) // it may have ended
	}
}
