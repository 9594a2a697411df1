package planfile

import (
	"strconv"

	"github.com/ripcord-dev/ripcord"
)

// stage is one part of a canary's way to all traffic.
type stage struct {
	at position
	// share is the percentage of traffic that the new colour gets.
	share float64
	// bake is how long the share is kept before the next stage.
	bake ripcord.Duration
	// gate is what a person is asked after that; empty asks nothing.
	gate string
}

// defaultBake is how long a stage lasts where the file does not say.
const defaultBake = ripcord.Duration(2 * 60 * 1e9)

// defaultStages are those of a canary that names none.
func defaultStages(at position) []stage {
	return []stage{{at: at, share: 5, bake: defaultBake}, {at: at, share: 25, bake: defaultBake}, {at: at, share: 100}}
}

// readStages reads `stages`: shares, or maps with one. bake is for those that do
// not say how long they last.
func (d *decoder) readStages(n *node, bake ripcord.Duration) []stage {
	const most = 20
	if n.kind != listNode || len(n.items) == 0 {
		d.wrong(n, "stages", "a list of shares", "[5%, 25%, 100%]")
		return nil
	}
	if len(n.items) > most {
		d.add(n.items[most].at, 1, "leave some out", "the canary has %d stages; at most %d are possible", len(n.items), most)
		return nil
	}
	before := len(d.list)
	stages := make([]stage, 0, len(n.items))
	for _, item := range n.items {
		stages = append(stages, d.readStage(item, bake))
	}
	if len(d.list) > before {
		return stages
	}
	for i := 1; i < len(stages); i++ {
		if stages[i].share <= stages[i-1].share {
			d.add(stages[i].at, 1, "let the shares grow", "the stage of %s follows one of %s", percent(stages[i].share), percent(stages[i-1].share))
		}
	}
	last := stages[len(stages)-1]
	if last.share < 100 {
		d.add(last.at, 1, "add 100% as the last stage", "the last stage gives the new version %s of the traffic only", percent(last.share))
	}
	if last.gate != "" {
		d.add(last.at, 1, "ask before it, at the stage above", "nothing follows the last stage, so that nobody needs to approve it")
	}
	return stages
}

func (d *decoder) readStage(n *node, bake ripcord.Duration) stage {
	s := stage{at: n.at, bake: bake}
	if n.kind != mapNode {
		s.share = d.share(n)
		return s
	}
	d.object(n, "stage", "a stage", fields{
		"share": func(n *node) { s.share = d.share(n) },
		"for":   func(n *node) { s.bake = d.positive(n, "for") },
		"approve": func(n *node) {
			if n.kind != boolNode {
				s.gate = d.question(n, "approve")
			} else if d.boolean(n, "approve") {
				s.gate = "Go on after " + percent(s.share) + "?"
			}
		},
	})
	d.missing(n, "share", "add `share: 5%`", "the stage has no share of the traffic")
	return s
}

// share reads a percentage above 0.
func (d *decoder) share(n *node) float64 {
	before := len(d.list)
	weight := d.weight(n)
	if weight == nil {
		return 0
	}
	if *weight == 0 && len(d.list) == before {
		d.add(n.at, n.width(), "write a percentage above 0%, for example 5%", "a stage with %s of the traffic shows nothing", percent(*weight))
	}
	return *weight
}

// percent says a share as people do.
func percent(share float64) string { return strconv.FormatFloat(share, 'f', -1, 64) + "%" }
