package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// fells kills something and counts it, where it lived.
func (s *soak) fells(what string, kill func() bool) {
	if kill() {
		s.note("kills %s", what)
		s.total.add("killed: "+what, 1)
	}
}

// fellsAny kills one of them.
func (s *soak) fellsAny(what string, all []found) {
	s.Helper()
	if len(all) == 0 {
		return
	}
	victim := all[s.dice.IntN(len(all))]
	s.note("kills %s: %s", what, victim)
	s.total.add("killed: "+what, 1)
	s.kill([]found{victim})
}

// outage begins: from now until all is calm nobody need answer.
func (s *soak) outage(proxy bool) {
	s.harmed = true
	s.outages = append(s.outages, outage{from: time.Now(), proxy: proxy})
}

func (s *soak) fellsProxy() {
	s.Helper()
	if all := s.processesWith("__proxy"); len(all) > 0 {
		s.outage(true)
		s.fellsAny("proxy", all)
	}
}

// instances are the processes that serve.
func (s *soak) instances() []found { return s.processesWith("--listen", "--home") }

// fellsInstance kills an instance; the second one of a version may have been the
// last.
func (s *soak) fellsInstance() {
	s.Helper()
	all := s.instances()
	if len(all) == 0 {
		return
	}
	victim := all[s.dice.IntN(len(all))]
	s.hurts(victim)
	s.fellsAny("instance", []found{victim})
}

func (s *soak) hurts(instance found) {
	s.harmed = true
	version := instance.args[4] // --listen A --version V
	if s.hurt[version]++; s.hurt[version] > 1 {
		s.outage(false)
	}
}

// fellsShim kills the shim of an instance, which the keeper will replace together
// with it, or that of the proxy, from which a new one takes over.
func (s *soak) fellsShim() {
	s.Helper()
	shims := s.processesWith("__shim", "/instances/")
	if len(shims) == 0 {
		return
	}
	victim := shims[s.dice.IntN(len(shims))]
	for _, p := range append(s.instances(), s.processesWith("__proxy")...) {
		switch {
		case parent(p.pid) != victim.pid:
		case strings.Contains(p.String(), "__proxy"):
		default:
			s.hurts(p)
		}
	}
	s.fellsAny("shim of an instance", []found{victim})
}

// fellsAll kills everything in the world, as a power cut does.
func (s *soak) fellsAll() {
	s.Helper()
	s.outage(false)
	s.fells("everything", func() bool {
		s.kill(s.processes())
		return true
	})
}

// stepCommands are the children of the commands' shims.
func (s *soak) stepCommands() []found {
	s.Helper()
	shims := make(map[int]bool)
	for _, p := range s.processesWith("__shim", "/commands/") {
		shims[p.pid] = true
	}
	var all []found
	for _, p := range s.processes() {
		if shims[parent(p.pid)] {
			all = append(all, p)
		}
	}
	return all
}

// parent is a process's parent; 0 when it is gone.
func parent(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(fields[1])
	return ppid
}
