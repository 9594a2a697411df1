package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/machine"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
)

// fleet is a world whose service runs on machines of their own, which ripcord
// reaches over SSH, behind a balancer here. Two machines are a batch.
type fleet struct {
	*roll
	machines []*machine.Machine
}

// machinesOf is how many machines a fleet has.
const machinesOf = 4

func newFleet(t *testing.T, kind string) *fleet {
	t.Helper()
	w := newWorld(t, "machines")
	f := &fleet{
		roll:     &roll{midSwitch: &midSwitch{world: w, balancer: newBalancer(w, kind), total: newTally()}},
		machines: make([]*machine.Machine, machinesOf),
	}
	if err := os.Link(filepath.Join(bin, service), filepath.Join(w.app, "program")); err != nil {
		t.Fatal(err)
	}
	var booting sync.WaitGroup
	for n := range f.machines {
		booting.Go(func() { f.machines[n] = machine.Start(t, machine.Options{Network: true}) })
	}
	booting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	f.join()
	w.must(0, "keeper", "start")
	return f
}

// join lets ripcord log in on the machines, and names them in the plan file.
func (f *fleet) join() {
	f.Helper()
	if _, err := sshd.WriteKey(f.in("id")); err != nil {
		f.Fatal(err)
	}
	public, err := os.ReadFile(f.in("id.pub"))
	if err != nil {
		f.Fatal(err)
	}
	var known, list strings.Builder
	for n, m := range f.machines {
		known.WriteString(m.SSH(f.T, string(public)))
		fmt.Fprintf(&list, "\n  app%d: {ssh: root@%s, identity: %q, known_hosts: %q}", n+1, m.Address, f.in("id"), f.in("known_hosts"))
	}
	f.file("known_hosts", known.String())
	f.write("ripcord.yaml", strings.Replace(f.read("ripcord.yaml"), " MACHINES", list.String(), 1))
}

// units are what each machine has of the service: units with their state, what they
// run and which start of theirs it is, and all files.
func (f *fleet) units() []string {
	f.Helper()
	const script = `cd /etc/systemd/system; for u in ripcord-*.service; do [ -e "$u" ] || continue
echo "$u $(systemctl show --value -p ActiveState,UnitFileState,InvocationID "$u" | tr '\n' ' ')$(sed -n 's/^ExecStart=//p' "$u")"; done
ls /var/lib/ripcord-units; find . -name 'ripcord-*' -type l; systemctl list-units --all --plain --no-legend 'ripcord-*'`
	all := make([]string, len(f.machines))
	for n, m := range f.machines {
		all[n] = m.Run(f.T, "sh", "-c", script)
	}
	return all
}

// lasting are the same without what is another one after a restart.
func lasting(units []string) string {
	var b strings.Builder
	for n, text := range units {
		fmt.Fprintf(&b, "app%d:\n", n+1)
		for line := range strings.Lines(text) {
			words := strings.Fields(line)
			if strings.Contains(line, "--listen") {
				words = slices.DeleteFunc(words, func(word string) bool { return len(word) == 32 })
			}
			b.WriteString("  " + strings.Join(words, " ") + "\n")
		}
	}
	return b.String()
}

// serve fails the test unless every machine runs the version, and nothing else.
func (f *fleet) serve(version string) {
	f.Helper()
	for n, text := range f.units() {
		if strings.Count(text, "--listen") != 1 || !strings.Contains(text, " active ") && !strings.Contains(text, "\tactive ") ||
			!strings.Contains(text, `"--version" "`+version+`"`) || strings.Count(text, "multi-user.target.wants") != 1 {
			f.Errorf("app%d should run %s alone, and at boot:\n%s", n+1, version, text)
		}
	}
}

// TestMachines: a service on four machines with systemd is replaced two machines at
// a time, under a load, and no request is lost. A version that one machine cannot
// run ends in its batch, and machines that were not reached are not touched. When
// ripcord is killed in the middle of a batch, recover goes on, or back; when a
// machine loses its power, everything goes back as soon as it has booted again.
func TestMachines(t *testing.T) {
	t.Parallel()
	if !apart(t, ownNetwork) {
		return
	}
	f := newFleet(t, proxyAlone)
	f.release(0, "v1")
	f.serve("v1")
	f.forwardAll()
	f.unfit()
	f.killedMidway(goOn, "v4")
	f.killedMidway(goBack, "v4")
	f.powerCut()
}

