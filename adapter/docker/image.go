package docker

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// When a registry is asked.
const (
	pullMissing = "missing"
	pullAlways  = "always"
	pullNever   = "never"
)

// image is what the engine knows of one that is here.
type image struct {
	ID          string   `json:"Id"`
	RepoDigests []string `json:"RepoDigests"`
	Config      struct {
		Healthcheck *struct {
			Test []string `json:"Test"`
		} `json:"Healthcheck"`
	} `json:"Config"`
}

// checksHealth reports whether the image brings a health check.
func (i *image) checksHealth() bool {
	return i.Config.Healthcheck != nil && len(i.Config.Healthcheck.Test) > 0 && i.Config.Healthcheck.Test[0] != "NONE"
}

// image returns an image that is here; nil when it is not.
func (e *engine) image(ctx context.Context, name string) (*image, error) {
	var found image
	err := e.call(ctx, http.MethodGet, "/images/"+name+"/json", nil, nil, &found)
	if answered(err, http.StatusNotFound) {
		return nil, nil //nolint:nilnil // it is no error that there is none
	}
	return &found, err
}

// source is where images come from.
type source struct {
	engine *engine
	pull   string
	login  *Login // with its password filled in; nil is nobody
}

// header identifies us to the registry.
func (s *source) header(repository string) (http.Header, error) {
	if s.login == nil {
		return nil, nil //nolint:nilnil // no header
	}
	host, _, _ := strings.Cut(repository, "/")
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		host = "https://index.docker.io/v1/"
	}
	raw, err := json.Marshal(map[string]string{"username": s.login.Username, "password": s.login.Password, "serveraddress": host})
	if err != nil {
		return nil, err
	}
	return http.Header{"X-Registry-Auth": {base64.URLEncoding.EncodeToString(raw)}}, nil
}

// pin returns the image by its digest; the one that is here serves unless the
// registry is to be asked. An image that was built here has no digest, so its id
// stands for it. The error is of CodePlan.
func (s *source) pin(ctx context.Context, r reference) (string, error) {
	local, err := s.engine.image(ctx, r.String())
	if err != nil {
		return "", err
	}
	always := s.pull == pullAlways || s.pull == "" && r.tag == latest && r.digest == ""
	if local != nil && (!always || r.repository == "" || r.digest != "") {
		return s.here(r, local), nil
	}
	if s.pull == pullNever || r.repository == "" {
		return "", s.missing(r, errors.New("it is not on the machine"))
	}
	digest, err := s.ask(ctx, r)
	if err != nil {
		return "", err
	}
	r.digest = digest
	return r.String(), nil
}

// here is what an image that is here is called for good.
func (s *source) here(r reference, found *image) string {
	if r.digest != "" {
		return r.String()
	}
	if digest, ok := r.digestIn(found.RepoDigests); ok {
		r.digest = digest
		return r.String()
	}
	return found.ID
}

// ask asks the registry for a digest.
func (s *source) ask(ctx context.Context, r reference) (string, error) {
	header, err := s.header(r.repository)
	if err != nil {
		return "", err
	}
	response, err := s.engine.send(ctx, http.MethodGet, "/distribution/"+r.String()+"/json", nil, header, nil)
	if err != nil {
		return "", s.missing(r, err)
	}
	var answer struct {
		Descriptor struct {
			Digest string `json:"digest"`
		} `json:"Descriptor"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, answerLimit)).Decode(&answer)
	err = errors.Join(err, response.Body.Close())
	if err != nil || answer.Descriptor.Digest == "" {
		return "", fmt.Errorf("the digest of %s: %w", r, errors.Join(err, errors.New("the registry told none")))
	}
	return answer.Descriptor.Digest, nil
}

// missing is why an image is not to be had, in plain words.
func (s *source) missing(r reference, err error) error {
	said, ok := errors.AsType[*refusedError](err)
	if !ok && away(err) {
		return err
	}
	where := s.engine.where()
	text := err.Error()
	wrong := func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodePlan, format, args...).WithFix("%s", fix)
	}
	switch {
	case r.repository == "" || s.pull == pullNever:
		return wrong("bring it there (docker load), or name one of a registry", "the image %s is not here%s, and no registry may be asked for it", r, where)
	case contains(text, "unauthorized", "authentication required", "denied", "no basic auth"):
		return wrong("give an account with `registry: {username: ..., password: \"${secret:...}\"}`, or correct image; if an earlier step builds it, let that step output what it built, and write image: ${steps.NAME.outputs.image}",
			"the registry does not give the image %s%s: there is none of this name, or it wants to know who asks (%s)", r, where, text)
	case ok && said.status == http.StatusNotFound || contains(text, "manifest unknown", "not found", "name unknown"):
		return wrong("push it, or correct image; if an earlier step builds it, let that step output what it built, and write image: ${steps.NAME.outputs.image}",
			"there is no image %s, neither here%s nor in its registry (%s)", r, where, text)
	}
	return wrong("look at the registry, or bring the image there and write `pull: never`", "the image %s is not here%s, and its registry cannot be asked: %s", r, where, text)
}

func contains(text string, any ...string) bool {
	text = strings.ToLower(text)
	for _, part := range any {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// bring makes sure that a pinned image is here.
func (s *source) bring(ctx context.Context, name string, output io.Writer) error {
	found, err := s.engine.image(ctx, name)
	if err != nil || found != nil {
		return err
	}
	r, err := parseReference(name)
	if err != nil {
		return err
	}
	if r.repository == "" || s.pull == pullNever {
		return s.missing(r, errors.New("it is not on the machine"))
	}
	header, err := s.header(r.repository)
	if err != nil {
		return err
	}
	service.Note(output, "pulling %s", r)
	version := r.tag
	if r.digest != "" {
		version = r.digest
	}
	response, err := s.engine.send(ctx, http.MethodPost, "/images/create", url.Values{"fromImage": {r.repository}, "tag": {version}}, header, nil)
	if err != nil {
		return s.missing(r, err)
	}
	err = follow(response.Body, output)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.missing(r, &refusedError{status: http.StatusInternalServerError, message: err.Error()})
	}
	if found, err = s.engine.image(ctx, name); err == nil && found == nil {
		return s.missing(r, errors.New("it was pulled, and is not here"))
	}
	return err
}

// progressStep is how much is pulled between two lines, in bytes.
const progressStep = 64 << 20

// follow tells of a pull, a line for each finished layer and for each big piece.
func follow(stream io.Reader, output io.Writer) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	layers, done, told := map[string]int64{}, 0, int64(0)
	for lines.Scan() {
		var message struct {
			Status         string `json:"status"`
			ID             string `json:"id"`
			Error          string `json:"error"`
			ProgressDetail struct {
				Current int64 `json:"current"`
			} `json:"progressDetail"`
		}
		if json.Unmarshal(lines.Bytes(), &message) != nil {
			continue
		}
		switch {
		case message.Error != "":
			return errors.New(message.Error)
		case message.Status == "Downloading":
			layers[message.ID] = message.ProgressDetail.Current
			sum := int64(0)
			for _, size := range layers {
				sum += size
			}
			if sum >= told+progressStep {
				told = sum
				service.Note(output, "%d MiB pulled", sum>>20)
			}
		case message.Status == "Pull complete", message.Status == "Already exists":
			done++
			service.Note(output, "layer %s: %s (%s so far)", message.ID, strings.ToLower(message.Status), service.Plural(done, "layer"))
		case strings.HasPrefix(message.Status, "Status: "):
			service.Note(output, "%s", strings.TrimPrefix(message.Status, "Status: "))
		}
	}
	return lines.Err()
}
