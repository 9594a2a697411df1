package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// Place is a new database for a restore.
type Place struct {
	*target
	// beside says that it is on the server of the data.
	beside bool
	// made says that we have made it, so that it can be dropped again.
	made bool
}

// Place implements ripcord.Data.
func (d *Data) Place(ctx context.Context, id, to string) (ripcord.Place, error) {
	live, err := d.target(ctx)
	if err != nil {
		return nil, err
	}
	if to == "" {
		p := &Place{live.called(newName(live.name(), "_restored_"+strings.ReplaceAll(id, "-", "_"))), true, true}
		return p, p.create(ctx, live.name())
	}
	elsewhere, err := d.at(ctx, to)
	if err != nil {
		return nil, err
	}
	p := &Place{target: elsewhere}
	err = p.empty(ctx)
	if ripcord.CodeOf(err) != ripcord.CodeNotFound {
		return p, err
	}
	p.made = true
	return p, p.create(ctx, "")
}

// empty refuses a database in which something is.
func (p *Place) empty(ctx context.Context) error {
	return p.use(false, func(db *sql.DB) error {
		found, err := database.Texts(ctx, db, `select table_name from information_schema.tables where table_schema = database() order by 1 limit 1`)
		if err != nil {
			return p.refused(err)
		}
		if len(found) > 0 {
			return ripcord.Errorf(ripcord.CodePlan, "%s is not empty: it has %s. A restore elsewhere takes an empty database", p, found[0][0]).
				WithFix("name an empty one, or one that does not exist yet")
		}
		return nil
	})
}

// create makes the database, with the character set of another one where that is there.
func (p *Place) create(ctx context.Context, like string) error {
	return p.use(true, func(db *sql.DB) error {
		rows, err := database.Texts(ctx, db, `select default_character_set_name, default_collation_name from information_schema.schemata where schema_name = ?`, like)
		if err != nil {
			return p.refused(err)
		}
		options := ""
		if len(rows) > 0 {
			options = ` character set ` + rows[0][0] + ` collate ` + rows[0][1]
		}
		if _, err := db.ExecContext(ctx, `create database `+quoted(p.name())+options); err != nil {
			return p.refused(err)
		}
		return nil
	})
}

// Name implements ripcord.Place.
func (p *Place) Name() string { return p.String() }

// Restore implements ripcord.Place.
func (p *Place) Restore(ctx context.Context, _ *ripcord.Backup, from ripcord.Content) (err error) {
	load, err := p.program(clients(), "--binary-mode", p.name())
	if err != nil {
		return err
	}
	data, err := from.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	whole := &ending{from: data}
	load.In = whole
	if err := pipe.Run(ctx, load); err != nil {
		return err
	}
	if !bytes.Contains(whole.last, []byte("-- Dump completed")) {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the dump in the backup has no end", Final: true}
	}
	return nil
}

// ending remembers the end of what is read.
type ending struct {
	from io.Reader
	last []byte
}

func (e *ending) Read(into []byte) (int, error) {
	n, err := e.from.Read(into)
	e.last = append(e.last, into[:n]...)
	const kept = 256
	e.last = append([]byte(nil), e.last[max(0, len(e.last)-kept):]...)
	return n, err
}

// Look implements ripcord.Place.
func (p *Place) Look(ctx context.Context, count bool) (v ripcord.DataView, err error) {
	err = p.use(false, func(db *sql.DB) error {
		v, err = p.look(ctx, db, count)
		return err
	})
	return v, err
}

// Ask implements ripcord.Place.
func (p *Place) Ask(ctx context.Context, question string) (well bool, answer string, err error) {
	err = p.use(false, func(db *sql.DB) error {
		well, answer, err = database.Ask(ctx, db, question)
		return err
	})
	if err != nil {
		return false, "", p.refused(err)
	}
	return well, answer, nil
}

// Drop implements ripcord.Place.
func (p *Place) Drop(ctx context.Context) error {
	if !p.made {
		return nil
	}
	return p.use(true, func(db *sql.DB) error {
		if _, err := db.ExecContext(ctx, `drop database if exists `+quoted(p.name())); err != nil {
			return p.refused(err)
		}
		return nil
	})
}

// Compare implements ripcord.Comparer: it counts the rows that are there now, in this
// form, and not at the place.
func (d *Data) Compare(ctx context.Context, with ripcord.Place) (all []ripcord.TableLoss, err error) {
	place, ok := with.(*Place)
	if !ok || !place.beside {
		return nil, fmt.Errorf("%s is not on the database's server", with.Name())
	}
	live, err := d.target(ctx)
	if err != nil {
		return nil, err
	}
	now, err := d.counted(ctx, live)
	if err != nil {
		return nil, err
	}
	then, err := place.Look(ctx, true)
	if err != nil {
		return nil, err
	}
	err = live.use(false, func(db *sql.DB) error {
		for _, table := range now.Tables {
			loss := ripcord.TableLoss{Name: table.Name, Now: table.Rows, Lost: table.Rows}
			if was := then.Table(table.Name); was != nil {
				loss.Then = was.Rows
				// Where the columns differ, all rows are others.
				missing, err := database.Number(ctx, db, `select count(*) from (select * from `+quoted(live.name())+`.`+quoted(table.Name)+` except select * from `+quoted(place.name())+`.`+quoted(table.Name)+`) missing`)
				if err == nil {
					loss.Lost = max(missing, loss.Now-loss.Then)
				} else if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			all = append(all, loss)
		}
		return nil
	})
	return all, err
}
