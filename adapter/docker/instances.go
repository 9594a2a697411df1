package docker

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// shown tells how a container of the service is kept.
func (s *Step) shown(c *container) *service.Kept {
	command := "docker "
	if socket := s.settings.Socket; socket != defaultSocket {
		command += "-H unix://" + socket + " "
	}
	return &service.Kept{
		Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service,
		Runtime: Kind, Machine: s.settings.Machine, Log: command + "logs " + c.Name,
		Running: c.running(), Restarts: c.Restarts,
	}
}

// Instances implements ripcord.Runtime. A container that was stopped to make room, and
// is there for the way back only, is none.
func (s *Step) Instances(ctx context.Context) ([]ripcord.InstanceStatus, error) {
	_, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]ripcord.InstanceStatus, 0, len(all))
	for i, as := range known(all) {
		if !all[i].stopped() || !all[i].never() {
			list = append(list, s.shown(&all[i]).Status(&as))
		}
	}
	return list, nil
}

// Tail implements ripcord.Runtime.
func (s *Step) Tail(ctx context.Context, id string, lines int) ([]string, error) {
	e, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	for i, as := range known(all) {
		if s.shown(&all[i]).ID(&as) == id {
			return e.tail(ctx, &all[i], lines)
		}
	}
	return nil, service.Unknown(id)
}
