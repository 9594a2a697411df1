package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Stamp implements ripcord.Stamper. Where we have no proxy, the stamp is that of
// whatever proxy has the address: it may be another state directory's. What
// would refuse the step later refuses it here already, with CodeRefused, because
// a release asks this of all steps before the first of them.
func (s *Step) Stamp(ctx context.Context) (*ripcord.Stamp, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if !v.live {
		if claim := dataplane.ReadClaim(ctx, s.settings.Listen); claim != nil && claim.Directory != s.dir {
			return claim.Stamp, nil
		}
	}
	if v.state == nil {
		return nil, nil //nolint:nilnil // the contract: nil when it has none
	}
	return v.state.Stamp, nil
}

// usable reports why the listener could not serve.
func (s *Step) usable() error {
	if s.settings.TLS == nil {
		return nil
	}
	return s.settings.TLS.Usable(s.scope.Now())
}

// SetStamp implements ripcord.Stamper. A proxy that does not run yet gets the
// stamp when Apply or Undo starts it.
func (s *Step) SetStamp(ctx context.Context, stamp ripcord.Stamp) error {
	if err := s.unclaimed(ctx, s.settings.Listen); err != nil {
		return err
	}
	err := s.client.SetStamp(ctx, stamp)
	if errors.Is(err, dataplane.ErrNotRunning) {
		s.pending = &stamp
		return nil
	}
	return err
}

// stampPending writes the stamp that waited for the proxy.
func (s *Step) stampPending(ctx context.Context) error {
	if s.pending == nil {
		return nil
	}
	if err := s.client.SetStamp(ctx, *s.pending); err != nil {
		return fmt.Errorf("stamp the proxy: %w", err)
	}
	s.pending = nil
	return nil
}
