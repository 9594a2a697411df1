package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/machine"
	"github.com/ripcord-dev/ripcord/app"
)

// box is a machine with ripcord and an application on it, as its root has them.
type box struct {
	*testing.T
	*machine.Machine
}

// newBox boots a machine with the programs of the stories in /usr/local/bin and
// an application of testdata in /srv/app.
func newBox(t *testing.T, application string) *box {
	t.Helper()
	b := &box{t, machine.Start(t, machine.Options{})}
	for _, program := range []string{userBinary, service} {
		data, err := os.ReadFile(filepath.Join(bin, program))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(t, "/usr/local/bin/"+program, data, 0o755)
	}
	files, err := os.ReadDir(filepath.Join("testdata", application))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join("testdata", application, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(t, "/srv/app/"+file.Name(), data, 0o755)
	}
	return b
}

// ripcord runs a command of ripcord in the application's folder; it must end with
// the code.
func (b *box) ripcord(code int, args ...string) string {
	b.Helper()
	cmd := b.Command(b.Context(), append([]string{"sh", "-c", `cd /srv/app && exec ripcord "$@"`, "ripcord"}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		b.Fatalf("ripcord %s: %v, want exit %d\n%s\n%s", strings.Join(args, " "), err, code, out, b.logs())
	}
	return string(out)
}

// logs is what the machine's units said of ripcord.
func (b *box) logs() string {
	out, _ := b.Command(context.Background(), "journalctl", "--no-pager", "-n", "60", "-u", "ripcord*").CombinedOutput()
	return string(out)
}

// reboot is what doctor says that a reboot would do.
func (b *box) reboot(code int) (level app.Level, text string) {
	b.Helper()
	var said struct{ Findings []app.Finding }
	out := b.ripcord(code, "doctor", "-o", "json")
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, f := range said.Findings {
		if f.About == "reboot" {
			return f.Level, f.Text
		}
	}
	return "", ""
}

func (b *box) says(code int, want app.Level, pattern string) {
	b.Helper()
	level, text := b.reboot(code)
	if level != want || !regexp.MustCompile(pattern).MatchString(text) {
		b.Errorf("doctor says %s %q of a reboot, want %s %q", level, text, want, pattern)
	}
}

// answer asks the proxy inside.
func (b *box) answer() string {
	client := http.Client{Transport: &http.Transport{DialContext: b.DialContext, DisableKeepAlives: true}, Timeout: time.Minute}
	r, err := client.Get("http://127.0.0.1:8080/")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	return strings.TrimSpace(fmt.Sprint(string(body), errorText(err)))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return " " + err.Error()
}

// until waits for something that has to happen.
func (b *box) until(what string, holds func() bool) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			b.Fatalf("in %s it did not happen that %s\n%s", patience, what, b.logs())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (b *box) state() ripcord.RunState {
	b.Helper()
	var v app.View
	out, err := b.Command(b.Context(), "ripcord", "show", "-o", "json").Output()
	if err != nil || json.Unmarshal(out, &v) != nil {
		return ""
	}
	return v.State
}

// cut cuts the machine's power and switches it on again.
func (b *box) cut() {
	b.Helper()
	if err := b.Cut(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := b.Boot(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// TestBoot: with the boot unit, or a line of a crontab, a reboot stops neither a
// release nor what the last one started; doctor knows beforehand, and removing it
// takes all of that back.
func TestBoot(t *testing.T) {
	t.Parallel()
	b := newBox(t, "boot")
	b.ripcord(0, "release", "--version", "v1", "--set", "gate=open")
	if got := b.answer(); got != "v1" {
		t.Fatalf("after the release the answer is %q", got)
	}
	b.says(7, app.LevelWarn, "would stop 3 instances.*no boot unit")

	b.ripcord(0, "init", "--boot")
	if got := b.answer(); got != "v1" {
		t.Errorf("the unit's keeper stopped what ran: %q", got)
	}
	b.says(0, app.LevelOK, "3 instances go on after a reboot .*/ripcord.service")
	b.ripcord(0, "init", "--boot") // again is no harm
	if state := strings.TrimSpace(b.Machine.Run(t, "systemctl", "show", "--value", "-p", "SubState,NRestarts", "ripcord")); state != "0\nrunning" && state != "running\n0" {
		t.Errorf("the unit is %q", state)
	}
	if err := b.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("v1 answers after a reboot", func() bool { return b.answer() == "v1" })
	b.ripcord(0, "status")

	b.ripcord(0, "release", "--version", "v2", "--detach")
	b.until("the run is at the gate", func() bool {
		return b.Command(t.Context(), "test", "-e", "/srv/app/arrived-v2").Run() == nil
	})
	b.says(0, app.LevelOK, "5 instances and the unfinished runs go on after a reboot")
	b.cut()
	b.Write(t, "/srv/app/open", nil, 0o644)
	b.until("the interrupted run has succeeded", func() bool { return b.state() == ripcord.StateSucceeded })
	b.until("v2 answers", func() bool { return b.answer() == "v2" })

	b.Machine.Run(t, "mv", "/usr/local/bin/ripcord", "/usr/local/bin/ripcord2")
	b.Machine.Run(t, "ln", "-s", "/usr/local/bin/ripcord2", "/usr/bin/ripcord")
	b.says(7, app.LevelBad, "/usr/local/bin/ripcord, which is not there any more")
	b.Machine.Run(t, "mv", "/usr/local/bin/ripcord2", "/usr/local/bin/ripcord")
	b.Machine.Run(t, "systemctl", "disable", "--quiet", "ripcord")
	b.says(7, app.LevelBad, "not enabled")
	b.ripcord(0, "init", "--boot", "--remove")
	b.says(7, app.LevelWarn, "no boot unit")
	if got := b.answer(); got != "v2" {
		t.Errorf("removing the unit stopped what ran: %q", got)
	}

	b.Write(t, "/tmp/crontab", []byte("@reboot /usr/local/bin/ripcord __keeper --state-dir /var/lib/ripcord --stay\n"), 0o600)
	b.Machine.Run(t, "crontab", "/tmp/crontab")
	b.says(7, app.LevelBad, "no cron runs")
	b.Machine.Run(t, "systemctl", "enable", "--quiet", "--now", "cron")
	b.ripcord(0, "keeper", "start")
	b.says(0, app.LevelOK, "3 instances go on after a reboot .the crontab")
	b.cut()
	b.until("v2 answers after a power cut", func() bool { return b.answer() == "v2" })
	b.says(0, app.LevelOK, "3 instances go on")
}
