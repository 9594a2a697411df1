package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Order says what to restore and how.
type Order struct {
	Backup *ripcord.Backup
	// To is a place elsewhere; empty puts the data where it belongs.
	To string
	// DryRun counts and changes nothing.
	DryRun bool
	// AcceptLoss goes on although something is lost that is there now.
	AcceptLoss bool
	// Disconnect ends the sessions of others who are in the way.
	Disconnect bool
	// Foreseen is told the loss before anything is changed; it may be nil.
	Foreseen func(l *Loss)
}

// Restored is how a restore went.
type Restored struct {
	Backup ripcord.Backup `json:"backup"`
	// Place is where the data is now, Safety where what was there before is kept.
	Place  string `json:"place"`
	Safety string `json:"safety,omitempty"`
	// Loss is what was, or would be, lost; nil elsewhere.
	Loss    *Loss                  `json:"loss,omitempty"`
	Seconds float64                `json:"seconds"`
	Phases  []ripcord.RestorePhase `json:"phases"`
	Checks  *ripcord.RestoreTest   `json:"checks,omitempty"`
	DryRun  bool                   `json:"dry_run,omitempty"`
}

// Restore restores a backup. The data is laid out beside what is there, and checked;
// only then does it take its place. Until then what is there stays as it is.
func (d *Desk) Restore(ctx context.Context, o Order) (r *Restored, err error) {
	r = &Restored{Backup: *o.Backup, DryRun: o.DryRun}
	p := measure(d.scope.Now)
	defer func() { r.Seconds, r.Phases = p.seconds(), p.all }()
	gone := false
	if o.To == "" {
		var done bool
		if gone, done, err = d.foreseen(ctx, o, r, p); err != nil || done {
			return r, err
		}
	}
	id := newID(d.scope.Now())
	place, err := d.Data.Place(ctx, id, o.To)
	if err != nil {
		return r, err
	}
	r.Place = place.Name()
	if err = d.laid(ctx, place, o, r, p); err == nil && o.To == "" {
		err = d.exchanged(ctx, place, o, r, p, id, gone)
	}
	if err != nil || o.To == "" || o.DryRun {
		err = errors.Join(err, place.Drop(context.WithoutCancel(ctx)))
	}
	return r, err
}

// foreseen counts before anything is laid out; done says that this was all.
func (d *Desk) foreseen(ctx context.Context, o Order, r *Restored, p *phases) (gone, done bool, err error) {
	if r.Loss, gone, err = d.foresee(ctx, o.Backup); err != nil {
		return gone, true, err
	}
	p.done("count what is there")
	if err := d.free(ctx, o); err != nil {
		return gone, true, err
	}
	if _, comparer := d.Data.(ripcord.Comparer); comparer && !gone {
		return gone, false, nil // it is counted better when the backup is laid out
	}
	o.tell(r.Loss)
	if o.DryRun {
		r.Place = d.Data.Name()
		return gone, true, nil
	}
	return gone, false, o.accepted(d, r.Loss)
}

// free refuses early what the exchange would refuse at its end.
func (d *Desk) free(ctx context.Context, o Order) error {
	occupied, ok := d.Data.(ripcord.Occupied)
	if !ok || o.Disconnect || o.DryRun {
		return nil
	}
	return occupied.Free(ctx)
}

// laid lays the backup out at the place and refuses one that is not what it was.
func (d *Desk) laid(ctx context.Context, place ripcord.Place, o Order, r *Restored, p *phases) error {
	if o.DryRun && o.To != "" {
		return nil
	}
	if err := d.fill(ctx, place, o.Backup, p); err != nil {
		return err
	}
	r.Checks = &ripcord.RestoreTest{At: d.scope.Now().UTC(), Place: place.Name(), Phases: []ripcord.RestorePhase{}, Passed: []string{}}
	if err := d.examine(ctx, place, o.Backup, r.Checks, p); err != nil {
		return err
	}
	if problems := r.Checks.Problems; len(problems) > 0 {
		return ripcord.Errorf(ripcord.CodeRefused, "backup %s does not pass its checks: %s. What is there now was not touched", o.Backup.ID, strings.Join(problems, "; ")).
			WithFix("restore another one: ripcord backup list")
	}
	return nil
}

func (d *Desk) exchanged(ctx context.Context, place ripcord.Place, o Order, r *Restored, p *phases, id string, gone bool) error {
	if !gone {
		if err := d.confronted(ctx, place, o, r, p); err != nil || o.DryRun {
			return err
		}
	}
	safety, err := d.Data.Exchange(ctx, place, ripcord.Exchange{ID: id, Disconnect: o.Disconnect, Accept: func(ctx context.Context, now ripcord.DataView) error {
		l, err := d.compared(ctx, place)
		if err != nil {
			return err
		}
		if l == nil {
			l = counted(&now, &o.Backup.View)
		}
		r.Loss = l
		return o.accepted(d, l)
	}})
	if err != nil {
		return err
	}
	p.done("put it in place")
	r.Place, r.Safety = d.Data.Name(), safety
	return nil
}

// confronted counts the loss piece by piece where the data can.
func (d *Desk) confronted(ctx context.Context, place ripcord.Place, o Order, r *Restored, p *phases) error {
	l, err := d.compared(ctx, place)
	if err != nil || l == nil {
		return err
	}
	r.Loss = l
	p.done("compare with what is there")
	o.tell(l)
	if o.DryRun {
		return nil
	}
	return o.accepted(d, l)
}

func (o *Order) tell(l *Loss) {
	if o.Foreseen != nil {
		o.Foreseen(l)
	}
}

// accepted refuses a loss that nobody has accepted.
func (o *Order) accepted(d *Desk, l *Loss) error {
	if o.AcceptLoss || !l.Any() {
		return nil
	}
	return ripcord.Errorf(ripcord.CodeRefused, "restoring backup %s of %s would lose what was written since: %s%s. Nothing was changed", o.Backup.ID, d.Set.Name, l, tables(l)).
		WithFix("restore elsewhere with --to, or accept it with --accept-data-loss; a safety copy of what is there now is kept")
}

// tables names where the loss is.
func tables(l *Loss) string {
	const most = 5
	var parts []string
	for _, t := range l.Tables {
		if t.Lost > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", t.Name, t.Lost))
		}
	}
	if len(parts) > most {
		parts = append(parts[:most], "...")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
