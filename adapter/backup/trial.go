package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// Test restores a backup into a scratch place, or one elsewhere, asks whether
// everything is there, measures, and keeps the evidence with the backup. Its error is
// for a test that could not be made; a backup that fails it has Test.Problems.
func (d *Desk) Test(ctx context.Context, b *ripcord.Backup, to string) (err error) {
	began := d.scope.Now().UTC()
	p := measure(d.scope.Now)
	place, err := d.Data.Place(ctx, newID(began), to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.Drop(context.WithoutCancel(ctx))) }()
	p.done("make the place")
	test := &ripcord.RestoreTest{At: began, AgeSeconds: began.Sub(b.At).Seconds(), Place: place.Name(), Passed: []string{}}
	if err := d.fill(ctx, place, b, p); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		test.Problems = append(test.Problems, "it cannot be restored: "+words(err))
	} else if err := d.examine(ctx, place, b, test, p); err != nil {
		return err
	}
	test.Seconds, test.Phases = p.seconds(), p.all
	b.Test = test
	return d.Repository.Note(ctx, b)
}

func (d *Desk) fill(ctx context.Context, place ripcord.Place, b *ripcord.Backup, p *phases) error {
	content, err := d.Repository.Content(ctx, b, d.Progress)
	if err != nil {
		return err
	}
	defer p.done("restore")
	return place.Restore(ctx, b, content)
}

// examine compares the restored data with what was seen at the backup, and asks the
// declared questions.
func (d *Desk) examine(ctx context.Context, place ripcord.Place, b *ripcord.Backup, test *ripcord.RestoreTest, p *phases) error {
	seen, err := place.Look(ctx, true)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		test.Problems = append(test.Problems, "what was restored cannot be read: "+words(err))
		return nil
	}
	passed, problems := compare(&b.View, &seen)
	test.Passed, test.Problems = append(test.Passed, passed...), append(test.Problems, problems...)
	p.done("count and compare")
	for _, question := range d.Set.Checks {
		well, answer, err := place.Ask(ctx, question)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			test.Problems = append(test.Problems, fmt.Sprintf("%s: %s", question, words(err)))
		case !well:
			test.Problems = append(test.Problems, fmt.Sprintf("%s: the answer is %s, not true", question, answer))
		default:
			test.Passed = append(test.Passed, question)
		}
	}
	if len(d.Set.Checks) > 0 {
		p.done("declared checks")
	}
	return nil
}

// compare says in which way what was restored is, and is not, what was backed up.
func compare(was, is *ripcord.DataView) (passed, problems []string) {
	if was.Exact {
		wrong := 0
		for _, t := range was.Tables {
			switch now := is.Table(t.Name); {
			case now == nil:
				problems = append(problems, t.Name+" is not there")
				wrong++
			case now.Rows != t.Rows:
				problems = append(problems, fmt.Sprintf("%s has %d rows, and had %d at the backup", t.Name, now.Rows, t.Rows))
				wrong++
			}
		}
		if wrong == 0 && len(was.Tables) > 0 {
			passed = append(passed, fmt.Sprintf("everything counted as at the backup: %d in %s", was.Rows(), places(was.Tables)))
		}
	}
	if was.Schema != "" {
		if was.Schema == is.Schema {
			passed = append(passed, "all definitions as they were at the backup")
		} else {
			problems = append(problems, "the definitions (schema) are not as they were at the backup")
		}
	}
	if was.Content != "" {
		if was.Content == is.Content {
			passed = append(passed, "everything in it as it was at the backup")
		} else {
			problems = append(problems, "what is in it is not as it was at the backup")
		}
	}
	return passed, problems
}

// places says where something was counted.
func places(tables []ripcord.TableView) string {
	if len(tables) == 1 {
		return tables[0].Name
	}
	return fmt.Sprintf("%d tables", len(tables))
}

// words is an error with what its text leaves out.
func words(err error) string {
	if e, ok := errors.AsType[*ripcord.Failure](err); ok {
		return e.Summary
	}
	return err.Error()
}
