package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a story waits for something that has to happen.
const patience = 2 * time.Minute

// world is one application with a state directory of its own.
type world struct {
	*testing.T
	// dir holds everything; its name is how processes of this world are found.
	dir, app, state, key string
	binary               string
	// listen is the proxy's address, ports the range of the instances.
	listen, ports string
	// set are plan variables, env variables of the environment.
	set map[string]string
	env []string
	// keeperEnv is the environment of a keeper that startKeeper starts.
	keeperEnv []string
}

// ports gives each world its own: first the proxy's, then the instances'.
var ports atomic.Int64

const portsEach = 24

// newWorld copies an application of testdata into a new world. Everything that
// was started in it is stopped at the end of the test.
func newWorld(t *testing.T, application string) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "rip-") //nolint:usetesting // short, because sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		T: t, dir: dir, app: filepath.Join(dir, "app"), state: filepath.Join(dir, "state"), key: filepath.Join(dir, "key"),
		binary: filepath.Join(bin, userBinary), set: make(map[string]string),
	}
	if application != "gate" {
		w.listen, w.ports = freePorts(t)
	}
	t.Cleanup(w.end)
	if err := os.CopyFS(w.app, os.DirFS(filepath.Join("testdata", application))); err != nil {
		t.Fatal(err)
	}
	if application == "gate" {
		return w
	}
	w.set["listen"], w.set["ports"], w.set["home"] = w.listen, w.ports, w.dir
	w.set["service"] = filepath.Join(bin, service)
	if application == "shop" {
		w.healthy(true)
	}
	return w
}

// healthy says whether the watch of the shop's next releases passes: it looks at
// the proxy, or where nobody listens.
func (w *world) healthy(yes bool) {
	w.set["look"] = "http://" + w.listen + "/"
	if !yes {
		w.set["look"] = "http://127.0.0.1:1/"
	}
}

// freePorts finds a range in which nobody listens.
func freePorts(t *testing.T) (listen, instances string) {
	t.Helper()
	for range 200 {
		first := 10000 + (ports.Add(portsEach)+int64(os.Getpid()%97)*portsEach*4)%9888
		if reserved(t, first) && free(first) && free(first+1) && free(first+2) {
			return fmt.Sprintf("127.0.0.1:%d", first), fmt.Sprintf("%d-%d", first+1, first+portsEach-1)
		}
	}
	t.Fatal("no ports are free")
	return "", ""
}

// reserved keeps the range from other processes that run these stories, and from
// other stories, until the test ends.
func reserved(t *testing.T, first int64) bool {
	t.Helper()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("ripcord-e2e-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := unix.Open(filepath.Join(dir, strconv.FormatInt(first, 10)), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = unix.Close(lock)
		return false
	}
	t.Cleanup(func() { _ = unix.Close(lock) })
	return true
}

func free(port int64) bool {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// end stops what runs in the world and fails the test when that is not possible.
func (w *world) end() {
	if w.Failed() {
		w.tell()
	}
	w.do("keeper", "stop")
	w.killAll()
	if err := os.RemoveAll(w.dir); err != nil {
		w.Errorf("the world is left behind: %v", err)
	}
}

// tell prints what helps to understand a failed story.
func (w *world) tell() {
	w.Logf("listening on %s, processes:\n%s", w.listen, strings.Join(w.commands(), "\n"))
	if r := w.do("history"); r.code == 0 {
		w.Logf("history:\n%s", r.stdout)
	}
	if r := w.do("show"); r.code == 0 {
		w.Logf("show:\n%s", r.stdout)
	}
	for _, log := range []string{"keeper.log"} {
		if data, err := os.ReadFile(filepath.Join(w.state, log)); err == nil {
			w.Logf("%s:\n%s", log, data[max(0, len(data)-4000):])
		}
	}
}

// write puts a file below the application's folder.
func (w *world) write(name, text string) {
	w.Helper()
	path := filepath.Join(w.app, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		w.Fatal(err)
	}
}

// read returns a file below the application's folder; "" where there is none.
func (w *world) read(name string) string {
	w.Helper()
	data, err := os.ReadFile(filepath.Join(w.app, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.Fatal(err)
	}
	return string(data)
}

// answer asks the service through the proxy, where there is one.
func (w *world) answer() string {
	if w.listen == "" {
		return ""
	}
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.listen+"/", nil)
	if err != nil {
		return err.Error()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return "nobody answers: " + err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s %s (%v)", answer.Status, body, err)
	}
	return string(body)
}

// fingerprint is what counts of the world: the site's files with their modes and
// which version answers. The version's name is replaced, so that two all-new
// worlds are equal.
func (w *world) fingerprint(version string) string {
	w.Helper()
	var b strings.Builder
	site := filepath.Join(w.app, "site")
	err := filepath.WalkDir(site, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == site {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s", strings.TrimPrefix(path, w.app), info.Mode())
		stamp := strings.HasPrefix(d.Name(), ".") && strings.HasSuffix(d.Name(), ".ripcord")
		if info.Mode().IsRegular() && !stamp {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	if w.listen != "" {
		fmt.Fprintf(&b, "answer %q\n", w.answer())
	}
	return strings.ReplaceAll(b.String(), version, "VERSION")
}

// until waits for something that has to happen.
func (w *world) until(what string, holds func() bool) {
	w.Helper()
	w.untilOr(what, holds, func() {})
}

// untilOr waits likewise; otherwise is called before the test fails.
func (w *world) untilOr(what string, holds func() bool, otherwise func()) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			otherwise()
			w.Fatalf("in %s it did not happen that %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
