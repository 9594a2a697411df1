package docker

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// defaultSocket is where an engine listens that nobody configured otherwise.
const defaultSocket = "/var/run/docker.sock"

// Settings are those of a deploy step with containers.
//
// In command and environment stand ${instance.address}, where the instance has to
// listen inside its container ("0.0.0.0:PORT"), ${instance.port} and
// ${instance.number}.
type Settings struct {
	Service string `json:"service"`
	// Image is "registry/name:tag", "registry/name@sha256:..." or an image's id,
	// "sha256:...". Tag is what it was before its digest was looked up.
	Image string `json:"image"`
	Tag   string `json:"tag,omitempty"`
	// Pull is when the registry is asked although the image is here: missing
	// (also for empty) never does, always does; never asks no registry at all.
	// Empty is always for the tag latest.
	Pull string `json:"pull,omitempty"`
	// Registry is who asks it.
	Registry *Login `json:"registry,omitempty"`
	// Command replaces the image's own, Entrypoint its entry point.
	Command    []string `json:"command,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	// Instances is how many run side by side; 0 is 1.
	Instances int `json:"instances,omitempty"`
	// Directory is where the command runs, inside the container.
	Directory   string            `json:"directory,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	// User is "name" or "uid:gid", inside the container.
	User   string `json:"user,omitempty"`
	Health Health `json:"health,omitzero"`
	// Grace is the time between SIGTERM and SIGKILL, in whole seconds; 0 is 10.
	Grace ripcord.Duration `json:"grace,omitempty"`
	// Port is where the program listens inside its container; 0 is the one that
	// it is told with ${instance.port}.
	Port int `json:"port,omitempty"`
	// Ports is the range on the machine that instances get theirs from; empty is
	// 20000-29999.
	Ports string `json:"ports,omitempty"`
	// Networks are joined beside the one that ports are published on. The only
	// one may be "host".
	Networks []string `json:"networks,omitempty"`
	// Volumes are "SOURCE:TARGET" or "SOURCE:TARGET:ro"; a source is a path on the
	// machine or a volume's name.
	Volumes []string `json:"volumes,omitempty"`
	// Restart is the engine's word: always (also for empty), unless-stopped,
	// on-failure or no. An engine that was killed does not start those again that
	// have unless-stopped.
	Restart string `json:"restart,omitempty"`
	Limits  Limits `json:"limits,omitzero"`
	// Machine is where the engine runs; empty is this machine.
	Machine string `json:"machine,omitempty"`
	// Address is the machine's own that ports are published on; empty is loopback.
	Address string `json:"address,omitempty"`
	// Socket is the engine's; empty is /var/run/docker.sock.
	Socket string `json:"socket,omitempty"`
	// Replace puts the containers in the places of the old ones; nil starts them
	// beside those.
	Replace *service.Replace `json:"replace,omitempty"`

	ports service.Range
}

// Health says when a container is healthy. One without HTTP and TCP is when it
// runs and the health check of its image, where it has one, passes.
type Health struct {
	service.Health
	// Docker demands the image's own health check beside HTTP or TCP.
	Docker bool `json:"docker,omitempty"`
}

// Login is an account of a registry.
type Login struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Limits are those of one container; empty is none.
type Limits struct {
	// Memory is a size such as "512M"; the container is killed above it.
	Memory string `json:"memory,omitempty"`
	// CPU is a share of one processor, "150%".
	CPU string `json:"cpu,omitempty"`
	// Tasks is how many threads and processes there may be.
	Tasks int `json:"tasks,omitempty"`
	// Files is how many files may be open.
	Files int `json:"files,omitempty"`
}

func decode(spec ripcord.StepSpec, scope ripcord.Scope) (Settings, error) {
	var s Settings
	if err := service.Decode(spec, Kind, &s); err != nil {
		return s, err
	}
	s.defaults()
	wrong := service.ProblemOf(spec)
	for _, check := range []func(service.Problem) error{s.names(scope), s.image, s.numbers, s.texts, s.networks, s.volumes, s.bounds} {
		if err := check(wrong); err != nil {
			return s, err
		}
	}
	var err error
	s.ports, err = service.PortsOf(s.Ports, wrong)
	return s, err
}

func (s *Settings) defaults() {
	s.Health.Complete()
	service.Default(&s.Grace, defaultGrace)
	if s.Instances == 0 {
		s.Instances = 1
	}
	for _, field := range []struct {
		text *string
		to   string
	}{{&s.Restart, "always"}, {&s.Ports, "20000-29999"}, {&s.Socket, defaultSocket}} {
		if *field.text == "" {
			*field.text = field.to
		}
	}
}

// nameLimit is how long the parts of a container's name may be together.
const nameLimit = 200

// names checks what becomes part of a container's name.
func (s *Settings) names(scope ripcord.Scope) func(service.Problem) error {
	return func(wrong service.Problem) error {
		plain := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
		for _, part := range []struct{ what, name string }{
			{"service", s.Service}, {"application", scope.Application}, {"environment", scope.Environment},
		} {
			if !plain.MatchString(part.name) {
				return wrong("use letters, digits, dots, dashes and underscores: the name becomes part of a container's",
					"the %s is named %q, which no container can be", part.what, part.name)
			}
		}
		if len(s.Service)+len(scope.Application)+len(scope.Environment) > nameLimit {
			return wrong("choose shorter names", "the names of application, environment and service have more than %d letters together", nameLimit)
		}
		return nil
	}
}

