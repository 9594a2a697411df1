package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// past is a run as history tells it.
type past = app.View

// tale is what a round begins with.
type tale struct {
	name string
	// args are those of the command; fails says that it cannot succeed.
	args  []string
	fails bool
}

// tale picks one and prepares the world for it.
func (s *soak) tale() tale {
	s.Helper()
	version := fmt.Sprintf("v%d", s.seed)
	s.remove("stumble")
	s.healthy(true)
	switch s.dice.IntN(7) {
	case 0:
		s.write("stumble", "")
		return tale{"half-way failing", s.releaseArgs(version), true}
	case 1:
		s.healthy(false)
		return tale{"failing watch", s.releaseArgs(version), true}
	case 2:
		s.release(0, version)
		s.now = version
		return tale{"rollback", []string{"rollback", "--reason", "it was bad"}, false}
	case 3:
		s.release(0, version)
		s.now = version
		return tale{"rollback --to", []string{"rollback", "--to", "v0"}, false}
	case 4:
		return tale{"detached", s.releaseArgs(version, "--detach"), false}
	case 5:
		s.healthy(false)
		return tale{"detached, failing watch", s.releaseArgs(version, "--detach"), true}
	}
	return tale{"good", s.releaseArgs(version), false}
}

// round plays a tale, lets things die, brings it to its end and compares.
func (s *soak) round() {
	s.Helper()
	s.log, s.running, s.outages, s.hurt = nil, nil, nil, make(map[string]int)
	s.harmed, s.willed, s.began = false, false, time.Now()
	tale := s.tale()
	newest := s.show().Run
	defer func() {
		if s.Failed() {
			s.Logf("seed %d, %s:\n%s", s.seed, tale.name, strings.Join(s.log, "\n"))
		}
	}()
	s.began = time.Now()
	users := s.askAll()
	main := s.launch(tale.args...)
	for range 1 + s.dice.IntN(3) {
		s.wait(s.dice.IntN(900))
		s.happens(main)
	}
	s.settle(newest)
	runs := s.newRuns(newest)
	s.judge(tale, runs)
	s.calm()
	for i := range s.outages {
		s.outages[i].to = time.Now()
	}
	s.wait(200) // in which everybody has to get an answer
	lost, excused := users.sum(s.outages)
	for _, l := range lost {
		s.Errorf("lost from %d to %d ms: %s", l.began.Sub(s.began).Milliseconds(), l.ended.Sub(s.began).Milliseconds(), l.why)
	}
	s.total.add("rounds", 1)
	s.total.add("rounds: "+tale.name, 1)
	s.total.add("requests answered", users.answered)
	s.total.add("requests lost while proxy or all instances were dead", len(excused))
	s.total.add("requests lost otherwise", len(lost))
	for version := range users.versions {
		if version != "v0" && !strings.HasPrefix(version, "v") {
			s.Errorf("somebody got the answer %q", version)
		}
	}
}

// launch starts a command in the background.
func (s *soak) launch(args ...string) *process {
	s.Helper()
	s.note("ripcord %s", strings.Join(args[:min(2, len(args))], " "))
	p := s.start(args...)
	s.running = append(s.running, p)
	return p
}

func (s *soak) wait(milliseconds int) { time.Sleep(time.Duration(milliseconds) * time.Millisecond) }

// happens lets something die, or somebody ask for something.
func (s *soak) happens(main *process) {
	s.Helper()
	if s.chance(30) {
		s.asks()
		return
	}
	s.kills(main)
}

// asks lets a person ask something of the run in progress.
func (s *soak) asks() {
	s.Helper()
	v := s.show()
	if v.EndedAt != nil {
		return
	}
	verb := []string{"pause", "abort", "rollback"}[s.dice.IntN(3)]
	s.total.add("asked: "+verb, 1)
	s.willed = s.willed || verb != "pause"
	s.launch(verb, "--run", string(v.Run), "--reason", "soak")
	if verb == "pause" && s.chance(70) {
		s.wait(s.dice.IntN(400))
		s.launch("resume", "--run", string(v.Run))
	}
}

