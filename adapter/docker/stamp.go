package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// stampLabel holds a stamp. What an engine keeps cannot be changed, so that each
// stamp is an empty volume of its own, and the one with the highest number counts.
const stampLabel = labelPrefix + "stamp"

// stampPrefix begins the names of the service's stamps.
func (s *Step) stampPrefix() string {
	l := s.labels("", 0)
	return l.family() + "stamp-"
}

// stamps lists the stamps by number.
func (s *Step) stamps(ctx context.Context, e *engine) (map[int]string, error) {
	var answer struct {
		Volumes []struct {
			Name   string
			Labels map[string]string
		}
	}
	filters, err := json.Marshal(map[string][]string{"label": {stampLabel}})
	if err != nil {
		return nil, err
	}
	if err := e.call(ctx, http.MethodGet, "/volumes", url.Values{"filters": {string(filters)}}, nil, &answer); err != nil {
		return nil, err
	}
	found := map[int]string{}
	for _, v := range answer.Volumes {
		text, ours := strings.CutPrefix(v.Name, s.stampPrefix())
		number, err := strconv.Atoi(text)
		if ours && err == nil && number > 0 {
			found[number] = v.Labels[stampLabel]
		}
	}
	return found, nil
}

// newestOf is the highest number, 0 for none.
func newestOf(stamps map[int]string) int {
	number := 0
	for n := range stamps {
		number = max(number, n)
	}
	return number
}

// Stamp reads who changed the service's containers last. Its error is of
// CodeRefused where the engine cannot be used, so that a release is refused
// before its first step.
func (s *Step) Stamp(ctx context.Context) (*ripcord.Stamp, error) {
	e, err := s.engine(ctx)
	if err != nil {
		return nil, refused(err, ripcord.CodeRefused)
	}
	all, err := s.stamps(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("read the stamp of %s: %w", s.settings.Service, err)
	}
	newest := newestOf(all)
	if newest == 0 {
		return nil, nil //nolint:nilnil // the contract: nil when it has none
	}
	var stamp ripcord.Stamp
	if err := json.Unmarshal([]byte(all[newest]), &stamp); err != nil {
		return nil, fmt.Errorf("read the stamp %s%d: %w", s.stampPrefix(), newest, err)
	}
	return &stamp, nil
}

// SetStamp writes it.
func (s *Step) SetStamp(ctx context.Context, stamp ripcord.Stamp) error {
	e, err := s.engine(ctx)
	if err != nil {
		return refused(err, ripcord.CodeRefused)
	}
	old, err := s.stamps(ctx, e)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(stamp)
	if err != nil {
		return err
	}
	newest := newestOf(old)
	if old[newest] == string(raw) {
		return nil
	}
	body := map[string]any{"Name": s.stampPrefix() + strconv.Itoa(newest+1), "Labels": map[string]string{stampLabel: string(raw)}}
	if err := e.call(ctx, http.MethodPost, "/volumes/create", nil, body, nil); err != nil {
		return fmt.Errorf("write the stamp of %s: %w", s.settings.Service, err)
	}
	for number := range old {
		err := e.call(ctx, http.MethodDelete, "/volumes/"+s.stampPrefix()+strconv.Itoa(number), nil, nil, nil)
		if err != nil && !answered(err, http.StatusNotFound) {
			return fmt.Errorf("remove an old stamp of %s: %w", s.settings.Service, err)
		}
	}
	return nil
}
