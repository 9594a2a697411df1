package service

import (
	"strconv"

	"github.com/ripcord-dev/ripcord"
)

// Kept tells who keeps an instance alive.
type Kept struct {
	Application, Environment, Service string
	// Runtime is docker, for example; Machine is empty for this one.
	Runtime, Machine string
	// Log is the command that shows the log.
	Log      string
	Running  bool
	Restarts int
}

// ID names an instance unlike all others, whatever machine it is on.
func (k *Kept) ID(i *Instance) string {
	id := k.Application + "/" + k.Environment + "/" + k.Service + "/" + i.Colour + "/" + strconv.Itoa(i.Number)
	if k.Machine != "" {
		id += "@" + k.Machine
	}
	return id
}

// Status is what is known of an instance.
func (k *Kept) Status(i *Instance) ripcord.InstanceStatus {
	return ripcord.InstanceStatus{
		ID: k.ID(i), Running: k.Running, Restarts: k.Restarts, Log: k.Log,
		Labels: map[string]string{
			"application": k.Application, "environment": k.Environment, "service": k.Service,
			"colour": i.Colour, "version": i.Version, "run": i.Run, "address": i.Address,
			"runtime": k.Runtime, "machine": k.Machine,
		},
	}
}

// Unknown is the error for an instance that is not there.
func Unknown(id string) error {
	return ripcord.Errorf(ripcord.CodeNotFound, "there is no instance %s any more", id).WithFix("look with: ripcord status")
}