// settle goes on until no command runs and the newest run has ended.
func (s *soak) settle(newest ripcord.RunID) {
	s.Helper()
	kills, last := s.dice.IntN(3), ""
	var recovering *process
	s.untilOr("all runs ended", func() bool {
		living := slices.ContainsFunc(s.running, (*process).lives) // before show: it may yet make a run
		v := s.show()
		if v.EndedAt != nil {
			return !living
		}
		if word := fmt.Sprintf("run %s is %s, interrupted %v", v.Run, v.State, v.Interrupted); word != last {
			s.note("%s", word)
			last = word
		}
		switch {
		case v.State == ripcord.StatePaused && v.Run != newest:
			s.do("resume", "--run", string(v.Run))
		case v.State == ripcord.StateHeld:
			s.total.add("held, then tried again", 1)
			s.note("held: %s", v.Reason)
			s.do("keeper", "start")
			s.do("retry", "--run", string(v.Run))
		case v.Interrupted && (recovering == nil || !recovering.lives()):
			args := []string{"recover", "--run", string(v.Run)}
			if s.chance(30) {
				args, s.willed = append(args, "--rollback"), true
			}
			recovering = s.launch(args...)
			if kills > 0 {
				kills--
				s.wait(s.dice.IntN(600))
				s.kills(recovering)
			}
		}
		return false
	}, func() { s.Logf("seed %d:\n%s\n%+v", s.seed, strings.Join(s.log, "\n"), s.show()) })
	s.note("settled")
	for _, p := range s.running {
		if r := p.wait(); r.code == 1 || r.code == 5 {
			s.Errorf("%v: %s", p.Args[1:], r)
		}
	}
}

func (p *process) lives() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// judge says what has to be there, by the journal, and compares.
func (s *soak) judge(tale tale, runs []past) {
	s.Helper()
	for _, r := range runs {
		s.total.add(fmt.Sprintf("runs: %s %s", r.Purpose, r.State), 1)
		switch r.State {
		case ripcord.StateSucceeded:
			s.now = r.Version
			if tale.fails {
				s.Errorf("run %s succeeded", r.Run)
			}
		case ripcord.StateRolledBack:
			if r.Verified == nil || !*r.Verified {
				s.Errorf("run %s is back, unverified", r.Run)
			}
			if !tale.fails && !s.harmed && !s.willed {
				s.Errorf("run %s is rolled back, and nothing had happened to it: %+v", r.Run, r.Cause)
			}
		default:
			s.Errorf("run %s is %s", r.Run, r.State)
		}
	}
}

// calm waits until all that should live does and nothing else, and compares.
func (s *soak) calm() {
	s.Helper()
	s.must(0, "keeper", "start")
	word := func() string {
		return fmt.Sprintf("%d keepers, %d proxies, %d instances of %s of %d, %d shims, %d others, answer %s",
			len(s.processesWith("__keeper")), len(s.processesWith("__proxy")), len(s.servers(s.now)), s.now,
			len(s.processesWith("--listen", "--home")), len(s.processesWith("__shim", "/instances/")), len(s.strays()), s.answer())
	}
	want := fmt.Sprintf("1 keepers, 1 proxies, 2 instances of %s of 2, 3 shims, 0 others, answer %s", s.now, s.now)
	if s.listen == "" {
		want = fmt.Sprintf("1 keepers, 0 proxies, 0 instances of %s of 0, 0 shims, 0 others, answer ", s.now)
	}
	s.untilOr("all is calm", func() bool { return word() == want }, func() { s.Logf("want %s,\ngot %s", want, word()) })
	at := "in seed " + strconv.FormatInt(s.seed, 10)
	s.same(at, s.now, s.want)
	s.truth(at, s.now, s.show().Run)
	s.verified()
}

// kills lets one or several of the world's processes die.
func (s *soak) kills(main *process) {
	s.Helper()
	for range 1 + s.dice.IntN(2)*s.dice.IntN(3) {
		switch s.dice.IntN(21) / 2 {
		case 0, 1:
			s.fells("ripcord", func() bool {
				main.signal(syscall.SIGKILL)
				return main.lives()
			})
		case 2:
			s.fells("ripcord's process group", func() bool { return syscall.Kill(-main.Process.Pid, syscall.SIGKILL) == nil })
		case 3:
			s.fellsAny("shim of a command", s.processesWith("__shim", "/commands/"))
			s.harmed = true
		case 4:
			s.fellsAny("command of a step", s.stepCommands())
			s.harmed = true
		case 5:
			s.fellsAny("executor of the keeper", s.processesWith("__execute"))
		case 6:
			s.fellsAny("keeper", s.processesWith("__keeper"))
		case 7:
			s.fellsProxy()
		case 8:
			s.fellsInstance()
		case 9:
			s.fellsShim()
		case 10:
			s.fellsAll()
		}
	}
}
