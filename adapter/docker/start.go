package docker

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// defaultGrace is how long a container has to end.
const defaultGrace = 10 * time.Second

const (
	hostNetwork = "host"
	restartNo   = "no"
)

// definition is what a container is made of, as the engine takes it.
type definition struct {
	Image            string              `json:"Image"`
	Cmd              []string            `json:"Cmd,omitempty"`
	Entrypoint       []string            `json:"Entrypoint,omitempty"`
	Env              []string            `json:"Env"`
	Labels           map[string]string   `json:"Labels"`
	User             string              `json:"User,omitempty"`
	WorkingDir       string              `json:"WorkingDir,omitempty"`
	StopTimeout      int                 `json:"StopTimeout"`
	ExposedPorts     map[string]struct{} `json:"ExposedPorts,omitempty"`
	HostConfig       hostConfig          `json:"HostConfig"`
	NetworkingConfig *networking         `json:"NetworkingConfig,omitempty"`

	name string
	// networks are joined after the first one.
	networks []string
	secrets  []string
}

type hostConfig struct {
	NetworkMode   string                   `json:"NetworkMode,omitempty"`
	PortBindings  map[string][]portBinding `json:"PortBindings,omitempty"`
	Binds         []string                 `json:"Binds,omitempty"`
	RestartPolicy restartPolicy            `json:"RestartPolicy"`
	Memory        int64                    `json:"Memory,omitempty"`
	MemorySwap    int64                    `json:"MemorySwap,omitempty"`
	NanoCPUs      int64                    `json:"NanoCpus,omitempty"`
	PidsLimit     int64                    `json:"PidsLimit,omitempty"`
	Ulimits       []ulimit                 `json:"Ulimits,omitempty"`
}

type portBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string `json:"HostPort"`
}

type restartPolicy struct {
	Name    string `json:"Name"`
	Retries int    `json:"MaximumRetryCount,omitempty"`
}

type ulimit struct {
	Name string `json:"Name"`
	Soft int    `json:"Soft"`
	Hard int    `json:"Hard"`
}

type networking struct {
	EndpointsConfig map[string]struct{} `json:"EndpointsConfig"`
}

// create makes a container and joins its networks; it does not run yet.
func (e *engine) create(ctx context.Context, d *definition) (id string, err error) {
	var made struct {
		ID string `json:"Id"`
	}
	if err := e.call(ctx, http.MethodPost, "/containers/create", url.Values{"name": {d.name}}, d, &made); err != nil {
		return "", err
	}
	for _, network := range d.networks {
		body := map[string]string{"Container": made.ID}
		if err := e.call(ctx, http.MethodPost, "/networks/"+url.PathEscape(network)+"/connect", nil, body, nil); err != nil {
			return made.ID, err
		}
	}
	return made.ID, nil
}

func (e *engine) start(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/start", nil, nil, nil)
}

// clash reports whether the engine says that a port is not to be had.
func clash(text string) bool {
	return regexp.MustCompile(`(?i)port is already allocated|address already in use|ports are not available`).MatchString(text)
}

// plainStart is what the engine says of a container that could not be started,
// without the names of its parts.
func plainStart(text string) string {
	for _, noise := range []string{
		"OCI runtime create failed: ", "failed to create shim task: ", "failed to create shim: ", "runc create failed: ",
		"container_linux.go:", "driver failed programming external connectivity on endpoint ", "unable to start container process: ",
	} {
		text = strings.ReplaceAll(text, noise, "")
	}
	text = regexp.MustCompile(`^\d+: starting container process caused: (process_linux\.go:\d+: )?`).ReplaceAllString(text, "")
	return strings.TrimSuffix(strings.TrimSpace(text), ": unknown")
}

func signalName(number int) string { return unix.SignalName(unix.Signal(number)) }
