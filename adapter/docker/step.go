package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/machine"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Step deploys one service.
type Step struct {
	id       ripcord.StepID
	settings Settings
	scope    ripcord.Scope
	raw      json.RawMessage
}

// engine connects to the engine of the service's machine.
func (s *Step) engine(ctx context.Context) (*engine, error) {
	var on ripcord.Machine = machine.Local{}
	if s.scope.Machines != nil {
		var err error
		if on, err = s.scope.Machines.Machine(ctx, s.settings.Machine); err != nil {
			return nil, err
		}
	}
	return connect(ctx, on, s.settings.Socket)
}

// service returns the engine and the service's containers.
func (s *Step) service(ctx context.Context) (*engine, []container, error) {
	e, err := s.engine(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := e.of(ctx, s.scope.Application, s.scope.Environment, s.settings.Service)
	if err != nil {
		return nil, nil, fmt.Errorf("list the containers of %s: %w", s.settings.Service, err)
	}
	return e, all, nil
}

// Apply starts this run's containers in the free colour and waits until all are
// healthy. Containers of other runs are left alone.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	return s.patiently(ctx, a, func() error {
		err := s.apply(ctx, a)
		if ripcord.CodeOf(err) == ripcord.CodePlan && err != nil { // the image, or what it lacks
			if e, ok := errors.AsType[*ripcord.Error](err); ok {
				return &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: e.Message + "; " + e.Fix}
			}
		}
		return err
	})
}

func (s *Step) apply(ctx context.Context, a ripcord.Attempt) error {
	e, all, err := s.service(ctx)
	if err != nil {
		return err
	}
	if s.settings.Replace != nil {
		return s.replace(ctx, a, e, all)
	}
	p, err := s.settle(ctx, a, e, all)
	if err != nil {
		return err
	}
	if err := s.bring(ctx, e, p.Image, a); err != nil {
		return err
	}
	r := runner{s, e, p.Image}
	w := &service.Watch{Runtime: r, Chooser: s.chooser(e), Health: &s.settings.Health.Health, Dial: s.dial(e), Attempt: a, Place: p}
	if err := r.start(ctx, w, all, (&service.Replace{}).New(s.settings.Instances)); err != nil {
		return err
	}
	service.Note(a.Output, "%s of %s started in %s on %s", service.Plural(s.settings.Instances, "container"), s.settings.Service, p.Colour, p.Addresses())
	if err := w.Wait(ctx); err != nil {
		return err
	}
	service.Note(a.Output, "all are healthy")
	return nil
}

// Undo stops and removes exactly the containers of this run that the step has
// started, and starts those again that it has stopped.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	err := s.removeThose(ctx, a, func(c *container) bool { return s.mine(c) && s.covers(c) })
	if err != nil || s.settings.Replace == nil {
		return err
	}
	return s.patiently(ctx, a, func() error { return s.restore(ctx, a) })
}

// Finish stops and removes the service's containers of all other runs: the
// release is committed, and no way back needs them any more.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	return s.removeThose(ctx, a, func(c *container) bool { return !s.mine(c) && s.covers(c) })
}

func (s *Step) removeThose(ctx context.Context, a ripcord.Attempt, chosen func(c *container) bool) error {
	return s.patiently(ctx, a, func() error {
		e, all, err := s.service(ctx)
		if err != nil {
			return err
		}
		results := make([]error, len(all))
		var wait sync.WaitGroup
		for i := range all {
			c := &all[i]
			if !chosen(c) {
				continue
			}
			service.Note(a.Output, "stopping and removing %s of %s %s", c.Name, s.settings.Service, c.Version)
			wait.Go(func() {
				if err := e.remove(ctx, c.ID); err != nil {
					results[i] = fmt.Errorf("remove %s: %w", c.Name, err)
				}
			})
		}
		wait.Wait()
		return errors.Join(results...)
	})
}

// mine reports whether this step's run started the container.
func (s *Step) mine(c *container) bool { return c.Run == string(s.scope.Run) }

// own returns the containers of this run.
func (s *Step) own(all []container) []container {
	return slices.DeleteFunc(slices.Clone(all), func(c container) bool { return !s.mine(&c) })
}

