package migrate

import (
	"context"
	"fmt"
)

// notesTable is where Ripcord writes down, in the database itself, what it did there:
// the digest of each migration, so that one that was edited afterwards is noticed,
// and how far one has come that is no transaction.
const notesTable = "ripcord_migration"

// note is one migration's row.
type note struct {
	version int64
	digest  string
	// up counts the statements of its way up that are done, of all; back those of its
	// way back.
	up, all, back int
	// begun is the state of the schema before the statement that is under way; empty
	// between two of them, and finished behind the last.
	begun string
}

// finished is a note of a migration that is there.
const finished = "done"

// half reports whether the migration is neither there nor gone.
func (n note) half() bool { return n.begun != finished }

func (x *session) makeNotes(ctx context.Context, on querier) error {
	there, err := x.hasTable(ctx, on, notesTable)
	if err != nil || there {
		return err
	}
	_, err = on.ExecContext(ctx, "create table "+notesTable+" (version bigint not null primary key, digest varchar(64) not null, "+
		"up_done int not null, up_all int not null, back_done int not null, begun varchar(64) not null, run varchar(64) not null)")
	return err
}

// notes reads all rows, by version.
func (x *session) notes(ctx context.Context, on querier) (all []note, there bool, err error) {
	there, err = x.hasTable(ctx, on, notesTable)
	if err != nil || !there {
		return nil, false, err
	}
	rows, err := on.QueryContext(ctx, "select version, digest, up_done, up_all, back_done, begun from "+notesTable+" order by version")
	if err != nil {
		return nil, true, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	for rows.Next() {
		var n note
		if err := rows.Scan(&n.version, &n.digest, &n.up, &n.all, &n.back, &n.begun); err != nil {
			return nil, true, err
		}
		all = append(all, n)
	}
	return all, true, rows.Err()
}

// write puts a row in the place of the one that is there. The values hold no text of
// others: digests and numbers.
func (x *session) write(ctx context.Context, on querier, n note) error {
	if err := x.forget(ctx, on, n.version); err != nil {
		return err
	}
	_, err := on.ExecContext(ctx, fmt.Sprintf("insert into %s (version, digest, up_done, up_all, back_done, begun, run) values (%d, '%s', %d, %d, %d, '%s', '%s')",
		notesTable, n.version, n.digest, n.up, n.all, n.back, n.begun, x.scope.Run))
	return err
}

func (x *session) forget(ctx context.Context, on querier, version int64) error {
	_, err := on.ExecContext(ctx, fmt.Sprintf("delete from %s where version = %d", notesTable, version))
	return err
}

// progress changes a row in one statement, so that it is never missing.
func (x *session) progress(ctx context.Context, on querier, n note) error {
	_, err := on.ExecContext(ctx, fmt.Sprintf("update %s set up_done = %d, back_done = %d, begun = '%s' where version = %d", notesTable, n.up, n.back, n.begun, n.version))
	return err
}
