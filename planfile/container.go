package planfile

import (
	"slices"
	"strings"
)

// containerSettings are what only the runtime docker knows of a service.
type containerSettings struct {
	Image      string         `json:"image,omitempty"`
	Pull       string         `json:"pull,omitempty"`
	Registry   *registryLogin `json:"registry,omitempty"`
	Entrypoint []string       `json:"entrypoint,omitempty"`
	Port       int            `json:"port,omitempty"`
	Networks   []string       `json:"networks,omitempty"`
	Volumes    []string       `json:"volumes,omitempty"`
	Socket     string         `json:"socket,omitempty"`
}

// registryLogin is an account of a registry.
type registryLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// containerFields read what only the runtime docker knows.
func (d *decoder) containerFields(c *containerSettings) fields {
	return fields{
		"image": func(n *node) { d.openly("a service's image", func() { c.Image = d.filled(n, "image") }) },
		"pull":  func(n *node) { c.Pull = d.word(n, "pull", "missing", "always", "never") },
		"registry": func(n *node) {
			c.Registry = &registryLogin{}
			d.object(n, "service_registry", "a registry's account", fields{
				"username": func(n *node) { c.Registry.Username = d.filled(n, "username") },
				"password": func(n *node) { c.Registry.Password = d.hidden(n, "password") },
			})
			d.missing(n, "username", "add `username: NAME`", "the registry's account has no username")
			d.missing(n, "password", "add `password: \"${secret:NAME}\"`", "the registry's account has no password")
		},
		"entrypoint": func(n *node) {
			d.instance = true
			c.Entrypoint = d.command(n, "entrypoint")
			d.instance = false
		},
		"port":     func(n *node) { c.Port = d.integer(n, "port", 1, 65535) },
		"networks": func(n *node) { c.Networks = d.texts(n, "networks") },
		"volumes":  func(n *node) { c.Volumes = d.texts(n, "volumes") },
		"socket":   func(n *node) { c.Socket = d.filled(n, "socket") },
	}
}

// runtimesOf says which runtimes know a key that not all know.
func runtimesOf(key string) []string {
	switch key {
	case "restart", "limits":
		return []string{"systemd", "docker"}
	case "artifact":
		return []string{"process", "systemd"}
	case "image", "pull", "registry", "entrypoint", "port", "networks", "volumes", "socket":
		return []string{"docker"}
	}
	return nil
}

// checkRuntime refuses what only another runtime knows.
func (d *decoder) checkRuntime(s *service, n *node) {
	runtime := s.runtime
	if runtime == "" {
		if n.field("runtime") != nil {
			return // it was refused
		}
		runtime = "process"
	}
	for _, key := range sorted([]string{"restart", "limits", "artifact", "image", "pull", "registry", "entrypoint", "port", "networks", "volumes", "socket"}) {
		value := n.field(key)
		if value == nil || slices.Contains(runtimesOf(key), runtime) {
			continue
		}
		d.add(value.at, firstLine(value), "add `runtime: "+strings.Join(runtimesOf(key), "` or `runtime: ")+"`, or remove it", "the runtime %s knows no %s", runtime, key)
	}
	if restart := n.field("restart"); restart != nil && s.settings.Restart == "unless-stopped" && runtime == "systemd" {
		d.add(restart.at, firstLine(restart), "write always", "the runtime systemd knows no restart unless-stopped")
	}
	if h := n.field("health"); h != nil && h.field("docker") != nil && runtime != "docker" {
		d.add(h.field("docker").at, 1, "add `runtime: docker`, or remove it", "the runtime %s knows no health checks of images", runtime)
	}
	if runtime == "docker" {
		d.missing(n, "image", "add `image: registry.example.com/"+s.name+":${version}`", "the service %s has no image", s.name)
	}
}
