package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// ServiceLog is what an instance of a service printed last.
type ServiceLog struct {
	InstanceView
	Lines []string `json:"lines"`
}

// ServiceLogs returns the newest lines of each instance of a service, whoever keeps
// it, in one environment or, where that is empty, in all. Services are those that
// have instances, or could have some elsewhere. Unseen says what could not be asked.
func (a *App) ServiceLogs(ctx context.Context, service, environment string, lines int) (logs []ServiceLog, services, unseen []string, err error) {
	ours, err := a.Instances(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	homes, err := a.homesOf(ctx, environment)
	if err != nil {
		return nil, nil, nil, err
	}
	logs = []ServiceLog{}
	for _, i := range ours {
		services = append(services, i.Service)
		if i.Service != service || environment != "" && i.Environment != environment {
			continue
		}
		newest, err := a.supervisor().Tail(ctx, i.ID, lines)
		if err != nil {
			unseen = append(unseen, i.ID+": "+err.Error())
			continue
		}
		logs = append(logs, ServiceLog{i, append([]string{}, newest...)})
	}
	for _, h := range homes {
		services = append(services, h.service)
	}
	homes = slices.DeleteFunc(homes, func(h home) bool { return h.service != service })
	others, silent := ask(ctx, homes, func(ctx context.Context, h home) ([]ServiceLog, error) { return h.logs(ctx, lines) })
	slices.Sort(services)
	return append(logs, others...), slices.Compact(services), append(unseen, silent...), nil
}

// logs are the newest lines of each instance there, as far as they could be read.
func (h home) logs(ctx context.Context, lines int) ([]ServiceLog, error) {
	found, err := h.runtime.Instances(ctx)
	if err != nil {
		return nil, err
	}
	var logs []ServiceLog
	for _, i := range instanceViews(found) {
		newest, err := h.runtime.Tail(ctx, i.ID, lines)
		if err != nil {
			return logs, fmt.Errorf("%s: %w", i.ID, err)
		}
		logs = append(logs, ServiceLog{i, append([]string{}, newest...)})
	}
	return logs, nil
}

// homesOf are those of an environment, or of all where it is empty.
func (a *App) homesOf(ctx context.Context, environment string) ([]home, error) {
	places, err := a.store.Places(ctx)
	if err != nil {
		return nil, err
	}
	var all []home
	for _, place := range places {
		if environment != "" && place.Environment != environment {
			continue
		}
		homes, err := a.homes(ctx, ripcord.Filter{Application: place.Application, Environment: place.Environment})
		if err != nil {
			return nil, err
		}
		all = append(all, homes...)
	}
	return all, nil
}
