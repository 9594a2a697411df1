package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// runner is the engine as whoever follows instances sees it.
type runner struct {
	step   *Step
	engine *engine
	image  string
}

// together is how many containers are started at once.
const together = 8

// start starts the containers with these numbers. One that an earlier attempt left is kept when it
// is healthy; otherwise it gives way to a new one, for how that attempt failed is
// no failure of this one.
func (r runner) start(ctx context.Context, w *service.Watch, all []container, numbers []int) error {
	own := r.step.own(all)
	restarts, results := make([]int, len(numbers)), make([]error, len(numbers))
	room := make(chan struct{}, together)
	var wait sync.WaitGroup
	for i, number := range numbers {
		wait.Go(func() {
			room <- struct{}{}
			restarts[i], results[i] = r.begin(ctx, w.Place, number, own)
			<-room
		})
	}
	wait.Wait()
	for i, number := range numbers {
		w.Follow(number, restarts[i])
	}
	return errors.Join(results...)
}

// begin starts a container unless it fits; it returns how often the one that was
// kept has been started again.
func (r runner) begin(ctx context.Context, p service.Place, number int, own []container) (restarts int, err error) {
	for i := range own {
		old := &own[i]
		if old.Number != number {
			continue
		}
		if r.fit(ctx, old, p) {
			return old.Restarts, nil
		}
		if err := r.engine.remove(ctx, old.ID); err != nil {
			return 0, fmt.Errorf("remove %s: %w", old.Name, err)
		}
	}
	return 0, r.Order(ctx, p, number)
}

// fit reports whether a container is what would be started now, and healthy.
func (r runner) fit(ctx context.Context, c *container, p service.Place) bool {
	want := r.step.labels(p.Colour, c.Number)
	return c.running() && c.Address == p.Address(c.Number) && c.Configuration == want.Configuration && r.step.says(c) == "" &&
		r.step.settings.Health.Probe(ctx, r.step.dial(r.engine), c.Address) == nil
}

// Order creates and starts a container. That its port is taken or its program
// ends at once is no error here: whoever looks sees it.
func (r runner) Order(ctx context.Context, p service.Place, number int) error {
	d, err := r.step.definition(ctx, r.image, p, number)
	if err != nil {
		return err
	}
	id, err := r.engine.create(ctx, d)
	if answered(err, http.StatusConflict) && id == "" {
		if err := r.evict(ctx, d.name); err != nil {
			return err
		}
		id, err = r.engine.create(ctx, d)
	}
	if err == nil {
		err = r.step.launch(ctx, r.engine, id)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil || clash(err.Error()):
		return nil
	case away(err):
		return err
	}
	return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: fmt.Sprintf("%s could not be started: %s", d.name, d.mask(plainStart(err.Error())))}
}

// evict removes what has the name of one of our containers, when it is ours: the
// engine may have made it for an executor that died meanwhile.
func (r runner) evict(ctx context.Context, name string) error {
	c, err := r.engine.inspect(ctx, name)
	if answered(err, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	want := r.step.labels("", 0)
	if c.Run != want.Run || c.Application != want.Application || c.Environment != want.Environment || c.Service != want.Service {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: taken(name)}
	}
	return r.engine.remove(ctx, c.ID)
}

func taken(name string) string {
	return "a container " + name + " is there and belongs to something else: remove it (docker rm -f " + name + "), or rename the service"
}

// Halt stops and removes one.
func (r runner) Halt(ctx context.Context, p service.Place, number int) error {
	err := r.engine.remove(ctx, r.step.containerName(p.Colour, number))
	if err != nil {
		return fmt.Errorf("remove %s: %w", r.step.containerName(p.Colour, number), err)
	}
	return nil
}

// Look tells how this run's containers fare. While the engine is away nothing is
// known to have ended.
func (r runner) Look(ctx context.Context) (map[int]service.Status, error) {
	now := map[int]service.Status{}
	_, all, err := r.step.service(ctx)
	if away(err) {
		for number := range r.step.settings.Instances {
			now[number+1] = service.Status{Sick: err.Error()}
		}
		return now, nil
	}
	if err != nil {
		return nil, err
	}
	for _, c := range r.step.own(all) {
		now[c.Number] = service.Status{Running: c.running(), Ended: c.ended(), Sick: r.step.says(&c), Restarts: c.Restarts}
	}
	return now, nil
}