// labels are those of one of this run's containers; number 0 is none.
func (s *Step) labels(colour string, number int) labels {
	configured := s.settings
	configured.Replace = nil // which step started it is no property of a container
	return labels{
		Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service,
		Colour: colour, Number: number, Run: string(s.scope.Run), Step: string(s.id), Version: s.scope.Version,
		Configuration: service.Digest(configured),
	}
}

func (s *Step) containerName(colour string, number int) string {
	l := s.labels(colour, number)
	return l.name()
}

// chooser finds places for this run's containers. A port is free where nobody
// answers and to no container it is given.
func (s *Step) chooser(e *engine) *service.Chooser {
	unanswered := service.UnansweredAt(e.machine, s.settings.Address)
	return &service.Chooser{
		Service: s.settings.Service, Run: s.scope.Run, Instances: s.settings.Instances, Ports: s.settings.ports,
		Host: s.settings.Address, ID: s.containerName,
		Free: func(ctx context.Context, port int) bool {
			all, err := e.list(ctx, nil)
			if err != nil {
				return false
			}
			for i := range all {
				for _, given := range all[i].Ports {
					if given.PublicPort == port {
						return false
					}
				}
			}
			return unanswered(ctx, port)
		},
		Any: service.AnyPort,
	}
}

// settle returns the place of this run, and the image to start there.
func (s *Step) settle(ctx context.Context, a ripcord.Attempt, e *engine, all []container) (service.Place, error) {
	before := known(all)
	if a.Before.Exact {
		sets, err := parseImage(a.Before.Image)
		if err != nil {
			return service.Place{}, err
		}
		before = nil
		for _, have := range sets {
			before = append(before, service.Instance{Colour: have.Colour, Run: have.Run})
		}
	}
	p, err := s.chooser(e).Settle(ctx, a, before, known(all))
	if err != nil || p.Image != "" {
		return p, err
	}
	if p.Image, err = s.pinned(ctx, e); err != nil {
		return p, err
	}
	return p, a.Record(ctx, p)
}

// pinned is the image by its digest or id: the one that the plan has frozen, or
// the one that an earlier step told of.
func (s *Step) pinned(ctx context.Context, e *engine) (string, error) {
	r, err := parseReference(s.settings.Image)
	if err != nil {
		return "", ripcord.Errorf(ripcord.CodePlan, "image %q: %w", s.settings.Image, err).WithFix("let the step that makes it output a name, registry/name:tag, or an id, sha256:...")
	}
	if r.digest != "" {
		return r.String(), nil
	}
	from, err := s.source(ctx, e)
	if err != nil {
		return "", err
	}
	return from.pin(ctx, r)
}

// source is where this step's image comes from.
func (s *Step) source(ctx context.Context, e *engine) (*source, error) {
	from := &source{engine: e, pull: s.settings.Pull}
	if s.settings.Registry == nil {
		return from, nil
	}
	login := *s.settings.Registry
	for _, text := range []*string{&login.Username, &login.Password} {
		expanded, _, err := s.scope.Secrets.Expand(ctx, *text)
		if err != nil {
			return nil, err
		}
		*text = expanded
	}
	from.login = &login
	return from, nil
}

// bring makes sure that the image is here and has what is asked of it.
func (s *Step) bring(ctx context.Context, e *engine, name string, a ripcord.Attempt) error {
	from, err := s.source(ctx, e)
	if err != nil {
		return err
	}
	if err := from.bring(ctx, name, a.Output); err != nil {
		return err
	}
	return s.checksHealth(ctx, e, name)
}

// checksHealth fails where the image's own health check is asked for and there is
// none.
func (s *Step) checksHealth(ctx context.Context, e *engine, name string) error {
	if !s.settings.Health.Docker {
		return nil
	}
	found, err := e.image(ctx, name)
	if err != nil || found == nil || found.checksHealth() {
		return err
	}
	return ripcord.Errorf(ripcord.CodePlan, "the image %s brings no health check of its own", s.called()).
		WithFix("add a HEALTHCHECK to its Dockerfile, or ask with health: {http: ...} instead")
}

// called is how people call the image.
func (s *Step) called() string {
	if s.settings.Tag != "" {
		return s.settings.Tag
	}
	return s.settings.Image
}
