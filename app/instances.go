package app

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// InstanceView is one instance as `status` shows it.
type InstanceView struct {
	ID          string    `json:"id"`
	Application string    `json:"application"`
	Environment string    `json:"environment"`
	Service     string    `json:"service"`
	Colour      string    `json:"colour"`
	Version     string    `json:"version"`
	Address     string    `json:"address"`
	Running     bool      `json:"running"`
	PID         int       `json:"pid,omitempty"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	Restarts    int       `json:"restarts"`
	// Log is its file, or the command that shows it where another runtime keeps it.
	Log string `json:"log"`
	// Runtime is who keeps it alive, empty for Ripcord itself; Machine is the one that
	// it is on, empty for this one.
	Runtime string `json:"runtime,omitempty"`
	Machine string `json:"machine,omitempty"`
}

// Instances lists the wanted instances of services.
func (a *App) Instances(ctx context.Context) ([]InstanceView, error) {
	all, err := a.Supervised(ctx)
	if err != nil {
		return nil, err
	}
	return instanceViews(all), nil
}

func instanceViews(all []ripcord.InstanceStatus) []InstanceView {
	views := []InstanceView{}
	for _, i := range all {
		if i.Labels["service"] == "" {
			continue // a proxy
		}
		views = append(views, InstanceView{
			ID: i.ID, Application: i.Labels["application"], Environment: i.Labels["environment"], Service: i.Labels["service"],
			Colour: i.Labels["colour"], Version: i.Labels["version"], Address: i.Labels["address"],
			Running: i.Running, PID: i.PID, StartedAt: i.StartedAt.UTC(), Restarts: i.Restarts, Log: i.Log,
			Runtime: i.Labels["runtime"], Machine: i.Labels["machine"],
		})
	}
	slices.SortFunc(views, func(x, y InstanceView) int { return cmp.Compare(x.ID, y.ID) })
	return views
}

// Supervised lists everything that the supervisor keeps alive, proxies too.
func (a *App) Supervised(ctx context.Context) ([]ripcord.InstanceStatus, error) {
	return a.supervisor().List(ctx, "")
}

func sortSides(sides []SideTraffic) {
	slices.SortFunc(sides, func(x, y SideTraffic) int { return cmp.Compare(x.Name, y.Name) })
}