// says is what the engine says against a container's health, where that counts.
func (s *Step) says(c *container) string {
	h := &s.settings.Health
	asked := h.HTTP != "" || h.TCP || h.GRPC != nil || h.SQL != nil || h.Command != nil
	if asked && !h.Docker && c.running() {
		return ""
	}
	return c.sick()
}

// Name is the container's.
func (r runner) Name(p service.Place, number int) string {
	return r.step.containerName(p.Colour, number)
}

// Tail returns the end of its log.
func (r runner) Tail(ctx context.Context, p service.Place, number, lines int) []string {
	return r.engine.lastWords(ctx, r.Name(p, number), lines)
}

// Dead tells how a container ended.
func (r runner) Dead(ctx context.Context, p service.Place, number int) *ripcord.Failure {
	name := r.Name(p, number)
	c, err := r.engine.inspect(ctx, name)
	if answered(err, http.StatusNotFound) {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: name + " was removed by somebody else"}
	}
	if err != nil {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: name + " ended before it was healthy"}
	}
	failure := &ripcord.Failure{
		Class:   ripcord.FailedCommand,
		Summary: fmt.Sprintf("%s %s before it was healthy", name, c.exit(r.step.settings.Limits.Memory)),
	}
	if c.State.Error == "" {
		failure.Exit = &ripcord.Exit{Code: c.State.ExitCode}
	}
	return failure
}

// definition makes one container.
func (s *Step) definition(ctx context.Context, image string, p service.Place, number int) (*definition, error) {
	set := &s.settings
	l := s.labels(p.Colour, number)
	l.Address = p.Address(number)
	port := set.Port
	if port == 0 {
		port = p.Ports[number-1]
	}
	inside := net.JoinHostPort("0.0.0.0", strconv.Itoa(port))
	if set.hosted() {
		inside = l.Address
	}
	fill := service.NewFiller(ctx, s.scope.Secrets, inside, number, "")
	d := &definition{
		Image: image, User: set.User, WorkingDir: set.Directory, Labels: l.texts(), name: l.name(),
		StopTimeout: int((set.Grace.Std() + time.Second - 1) / time.Second),
		HostConfig:  s.hostConfig(port, p.Ports[number-1]),
	}
	for _, word := range set.Entrypoint {
		d.Entrypoint = append(d.Entrypoint, fill.In(word))
	}
	for _, word := range set.Command {
		d.Cmd = append(d.Cmd, fill.In(word))
	}
	for _, v := range service.Variables(s.scope, set.Service, p.Colour, inside, number) {
		d.Env = append(d.Env, v.Name+"="+v.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(set.Environment)) {
		d.Env = append(d.Env, name+"="+fill.In(set.Environment[name]))
	}
	if !set.hosted() {
		d.ExposedPorts = map[string]struct{}{strconv.Itoa(port) + "/tcp": {}}
	}
	if len(set.Networks) > 1 {
		d.networks = set.Networks[1:]
	}
	d.Labels[secretsLabel] = spansOf(slices.Concat(d.Env, d.Cmd), fill.Values)
	d.secrets = fill.Values
	return d, fill.Err
}

// mask removes the container's secrets from what the engine says.
func (d *definition) mask(text string) string {
	for _, secret := range d.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

func (s *Step) hostConfig(inside, outside int) hostConfig {
	set := &s.settings
	memory, _ := bytesOf(set.Limits.Memory)
	cpu, _ := processors(set.Limits.CPU)
	h := hostConfig{
		Binds: set.Volumes, RestartPolicy: restartPolicy{Name: set.Restart},
		Memory: memory, MemorySwap: memory, NanoCPUs: cpu, PidsLimit: int64(set.Limits.Tasks),
	}
	if set.Limits.Files > 0 {
		h.Ulimits = []ulimit{{"nofile", set.Limits.Files, set.Limits.Files}}
	}
	if len(set.Networks) > 0 {
		h.NetworkMode = set.Networks[0]
	}
	if !set.hosted() {
		h.PortBindings = map[string][]portBinding{strconv.Itoa(inside) + "/tcp": {{cmp.Or(set.Address, service.Loopback), strconv.Itoa(outside)}}}
	}
	return h
}
