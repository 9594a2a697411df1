package cli_test

import (
	"database/sql"
	"errors"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // the stories' databases
)

// doSQL executes statements in a SQLite database: sql FILE STATEMENT...
func doSQL(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	for _, statement := range args[1:] {
		_, failed := db.Exec(statement)
		err = errors.Join(err, failed)
	}
	ts.Check(errors.Join(err, db.Close()))
}
