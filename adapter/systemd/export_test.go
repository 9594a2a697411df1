package systemd

import (
	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/machine"
)

// Local is the machine that a scope without machines has.
func Local() ripcord.Machine { return machine.Local{} }
