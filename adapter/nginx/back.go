package nginx

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// backServes waits until one instance of the side that the traffic goes back to
// answers: nginx itself would send users to a side that is gone. Where the side that
// has them now does not answer either, nothing can be lost, and it does not wait.
func (s *Step) backServes(ctx context.Context, a ripcord.Attempt, before, now image) error {
	if now == before || before.Absent {
		return nil
	}
	was, err := s.settings.understand(before.Text)
	if err != nil {
		return nil
	}
	old := was.carriers()
	if len(old) == 0 {
		return nil
	}
	var newer []string
	if is, err := s.settings.understand(now.Text); err == nil {
		newer = is.carriers()
	}
	limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	for {
		// The end of the wait is no answer of theirs: they have the time that a probe has.
		problems := s.silent(ctx, old)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(problems) < len(old) {
			return nil
		}
		if len(s.silent(ctx, newer)) == len(newer) && ctx.Err() == nil {
			say(a, "%s does not answer (%s), but neither does the side that has the traffic now", was.routed(), problems[0])
			return ctx.Err()
		}
		if !pause(limited, s.settings.Health.Interval.Std()) {
			return &ripcord.Failure{
				Class: ripcord.FailedHealth, Lines: problems,
				Summary: fmt.Sprintf("traffic of upstream %s cannot go back to %s: nothing of it answered within %s: %s", s.settings.Upstream, was.routed(), s.settings.Ready, problems[0]),
			}
		}
	}
}

// carriers are the addresses that get traffic.
func (m model) carriers() []string {
	var all []string
	for _, side := range m.Sides {
		for _, server := range side.Servers {
			if side.Share > 0 && server.Weight > 0 && !server.Out { // those without weight are down by the user's own word
				all = append(all, server.Address)
			}
		}
	}
	return all
}

// silent says of those that do not answer well what is wrong with each.
func (s *Step) silent(ctx context.Context, addresses []string) []string {
	if len(addresses) == 0 {
		return nil
	}
	asker := health.Asker{Scope: s.scope, Step: s.id}
	questions, err := asker.Questions(health.Settings{Targets: strings.Join(addresses, ","), Path: s.settings.Health.HTTP, AttemptTimeout: s.settings.Health.Timeout})
	if err != nil {
		return nil // addresses that nobody can be asked at are nginx's business
	}
	answers := make([]error, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() { answers[i] = q.Ask(ctx) })
	}
	all.Wait()
	var problems []string
	for i, err := range answers {
		if err != nil {
			problems = append(problems, questions[i].Name+": "+err.Error())
		}
	}
	return problems
}
