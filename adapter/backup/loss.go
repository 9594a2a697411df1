package backup

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// Loss is what a restore would lose of what is there now.
type Loss struct {
	// Lost counts rows, files or writes, in all tables; Tables says which.
	Lost   int64               `json:"lost"`
	Tables []ripcord.TableLoss `json:"tables,omitempty"`
	// Unknown says why it cannot be counted in full; it then counts as loss.
	Unknown string `json:"unknown,omitempty"`
	// How says what was counted.
	How string `json:"how"`
}

// Any reports whether something is lost, or may be.
func (l *Loss) Any() bool { return l.Lost > 0 || l.Unknown != "" }

// String is the loss in a few words.
func (l *Loss) String() string {
	switch {
	case l.Unknown != "" && l.Lost > 0:
		return fmt.Sprintf("at least %d writes, and how many more is not known: %s", l.Lost, l.Unknown)
	case l.Unknown != "":
		return "not known: " + l.Unknown
	case l.Lost == 0:
		return "nothing"
	}
	return fmt.Sprintf("%d writes", l.Lost)
}

// counted compares counts: rows, and the writes that a server has counted.
func counted(now, then *ripcord.DataView) *Loss {
	l := &Loss{How: "rows, and the writes that the server has counted since"}
	comparable := now.Epoch != "" && now.Epoch == then.Epoch
	if !comparable {
		l.How, l.Unknown = "rows", "the server does not tell which rows were changed since, or began to count anew"
	}
	for _, t := range now.Tables {
		loss := ripcord.TableLoss{Name: t.Name, Now: t.Rows, Lost: t.Rows}
		if was := then.Table(t.Name); was != nil {
			loss.Then = was.Rows
			loss.Lost = max(0, t.Rows-was.Rows)
			switch written := t.Writes - was.Writes; {
			case comparable && written < 0:
				l.Unknown = "the server began to count anew"
			case comparable:
				loss.Lost = max(loss.Lost, written)
			}
		}
		l.add(loss)
	}
	return l
}

func (l *Loss) add(t ripcord.TableLoss) {
	l.Lost += t.Lost
	l.Tables = append(l.Tables, t)
}

// foresee counts what a restore of a backup would lose. gone says that there is
// nothing to lose.
func (d *Desk) foresee(ctx context.Context, b *ripcord.Backup) (l *Loss, gone bool, err error) {
	now, err := d.Data.Look(ctx, true)
	if ripcord.CodeOf(err) == ripcord.CodeNotFound {
		return &Loss{How: "there is nothing any more"}, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return counted(&now, &b.View), false, nil
}

// compared counts piece by piece where the data can.
func (d *Desk) compared(ctx context.Context, place ripcord.Place) (*Loss, error) {
	c, ok := d.Data.(ripcord.Comparer)
	if !ok {
		return nil, nil
	}
	tables, err := c.Compare(ctx, place)
	if err != nil {
		return nil, err
	}
	l := &Loss{How: "each row or file, compared"}
	for _, t := range tables {
		l.add(t)
	}
	return l, nil
}
