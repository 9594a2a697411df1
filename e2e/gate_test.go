package e2e_test

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// atGate starts the release of v2 and returns when it stands at the gate.
func (w *world) atGate() *process {
	w.Helper()
	p := w.start(w.releaseArgs("v2")...)
	w.arrives("arrived-v2")
	return p
}

// arrives waits for a file below the application's folder.
func (w *world) arrives(name string) {
	w.Helper()
	w.until(name+" is there", func() bool {
		_, err := os.Stat(filepath.Join(w.app, name))
		return err == nil
	})
}

// remove removes a file below the application's folder.
func (w *world) remove(name string) {
	w.Helper()
	if err := os.RemoveAll(filepath.Join(w.app, name)); err != nil {
		w.Fatal(err)
	}
}

// reaches waits until the newest run is in the state.
func (w *world) reaches(state ripcord.RunState) {
	w.Helper()
	w.until("the run is "+string(state), func() bool { return w.show().State == state })
}

// ends waits for a command that has to end with the code and the text.
func (p *process) ends(code int, text string) result {
	p.w.Helper()
	r := p.wait()
	if r.code != code || !strings.Contains(r.stdout+r.stderr, text) {
		p.w.Fatalf("%v: want exit %d and %q, got %s", p.Args[1:], code, text, r)
	}
	return r
}

// gateWorld is one with a released v1.
func gateWorld(w *world) (was string) {
	w.Helper()
	w.write("open", "")
	w.release(0, "v1")
	w.remove("open")
	return w.fingerprint("v1")
}
