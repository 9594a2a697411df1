package systemd

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// shown tells how a unit of the service is kept.
func (s *Step) shown(u *unit) *service.Kept {
	return &service.Kept{
		Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service,
		Runtime: Kind, Machine: s.settings.Machine, Log: "journalctl -u " + u.Name,
		Running: u.running(), Restarts: u.Restarts,
	}
}

// Instances implements ripcord.Runtime.
func (s *Step) Instances(ctx context.Context) ([]ripcord.InstanceStatus, error) {
	_, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]ripcord.InstanceStatus, len(all))
	for i, as := range known(all) {
		list[i] = s.shown(&all[i]).Status(&as)
	}
	return list, nil
}

// Tail implements ripcord.Runtime.
func (s *Step) Tail(ctx context.Context, id string, lines int) ([]string, error) {
	h, all, err := s.service(ctx)
	if err != nil {
		return nil, err
	}
	for i, as := range known(all) {
		if s.shown(&all[i]).ID(&as) == id {
			return h.tail(ctx, &all[i], lines)
		}
	}
	return nil, service.Unknown(id)
}