func (s *Settings) image(wrong service.Problem) error {
	if s.Image == "" {
		return wrong("add `image: registry/name:tag`", "there is no image to start a container of")
	}
	if _, err := parseReference(s.Image); err != nil && !service.Open(s.Image) {
		return wrong("write it like registry.example.com/shop:v2, or with @sha256: and a digest", "image %q: %v", s.Image, err)
	}
	if !slices.Contains([]string{"", pullMissing, pullAlways, pullNever}, s.Pull) {
		return wrong("use missing, always or never", "pull is %q", s.Pull)
	}
	return nil
}

func (s *Settings) numbers(wrong service.Problem) error {
	if err := service.CountOf(s.Instances, wrong); err != nil {
		return err
	}
	switch {
	case s.Grace < 0:
		return wrong("use a positive number", "grace is negative")
	case s.Port < 0 || s.Port > 65535:
		return wrong("give the number from 1 to 65535 that the program listens on", "port is %d", s.Port)
	}
	if err := s.Replace.Refuse(s.Instances, wrong); err != nil {
		return err
	}
	return s.Health.Refuse(wrong)
}

// texts checks command and environment as far as they are known.
func (s *Settings) texts(wrong service.Problem) error {
	for _, words := range [][]string{s.Command, s.Entrypoint} {
		if len(words) > 0 && words[0] == "" {
			return wrong("name the program", "the command begins with an empty word")
		}
		if slices.ContainsFunc(words, inRelease) {
			return wrong("put the files into the image", "there is no ${release.directory} in a container")
		}
	}
	for name, value := range s.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.HasPrefix(name, service.OwnPrefix) {
			return wrong("choose another name", "environment cannot set %q", name)
		}
		if inRelease(value) {
			return wrong("put the files into the image", "there is no ${release.directory} in a container")
		}
	}
	if s.Directory != "" && !strings.HasPrefix(s.Directory, "/") && !service.Open(s.Directory) {
		return wrong("write a path of the container that begins with a slash", "directory is %q", s.Directory)
	}
	return nil
}

func inRelease(text string) bool { return strings.Contains(text, "${release.directory}") }

func (s *Settings) networks(wrong service.Problem) error {
	for i, name := range s.Networks {
		switch {
		case name == "" || name == "none" || strings.HasPrefix(name, "container:"):
			return wrong("name a network of the engine, or host", "a container's network cannot be %q", name)
		case name == hostNetwork && len(s.Networks) > 1:
			return wrong("keep host, or the others", "a container in the network host is in no other one")
		case slices.Contains(s.Networks[:i], name):
			return wrong("name it once", "the network %s is named twice", name)
		}
	}
	if s.hosted() && s.Port != 0 {
		return wrong("leave out port, and let the program listen on ${instance.address}", "in the network host all instances would listen on port %d", s.Port)
	}
	return nil
}

// hosted reports whether the containers share the machine's own network.
func (s *Settings) hosted() bool { return len(s.Networks) == 1 && s.Networks[0] == hostNetwork }

func (s *Settings) volumes(wrong service.Problem) error {
	shape := regexp.MustCompile(`^(/[^:]*|[A-Za-z0-9][A-Za-z0-9_.-]*):/[^:]*(:(ro|rw))?$`)
	for _, volume := range s.Volumes {
		if !shape.MatchString(volume) && !service.Open(volume) {
			return wrong("write SOURCE:TARGET or SOURCE:TARGET:ro; a source is a full path or a volume's name", "the volume %q cannot be mounted", volume)
		}
	}
	return nil
}

func (s *Settings) bounds(wrong service.Problem) error {
	_, memory := bytesOf(s.Limits.Memory)
	_, cpu := processors(s.Limits.CPU)
	switch {
	case !slices.Contains([]string{"always", "unless-stopped", "on-failure", restartNo}, s.Restart):
		return wrong("use always, unless-stopped, on-failure or no", "restart is %q", s.Restart)
	case !memory:
		return wrong("write a size such as 512M or 2G, at least 6M", "limits.memory is %q", s.Limits.Memory)
	case !cpu:
		return wrong("write a share of one processor such as 50% or 200%", "limits.cpu is %q", s.Limits.CPU)
	case s.Limits.Tasks < 0 || s.Limits.Files < 0:
		return wrong("use positive numbers", "a limit is negative")
	case !strings.HasPrefix(s.Socket, "/") && !service.Open(s.Socket):
		return wrong("write the full path, for example /var/run/docker.sock", "socket is %q", s.Socket)
	}
	return nil
}

// leastMemory is the least that the engine takes, in bytes.
const leastMemory = 6 << 20

// bytesOf reads a size; empty is none.
func bytesOf(text string) (n int64, ok bool) {
	if text == "" {
		return 0, true
	}
	m := regexp.MustCompile(`^([1-9][0-9]{0,15})([KMGT]?)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m[2]]
	return n << shift, err == nil && n<<shift>>shift == n && n<<shift >= leastMemory
}

// processors reads a share of one processor in the engine's unit, billionths of
// one; empty is none.
func processors(text string) (n int64, ok bool) {
	if text == "" {
		return 0, true
	}
	m := regexp.MustCompile(`^([1-9][0-9]{0,5})%$`).FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	return n * 1e7, err == nil
}
