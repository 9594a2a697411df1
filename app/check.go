package app

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/planfile"
)

// CheckPlanFile reads the plan file as Load does, without any state directory.
// Where the file declares several environments and none is named, it returns the
// plan of each.
func CheckPlanFile(ctx context.Context, o Options, s Selection) ([]*ripcord.Plan, error) {
	a := &App{options: o, adapters: adapters(o.Environ, o.Now), dir: "/nonexistent", machines: newMachines(o)}
	environments := []string{s.Environment}
	if s.Environment == "" {
		if declared := planfile.Environments(s.File); len(declared) > 0 {
			environments = declared
		}
	}
	var plans []*ripcord.Plan
	for _, environment := range environments {
		s.Environment = environment
		plan, err := a.Load(ctx, s)
		if err != nil {
			return nil, err
		}
		plans = append(plans, plan)
	}
	return plans, nil
}
