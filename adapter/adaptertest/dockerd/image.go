package dockerd

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"runtime"
)

// Image is a container image with one layer of files.
type Image struct {
	// Files are the full paths of files of this machine, by their path in the
	// image. They may be executed there.
	Files map[string]string
	// Texts are the contents of further files.
	Texts map[string]string
	// Config is the image's own: Entrypoint, Env, Labels, Healthcheck ...
	Config map[string]any

	config, layer []byte
}

// Pack makes the image's parts.
func (i *Image) Pack() error {
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	if err := archive.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return err
	}
	for at, file := range i.Files {
		data, err := os.ReadFile(file) //nolint:gosec // what the test names
		if err != nil {
			return err
		}
		if err := add(archive, path.Clean(at)[1:], data); err != nil {
			return err
		}
	}
	for at, text := range i.Texts {
		if err := add(archive, path.Clean(at)[1:], []byte(text)); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	i.layer = layer.Bytes()
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": i.Config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(i.layer)}},
	})
	i.config = config
	return err
}

func add(archive *tar.Writer, name string, data []byte) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := archive.Write(data)
	return err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ID is the image's id.
func (i *Image) ID() string { return digestOf(i.config) }

// Load gives the image to the engine under a name, as if it had been built there.
func (e *Engine) Load(i *Image, name string) error {
	if err := i.Pack(); err != nil {
		return err
	}
	var all bytes.Buffer
	archive := tar.NewWriter(&all)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{"manifest.json", manifest}, {"config.json", i.config}, {"layer.tar", i.layer}} {
		if err := add(archive, file.name, file.data); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	_, err = e.Ask(http.MethodPost, "/images/load?quiet=1", &all)
	return err
}

// Registry is a registry with images by "name:tag". It speaks what a pull needs.
type Registry struct {
	// Password, when not empty, is asked of the user "puller".
	Password string

	manifests map[string][]byte
	blobs     map[string][]byte
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

// Push puts an image into the registry and returns its digest.
func (r *Registry) Push(i *Image, name, tag string) (string, error) {
	if err := i.Pack(); err != nil {
		return "", err
	}
	part := func(kind string, data []byte) map[string]any {
		return map[string]any{"mediaType": kind, "size": len(data), "digest": digestOf(data)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": part("application/vnd.docker.container.image.v1+json", i.config),
		"layers": []any{part("application/vnd.docker.image.rootfs.diff.tar", i.layer)},
	})
	if err != nil {
		return "", err
	}
	if r.manifests == nil {
		r.manifests, r.blobs = map[string][]byte{}, map[string][]byte{}
	}
	digest := digestOf(manifest)
	r.manifests[name+":"+tag], r.manifests[name+":"+digest] = manifest, manifest
	r.blobs[digestOf(i.config)], r.blobs[digestOf(i.layer)] = i.config, i.layer
	return digest, nil
}

// ServeHTTP answers as registries do.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /v2/", func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/v2/" {
			http.NotFound(w, request)
		}
	})
	routes.HandleFunc("GET /v2/{name}/manifests/{reference}", func(w http.ResponseWriter, request *http.Request) {
		manifest, ok := r.manifests[request.PathValue("name")+":"+request.PathValue("reference")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
			return
		}
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", digestOf(manifest))
		_, _ = w.Write(manifest)
	})
	routes.HandleFunc("GET /v2/{name}/blobs/{digest}", func(w http.ResponseWriter, request *http.Request) {
		blob, ok := r.blobs[request.PathValue("digest")]
		if !ok {
			http.NotFound(w, request)
			return
		}
		_, _ = w.Write(blob)
	})
	user, password, _ := request.BasicAuth()
	if r.Password != "" && (user != "puller" || password != r.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		return
	}
	routes.ServeHTTP(w, request)
}
