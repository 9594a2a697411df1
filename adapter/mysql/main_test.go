package mysql_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dbserver"
)

// server is shared: a start takes seconds.
var server *dbserver.Server

// password has what an address must escape.
const password = "s3cret/with %odd@chars"

func TestMain(m *testing.M) {
	var err error
	if server, err = dbserver.NewMariaDB(password); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	server.Remove()
	os.Exit(code)
}
