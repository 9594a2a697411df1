package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// labelPrefix begins the names of the labels that containers carry.
const labelPrefix = "com.github.ripcord."

// labels are what Ripcord remembers of a container, in the container itself.
type labels struct {
	Application string `json:"application"`
	Environment string `json:"environment"`
	Service     string `json:"service"`
	Colour      string `json:"colour"`
	Number      int    `json:"number"`
	Run         string `json:"run"`
	Step        string `json:"step"`
	Version     string `json:"version"`
	// Configuration is a digest of what was configured.
	Configuration string `json:"configuration"`
	Address       string `json:"address"`
}

// name is the container's.
func (l *labels) name() string { return l.family() + l.Colour + "-" + strconv.Itoa(l.Number) }

// family begins the names of all containers of the service.
func (l *labels) family() string {
	return "ripcord-" + l.Application + "-" + l.Environment + "-" + l.Service + "-"
}

// texts are the labels as the engine keeps them.
func (l *labels) texts() map[string]string {
	return map[string]string{
		labelPrefix + "application": l.Application, labelPrefix + "environment": l.Environment, labelPrefix + "service": l.Service,
		labelPrefix + "colour": l.Colour, labelPrefix + "number": strconv.Itoa(l.Number), labelPrefix + "run": l.Run,
		labelPrefix + "step": l.Step, labelPrefix + "version": l.Version, labelPrefix + "configuration": l.Configuration,
		labelPrefix + "address": l.Address,
	}
}

// labelsIn reads them; ok is false for a container that is not ours.
func labelsIn(texts map[string]string) (l labels, ok bool) {
	number, err := strconv.Atoi(texts[labelPrefix+"number"])
	l = labels{
		Application: texts[labelPrefix+"application"], Environment: texts[labelPrefix+"environment"], Service: texts[labelPrefix+"service"],
		Colour: texts[labelPrefix+"colour"], Number: number, Run: texts[labelPrefix+"run"], Step: texts[labelPrefix+"step"],
		Version: texts[labelPrefix+"version"], Configuration: texts[labelPrefix+"configuration"], Address: texts[labelPrefix+"address"],
	}
	return l, err == nil && l.Colour != "" && l.Run != ""
}

// container is one of ours, with how it fares.
type container struct {
	labels
	ID    string `json:"id"`
	Name  string `json:"name"`
	Image string `json:"image"`
	// Called is the image as whoever made the container named it.
	Called string `json:"called"`
	State  state  `json:"state"`
	// Restarts is how often the engine started it again.
	Restarts int    `json:"restarts"`
	Policy   string `json:"restart"`
	// Retries bounds how often the engine does, where the policy has a bound.
	Retries int `json:"retries,omitempty"`

	texts   []string // environment and command, for the secrets in them
	secrets string
}

// state is the engine's own word.
type state struct {
	Status    string `json:"Status"`
	Running   bool   `json:"Running"`
	OOMKilled bool   `json:"OOMKilled"`
	ExitCode  int    `json:"ExitCode"`
	Error     string `json:"Error,omitempty"`
	Health    *struct {
		Status string `json:"Status"`
		Log    []struct {
			Output string `json:"Output"`
		} `json:"Log,omitempty"`
	} `json:"Health,omitempty"`
}

// running reports whether its program is there.
func (c *container) running() bool { return c.State.Status == "running" }

// ended reports whether its program ended, and the engine will not start it again
// or has yet to. One that was stopped with the engine will be started by it.
func (c *container) ended() bool {
	switch c.State.Status {
	case "restarting", "dead":
		return true
	case "created":
		return c.State.Error != ""
	case "exited":
		return c.Policy == "" || c.Policy == restartNo || c.Policy == "on-failure" && c.State.ExitCode == 0 || c.State.Error != ""
	}
	return false
}

// sick is what the engine says against a container's health.
func (c *container) sick() string {
	if !c.running() {
		return "the container is " + c.State.Status
	}
	health := c.State.Health
	if health == nil || health.Status == "healthy" || health.Status == "none" || health.Status == "" {
		return ""
	}
	text := "its own health check says " + health.Status
	if n := len(health.Log); n > 0 {
		if said := strings.Join(strings.Fields(health.Log[n-1].Output), " "); said != "" {
			text += ": " + c.mask(said)
		}
	}
	return text
}

