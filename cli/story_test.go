package cli_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // a story changes the journal behind our back

	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/cli"
	"github.com/ripcord-dev/ripcord/shim"
)

// TestMain lets the test binary play ripcord, and the parts that ripcord becomes
// when it starts itself again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "__") {
		os.Exit(ripcord())
	}
	testscript.Main(m, map[string]func(){
		"ripcord": func() { os.Exit(ripcord()) }, "shop": shopProgram, "customers": customersProgram,
	})
}

// ripcord is the process edge as main has it.
func ripcord() int {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		return shim.Main(os.Args[2], time.Now)
	}
	if len(os.Args) > 2 && os.Args[1] == "__proxy" {
		return dataplane.Main(context.Background(), os.Args[2:], os.Stderr, time.Now)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return cli.Run(context.Background(), &cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Environ: os.Environ, Self: self, Version: "v0.0.0-test", User: "alex",
		Signals: signals, Now: time.Now,
	})
}

// TestStories plays testdata/script: each verb as a person uses it.
func TestStories(t *testing.T) {
	t.Parallel()
	play(t, "testdata/script")
}

// play plays the stories of a folder.
func play(t *testing.T, folder string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir: folder,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Defer(func() { endAll(e.WorkDir) })
			e.Setenv("RIPCORD_STATE_DIR", e.WorkDir+"/state")
			e.Setenv("RIPCORD_KEY_FILE", e.WorkDir+"/key")
			e.Setenv("RIPCORD_NO_KEEPER", "true")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": code, "field": field, "onejson": oneJSON, "await": await, "editjournal": editJournal, "runid": runID, "until": until,
			"freeaddress": freeAddress, "sql": doSQL,
		},
	})
}

// code runs a command that must end with the given exit code: code 3 ripcord release.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("it ended with %d, not %d", got, want)
	}
}

// document reads the one JSON document in a stream of the last command.
func document(ts *testscript.TestScript, stream string) any {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(stream)))
	var v, more any
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s is no JSON: %v", stream, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		ts.Fatalf("%s holds more than one document", stream)
	}
	return v
}

// oneJSON demands that stdout, or the given stream, is exactly one document.
func oneJSON(ts *testscript.TestScript, _ bool, args []string) {
	document(ts, append(args, "stdout")[0])
}

// field demands a value in the JSON on stdout: field steps.0.state applied. With !
// the field must not be there.
func field(ts *testscript.TestScript, neg bool, args []string) {
	v := document(ts, "stdout")
	var there bool
	for key := range strings.SplitSeq(args[0], ".") {
		there = false
		switch holder := v.(type) {
		case map[string]any:
			v, there = holder[key]
		case []any:
			if i, err := strconv.Atoi(key); err == nil && i < len(holder) {
				v, there = holder[i], true
			}
		}
	}
	if there == neg {
		ts.Fatalf("%s is there: %v", args[0], there)
	}
	if text := fmt.Sprint(v); !neg && len(args) > 1 && text != args[1] {
		ts.Fatalf("%s is %s, not %s", args[0], text, args[1])
	}
}

// await waits for files to be there.
func await(ts *testscript.TestScript, _ bool, args []string) {
	limit := time.Now().Add(3 * time.Minute)
	for _, name := range args {
		for {
			if _, err := os.Stat(ts.MkAbs(name)); err == nil {
				break
			}
			if time.Now().After(limit) {
				ts.Fatalf("%s does not come", name)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// until repeats a command until its output matches: until PATTERN command...
func until(ts *testscript.TestScript, _ bool, args []string) {
	limit, pattern := time.Now().Add(3*time.Minute), regexp.MustCompile(args[0])
	for {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s does not come", args[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// editJournal executes SQL in the journal, as nobody should.
func editJournal(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs("state/journal.db"))
	ts.Check(err)
	_, err = db.Exec(args[0])
	ts.Check(errors.Join(err, db.Close()))
}

// runID puts the newest run's id into the variable RUN.
func runID(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("ripcord", "history", "--limit", "1", "-o", "json"))
	list, _ := document(ts, "stdout").([]any)
	if len(list) == 0 {
		ts.Fatalf("there is no run")
	}
	first, _ := list[0].(map[string]any)
	ts.Setenv("RUN", fmt.Sprint(first["run"]))
}
