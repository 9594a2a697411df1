package planfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// How a deploy step brings a service's instances about.
const (
	sideBySide = "blue-green"
	recreate   = "recreate"
	rolling    = "rolling"
)

// inPlace names the side of balancers whose instances are replaced where they
// are: there is one only, whatever colour its instances have.
const inPlace = "all"

// replaceSettings are those of a deploy step that puts instances in the places of
// the old ones.
type replaceSettings struct {
	Numbers        []int `json:"numbers,omitempty"`
	Rest           bool  `json:"rest,omitempty"`
	MaxUnavailable int   `json:"max_unavailable,omitempty"`
	Look           bool  `json:"look,omitempty"`
}

// replacing is what the file says of a deploy step with such a strategy.
type replacing struct {
	strategy string
	at       position
	// batch is how many instances are replaced at a time, most how many of them
	// may be unavailable.
	batch, most                int
	pause, drain, readyTimeout ripcord.Duration
}

// amount is a number of instances, or a part of them.
type amount struct {
	of      *node
	number  int
	percent bool
}

// in is the number out of all, rounded down.
func (a *amount) in(all int) int {
	if !a.percent {
		return a.number
	}
	return a.number * all / 100
}

// amount reads 2 or 25%.
func (d *decoder) amount(n *node, what string) *amount {
	text, isShare := strings.CutSuffix(strings.TrimSpace(n.text), "%")
	value, err := strconv.Atoi(text)
	switch {
	case n.kind != numberNode && n.kind != textNode || err != nil:
		d.wrong(n, what, "a number of instances or a part of them", "1 or 25%")
	case isShare && (value < 1 || value > 100):
		d.add(n.at, n.width(), "write a percentage from 1% to 100%, for example 25%", "%s is %s", what, n.text)
	case !isShare && (value < 1 || value > 100):
		d.add(n.at, n.width(), "write a number from 1 to 100", "%s is %s", what, n.text)
	default:
		return &amount{n, value, isShare}
	}
	return nil
}

// deployFile is what the file says of a deploy step beside its service.
type deployFile struct {
	strategy            string
	batch, most         *amount
	pause               ripcord.Duration
	drain, readyTimeout ripcord.Duration
}

// readReplacing completes a deploy step whose instances take the places of the old
// ones.
func (d *decoder) readReplacing(s *step, n *node, of *service, file deployFile) {
	only := []string{"batch", "max_unavailable", "pause"}
	if file.strategy == sideBySide {
		only = append(only, "drain", "ready_timeout")
	}
	for _, key := range only {
		if f := n.field(key); f != nil && file.strategy != rolling && file.strategy != "" {
			d.add(f.at, f.width(), "add `strategy: rolling`, or remove it", "%q is a setting of a rolling deploy, and this one is %s", key, file.strategy)
		}
	}
	if file.strategy != recreate && file.strategy != rolling {
		return
	}
	d.checkDrain(n, of)
	s.replacing = &replacing{strategy: file.strategy, at: n.at, pause: file.pause, drain: file.drain, readyTimeout: file.readyTimeout}
	all, noun := of.settings.Instances, "instances"
	if len(of.machines) > 1 {
		all, noun = len(of.machines), "machines"
	}
	s.replacing.batch = all
	if file.strategy == rolling {
		d.sizeBatches(s, n, of, file, all, noun)
	}
}

// checkDrain refuses settings about a balancer where there is none.
func (d *decoder) checkDrain(n *node, of *service) {
	for _, key := range []string{"drain", "ready_timeout"} {
		if f := n.field(key); f != nil && d.balancers[of.balancer] == nil {
			d.add(f.at, f.width(), "remove it, or add `balancer: NAME` to the service", "%q is about the balancer, and the service %s has none", key, of.name)
		}
	}
}

// sizeBatches finds how many instances are replaced at a time, and refuses what
// leaves none, or changes none.
func (d *decoder) sizeBatches(s *step, n *node, of *service, file deployFile, all int, noun string) {
	r := s.replacing
	r.batch = 1
	if file.batch != nil {
		r.batch = max(1, file.batch.in(all))
	}
	if file.most == nil {
		if r.most = r.batch; r.batch < all {
			return
		}
		at, fix := n.field("strategy").at, fmt.Sprintf("give the service %s more %s, or use strategy recreate", of.name, noun)
		if file.batch != nil {
			at, fix = file.batch.of.at, fmt.Sprintf("write a batch below %d, or use strategy recreate", all)
		}
		if all == 1 {
			fix = fmt.Sprintf("give the service %s more %s, or use strategy recreate", of.name, noun)
		}
		d.add(at, 1, fix+"; `max_unavailable: 100%` says that nobody need answer meanwhile", "a batch of %d holds all %s of %s, so that none would be left to answer", r.batch, noun, of.name)
		return
	}
	if r.most = file.most.in(all); r.most < 1 {
		d.add(file.most.of.at, file.most.of.width(), fmt.Sprintf("write 1, or %d%% at least", (100+all-1)/all),
			"max_unavailable %s of the %d %s of %s is less than one, so that none could be replaced", file.most.of.text, all, noun, of.name)
		return
	}
	if file.batch == nil {
		r.batch = r.most
	}
	if r.batch > r.most && !file.batch.percent {
		d.add(file.batch.of.at, file.batch.of.width(), fmt.Sprintf("write batch: %d at most, or raise max_unavailable", r.most),
			"a batch of %d cannot be replaced while at most %d of the %d %s of %s may be unavailable", r.batch, r.most, all, noun, of.name)
	}
	r.batch, r.most = min(r.batch, r.most, all), min(r.most, all)
}