// of lists the containers of a service, by colour and number.
func (e *engine) of(ctx context.Context, application, environment, name string) ([]container, error) {
	found, err := e.list(ctx, map[string][]string{"label": {
		labelPrefix + "application=" + application, labelPrefix + "environment=" + environment, labelPrefix + "service=" + name,
	}})
	if err != nil {
		return nil, err
	}
	var all []container
	for _, listed := range found {
		if _, ok := labelsIn(listed.Labels); !ok {
			continue
		}
		c, err := e.inspect(ctx, listed.ID)
		if answered(err, http.StatusNotFound) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b container) int {
		return cmp.Or(cmp.Compare(a.Colour, b.Colour), cmp.Compare(a.Number, b.Number), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// listed is a container in the engine's list.
type listed struct {
	ID     string            `json:"Id"`
	Names  []string          `json:"Names"`
	Labels map[string]string `json:"Labels"`
	Ports  []struct {
		PublicPort int `json:"PublicPort"`
	} `json:"Ports"`
}

func (e *engine) list(ctx context.Context, filters map[string][]string) ([]listed, error) {
	query := url.Values{"all": {"1"}}
	if len(filters) > 0 {
		text, err := json.Marshal(filters)
		if err != nil {
			return nil, err
		}
		query.Set("filters", string(text))
	}
	var all []listed
	return all, e.call(ctx, http.MethodGet, "/containers/json", query, nil, &all)
}

func (e *engine) inspect(ctx context.Context, id string) (*container, error) {
	var raw struct {
		ID           string `json:"Id"`
		Name         string
		Image        string
		State        state
		RestartCount int
		Config       struct {
			Labels map[string]string
			Env    []string
			Cmd    []string
			Image  string
		}
		HostConfig struct {
			RestartPolicy restartPolicy
		}
	}
	if err := e.call(ctx, http.MethodGet, "/containers/"+id+"/json", nil, nil, &raw); err != nil {
		return nil, err
	}
	l, _ := labelsIn(raw.Config.Labels)
	return &container{
		labels: l, ID: raw.ID, Name: strings.TrimPrefix(raw.Name, "/"), Image: raw.Image, Called: raw.Config.Image, State: raw.State, Restarts: raw.RestartCount,
		Policy: raw.HostConfig.RestartPolicy.Name, Retries: raw.HostConfig.RestartPolicy.Retries, texts: slices.Concat(raw.Config.Env, raw.Config.Cmd), secrets: raw.Config.Labels[secretsLabel],
	}, nil
}

// stop stops a container within its grace.
func (e *engine) stop(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/stop", nil, nil, nil)
}

// policy says when the engine starts a container by itself.
func (e *engine) policy(ctx context.Context, id string, to restartPolicy) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/update", nil, map[string]any{"RestartPolicy": to}, nil)
}

// remove stops a container, within its grace, and removes it with the volumes
// that only it has. One that is gone is no error.
func (e *engine) remove(ctx context.Context, id string) error {
	err := e.stop(ctx, id)
	if answered(err, http.StatusNotFound) {
		return nil
	}
	if err != nil && !answered(err, http.StatusInternalServerError) { // one that cannot be stopped is killed by its removal
		return err
	}
	err = e.call(ctx, http.MethodDelete, "/containers/"+id, url.Values{"force": {"1"}, "v": {"1"}}, nil, nil)
	if answered(err, http.StatusConflict) {
		return e.gone(ctx, id) // its removal is on its way
	}
	if answered(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// gone waits for a removal that somebody began.
func (e *engine) gone(ctx context.Context, id string) error {
	return until(ctx, func() (bool, error) {
		_, err := e.inspect(ctx, id)
		if answered(err, http.StatusNotFound) {
			return true, nil
		}
		return false, err
	})
}

// known is what all runtimes know of containers.
func known(all []container) []service.Instance {
	instances := make([]service.Instance, len(all))
	for i := range all {
		c := &all[i]
		instances[i] = service.Instance{Colour: c.Colour, Run: c.Run, Version: c.Version, Address: c.Address, Number: c.Number}
	}
	return instances
}

// exit tells how a container's program ended.
func (c *container) exit(limit string) string {
	switch {
	case c.running():
		return fmt.Sprintf("ended, and was started again (%d times)", c.Restarts)
	case c.State.OOMKilled && limit != "":
		return fmt.Sprintf("was killed because it used more memory than limits.memory (%s)", limit)
	case c.State.OOMKilled:
		return "was killed because the machine had no memory left"
	case c.State.Error != "":
		return "could not be started: " + plainStart(c.State.Error)
	case c.State.ExitCode > 128 && signalName(c.State.ExitCode-128) != "":
		return "was ended by " + signalName(c.State.ExitCode-128)
	}
	return fmt.Sprintf("exited with status %d", c.State.ExitCode)
}
