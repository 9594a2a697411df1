package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// able fails where no container could be started: a network that is not there, a
// name that somebody else has, colours that are both in use.
func (s *Step) able(ctx context.Context, e *engine, all []container) error {
	if err := s.joinable(ctx, e); err != nil {
		return err
	}
	if err := s.namesFree(ctx, e); err != nil {
		return err
	}
	_, err := s.chooser(e).Colour(known(all))
	return asPlan(err)
}

// refusedIn is an error of CodePlan where the engine cannot be used.
func refusedIn(err error) error {
	if e, ok := errors.AsType[*ripcord.Error](err); ok {
		return ripcord.Errorf(ripcord.CodePlan, "%s", e.Message).WithFix("%s", e.Fix)
	}
	return refused(err, ripcord.CodePlan)
}

// asPlan is a failure that is known before the run.
func asPlan(err error) error {
	if failure, ok := errors.AsType[*ripcord.Failure](err); ok {
		return ripcord.Errorf(ripcord.CodePlan, "%s", failure.Summary)
	}
	return err
}

// joinable fails where a network is missing.
func (s *Step) joinable(ctx context.Context, e *engine) error {
	for _, name := range s.settings.Networks {
		if service.Open(name) || s.settings.hosted() {
			continue
		}
		err := e.call(ctx, http.MethodGet, "/networks/"+url.PathEscape(name), nil, nil, nil)
		if answered(err, http.StatusNotFound) {
			return ripcord.Errorf(ripcord.CodePlan, "the Docker engine%s has no network %q, which service %s is to join", e.where(), name, s.settings.Service).
				WithFix("make it: docker network create %s; or correct networks", name)
		}
		if err != nil {
			return refusedIn(err)
		}
	}
	return nil
}

// namesFree fails where a container that is not ours has the name of one to come.
func (s *Step) namesFree(ctx context.Context, e *engine) error {
	for _, colour := range []string{service.Blue, service.Green} {
		for number := 1; number <= s.settings.Instances; number++ {
			name := s.containerName(colour, number)
			c, err := e.inspect(ctx, name)
			if answered(err, http.StatusNotFound) {
				continue
			}
			if err != nil {
				return refusedIn(err)
			}
			if c.Application != s.scope.Application || c.Environment != s.scope.Environment || c.Service != s.settings.Service {
				return ripcord.Errorf(ripcord.CodePlan, "a container %s is there and belongs to something else", name).
					WithFix("remove it (docker rm -f %s), or rename the service", name)
			}
		}
	}
	return nil
}

// Pin looks up the digest of the image's tag, and fails where no container could
// be started of it.
func (s *Step) Pin(ctx context.Context) (json.RawMessage, error) {
	e, all, err := s.service(ctx)
	if err != nil {
		return nil, refusedIn(err)
	}
	if err := s.able(ctx, e, all); err != nil {
		return nil, err
	}
	r, err := parseReference(s.settings.Image)
	if err != nil {
		return s.raw, nil //nolint:nilerr // an earlier step tells the image
	}
	from, err := s.source(ctx, e)
	if err != nil {
		return nil, err
	}
	name, err := from.pin(ctx, r)
	if err == nil {
		err = s.checksHealth(ctx, e, name)
	}
	if err != nil {
		return nil, refusedIn(err)
	}
	if name == s.settings.Image {
		return s.raw, nil
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(s.raw, &settings); err != nil {
		return nil, err
	}
	for key, text := range map[string]string{"image": name, "tag": s.settings.Image} {
		if settings[key], err = json.Marshal(text); err != nil {
			return nil, err
		}
	}
	return json.Marshal(settings)
}