func (f *fleet) forwardAll() {
	f.Helper()
	load := f.steady()
	f.count()
	f.release(0, "v2")
	if least := f.counted(); least != machinesOf-2 {
		f.Errorf("at least %d of %d machines answered at any time, want %d", least, machinesOf, machinesOf-2)
	}
	f.calm("v1 to v2", load)
	f.serve("v2")
}

// unfit releases a version that the second machine cannot run.
func (f *fleet) unfit() {
	f.Helper()
	f.machines[1].Write(f.T, "/srv/unfit-v3", nil, 0o600)
	before := f.units()
	load := f.steady()
	f.count()
	said := f.release(3, "v3")
	if least := f.counted(); least != machinesOf-2 {
		f.Errorf("on the way back at least %d of %d machines answered at any time, want %d", least, machinesOf, machinesOf-2)
	}
	f.calm("v2 to v3 and back", load)
	if text := said.String(); !strings.Contains(text, "deploy-web-app2: FAILED") || !strings.Contains(text, "this machine has no licence for v3") || strings.Contains(text, "deploy-web-2") {
		f.Errorf("the release said\n%s", said)
	}
	f.back("after the bad batch", before, 2)
	f.verified()
}

// back fails the test unless the machines have what they had before, and those from
// untouched on have not noticed anything.
func (f *fleet) back(what string, before []string, untouched int) {
	f.Helper()
	after := f.units()
	if was, is := lasting(before), lasting(after); was != is {
		f.Errorf("%s: before\n%s\nafter\n%s", what, was, is)
	}
	for n := range f.machines {
		if n >= untouched && before[n] != after[n] {
			f.Errorf("%s: app%d was touched: before\n%s\nafter\n%s", what, n+1, before[n], after[n])
		}
	}
}

// midway begins a release, and returns when the first machine of the second batch
// has lost its old instance.
func (f *fleet) midway(version string) *process {
	f.Helper()
	release := f.start(f.releaseArgs(version)...)
	said := func() string { return release.stdout.String() + release.stderr.String() }
	f.untilOr("the second batch is being replaced", func() bool { return strings.Contains(said(), "deploy-web-app3 | stopping") }, func() { f.Log(said()) })
	return release
}

// killedMidway kills ripcord in the middle of a batch, and brings the run to its end.
func (f *fleet) killedMidway(how []string, version string) {
	f.Helper()
	before := f.units()
	load := f.steady()
	release := f.midway(version)
	release.signal(syscall.SIGKILL)
	_ = release.wait()
	ended := f.do(how...)
	v := f.show()
	what := fmt.Sprintf("killed, %s", how)
	f.calm(what, load)
	switch {
	case v.EndedAt == nil:
		f.Fatalf("%s: the run is %s: %s\n%s", what, v.State, v.Reason, ended)
	case slices.Equal(how, goOn):
		if v.State != succeeded {
			f.Errorf("%s: the run is %s\n%s", what, v.State, ended)
		}
		f.serve(version)
	case v.State != rolledBack || v.Verified == nil || !*v.Verified:
		f.Errorf("%s: the run is %s\n%s", what, v.State, ended)
	default:
		f.back(what, before, machinesOf)
	}
	f.verified()
}

// powerCut takes the power from a machine whose instance is being replaced, and
// gives it back.
func (f *fleet) powerCut() {
	f.Helper()
	before := f.units()
	load := f.steady()
	release := f.midway("v6")
	if err := f.machines[2].Cut(f.Context()); err != nil {
		f.Fatal(err)
	}
	if err := f.machines[2].Boot(f.Context()); err != nil {
		f.Fatal(err)
	}
	said := release.wait()
	f.calm("power cut", load)
	if v := f.show(); said.code != 3 || v.State != rolledBack || v.Verified == nil || !*v.Verified {
		f.Errorf("after the power cut: %s\n%s", v.State, said)
	}
	f.back("after the power cut", before, machinesOf)
	f.verified()
}
