package planfile

import (
	"net"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// machineSettings are those of a deploy step on another machine.
type machineSettings struct {
	Machine string `json:"machine,omitempty"`
	Address string `json:"address,omitempty"`

	// addresses are those of the machines that the service runs on.
	addresses map[string]string
}

// on is the same deployment on one machine.
func (s deploySettings) on(machine string) any {
	s.Machine, s.Address = machine, s.addresses[machine]
	return s
}

// readServiceMachines reads the machines of a service.
func (d *decoder) readServiceMachines(s *service, n *node) {
	s.machines = d.machineNames(n)
	s.settings.addresses = map[string]string{}
	for _, name := range s.machines {
		s.settings.addresses[name] = addressOf(d.machines[name].spec)
	}
	s.machinesAt = n
}

// checkServiceMachines refuses what cannot run on another machine.
func (d *decoder) checkServiceMachines(s *service) {
	if s.machinesAt == nil || s.runtime == "systemd" || s.runtime == "docker" {
		return
	}
	d.add(s.machinesAt.at, 1, "add `runtime: systemd` or `runtime: docker`, or remove it", "a service runs on other machines with systemd or docker only, in this version")
}

// deployOn makes a deploy step one on the service's machines.
func (d *decoder) deployOn(s *step, of *service) {
	s.machines = of.machines
	if len(of.machines) == 1 {
		s.settings, s.machines = of.settings.on(of.machines[0]), nil
	}
}

// addressOf is where a machine's services are reached: its own address, else the
// host of its SSH server.
func addressOf(spec ripcord.MachineSpec) string {
	if spec.Address != "" {
		return spec.Address
	}
	server := spec.SSH[strings.LastIndex(spec.SSH, "@")+1:]
	if host, _, err := net.SplitHostPort(server); err == nil {
		return host
	}
	return strings.Trim(server, "[]")
}
