package systemd

import "github.com/ripcord-dev/ripcord"

// Local is the machine that a scope without machines has.
func Local() ripcord.Machine { return local{} }
