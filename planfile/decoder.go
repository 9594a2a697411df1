package planfile

import (
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// decoder reads the tree of one file for one environment.
type decoder struct {
	*problems
	options     Options
	environment string
	application string
	version     string

	secrets   map[string]ripcord.SecretSource
	wanted    map[string]bool // secrets that are referenced
	variables map[string]*variable
	services  map[string]*service
	balancers map[string]*balancer
	databases map[string]*database
	// maxLoss is how many rows a way back may lose without asking.
	maxLoss int64
	// repositories are where backups go.
	repositories map[string]*repository
	// circular says that services depend on one another in a circle.
	circular bool
	machines map[string]*machine
	// parts are the steps that stand for one on several machines, or in several
	// batches; ends are the last ones of those that come one after the other.
	parts map[string][]string
	ends  map[string][]string
	// sources are the entries of metrics; sourceless also has those that could
	// not be read.
	sources    map[string]*metricSystem
	sourceless map[string]bool
	steps      []*step
	// taken are the names of steps.
	taken map[string]bool
	// skipApprovals says that approvals are left out.
	skipApprovals bool
	// unread are the names of steps that could not be read.
	unread map[string]bool
	// unreadable are settings whose problem is reported already.
	unreadable map[*node]bool

	// left is how many more bytes references may add.
	left int

	// uses takes the references to other steps of what is being read; nil where
	// there may be none.
	uses *[]use
	// instance says that what is being read may name its instance.
	instance bool
	// open names what is being read where it is kept as it stands, so that no
	// secret may be in it.
	open string
	// side says that what is being read may name the version that is asked for.
	side bool
	// misspelt are the keys that an unknown key of a map was probably meant to be.
	misspelt map[*node][]string
	// shapes records the keys of each kind of map, for the schema's test.
	shapes map[string][]string
}

// fields are the keys that a map may have, and what reads each.
type fields map[string]func(*node)

// object reads a map. what is "a service" or the like, for people; shape is the
// schema's name for it. It reports unknown keys.
func (d *decoder) object(n *node, shape, what string, known fields) bool {
	if d.shapes != nil {
		d.shapes[shape] = sorted(slices.Collect(maps.Keys(known)))
	}
	if n.kind != mapNode {
		d.wrong(n, what, "a map of settings", "")
		return false
	}
	for _, f := range n.fields {
		read, ok := known[f.key]
		if !ok && shape == "file" && strings.HasPrefix(f.key, "x-") {
			continue // a place for anchors
		}
		if !ok {
			names := sorted(slices.Collect(maps.Keys(known)))
			d.misspelt[n] = append(d.misspelt[n], nearest(f.key, names))
			d.add(f.at, len([]rune(f.key)), d.didYouMean(f.key, names, what+" takes:"),
				"unknown key %q in %s", f.key, what)
			continue
		}
		read(f.value)
	}
	return true
}

// names reads a map whose keys are names that the user chooses.
func (d *decoder) names(n *node, what string, read func(name string, value *node)) {
	if n.kind == nullNode {
		return
	}
	if n.kind != mapNode {
		d.wrong(n, what, "a map of names", "")
		return
	}
	for _, f := range n.fields {
		if !validName(f.key) {
			d.add(f.at, len([]rune(f.key)), nameRule, "%q is no name that can be used here", f.key)
			continue
		}
		read(f.key, f.value)
	}
}

// missing reports a key that a map must have, unless it has one that was probably
// meant to be it.
func (d *decoder) missing(n *node, key, fix, format string, args ...any) {
	if n.field(key) == nil && !slices.Contains(d.misspelt[n], key) {
		d.add(n.at, 1, fix, format, args...)
	}
}

// nameRule tells what a name may look like.
const nameRule = "use 1 to 63 letters, digits, \"-\" and \"_\", starting with a letter or digit"

// validName reports whether a name can be referred to and used in paths.
func validName(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || r != '-' && r != '_') {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// wrong reports a value of the wrong type.
func (d *decoder) wrong(n *node, what, want, example string) {
	if n.kind == brokenNode {
		return
	}
	fix := "write " + want
	if example != "" {
		fix += ", for example " + example
	}
	if n.kind == nullNode {
		d.add(n.at, 1, fix, "%s has no value", what)
		return
	}
	got := n.kind.String()
	if n.kind == textNode || n.kind == numberNode || n.kind == boolNode {
		got = strconv.Quote(short(n.text))
	}
	d.add(n.at, firstLine(n), fix, "%s must be %s, not %s", what, want, got)
}

// firstLine is the width of a scalar's first line.
func firstLine(n *node) int {
	text, _, _ := strings.Cut(n.text, "\n")
	return max(1, len([]rune(text)))
}

// short cuts a text for a message.
func short(text string) string {
	text, _, more := strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > 40 {
		text, more = string(runes[:40]), true
	}
	if more {
		text += "..."
	}
	return text
}

// text reads a scalar and replaces its references.
func (d *decoder) text(n *node, what string) string {
	if n.kind != textNode && n.kind != numberNode && n.kind != boolNode {
		d.wrong(n, what, "text", "")
		return ""
	}
	return d.expand(n, false)
}

// filled reads a text that must not be empty.
func (d *decoder) filled(n *node, what string) string {
	before := len(d.list)
	text := d.text(n, what)
	if strings.TrimSpace(text) == "" && len(d.list) == before && n.kind != brokenNode {
		d.add(n.at, 1, "write a value, or remove the key", "%s is empty", what)
	}
	return text
}

// boolean reads true or false.
func (d *decoder) boolean(n *node, what string) bool {
	switch {
	case n.kind == boolNode:
		return n.text == "true"
	case n.kind == textNode && strings.Contains(n.text, "${"):
		switch d.expand(n, false) {
		case "true":
			return true
		case "false":
			return false
		}
	}
	d.wrong(n, what, "true or false", "")
	return false
}

// integer reads a whole number within bounds.
func (d *decoder) integer(n *node, what string, low, high int) int {
	text := n.text
	if n.kind == textNode && strings.Contains(text, "${") {
		text = d.expand(n, false)
	} else if n.kind != numberNode {
		d.wrong(n, what, "a whole number", strconv.Itoa(max(low, 1)))
		return low
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		d.wrong(&node{kind: textNode, text: text, at: n.at}, what, "a whole number", strconv.Itoa(max(low, 1)))
		return low
	}
	if value < low || value > high {
		d.add(n.at, n.width(), fmt.Sprintf("write a number from %d to %d", low, high), "%s is %d", what, value)
		return low
	}
	return value
}

// maxDuration is the longest duration in a plan file.
const maxDuration = 365 * 24 * time.Hour

// duration reads 10m, 1h30m, 30s or 500ms.
func (d *decoder) duration(n *node, what string) ripcord.Duration {
	const example = "30s, 10m or 1h30m"
	if n.kind == numberNode {
		d.add(n.at, n.width(), fmt.Sprintf("write a unit: %ss or %sm", n.text, n.text), "%s %s has no unit", what, n.text)
		return 0
	}
	if n.kind != textNode {
		d.wrong(n, what, "a duration", example)
		return 0
	}
	text := d.expand(n, false)
	value, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		d.wrong(&node{kind: textNode, text: text, at: n.at}, what, "a duration", example)
		return 0
	}
	if value < 0 || value > maxDuration {
		d.add(n.at, n.width(), "write a duration from 0s to 8760h", "%s is %s", what, text)
		return 0
	}
	return ripcord.Duration(value)
}

// positive reads a duration above zero.
func (d *decoder) positive(n *node, what string) ripcord.Duration {
	before := len(d.list)
	value := d.duration(n, what)
	if value == 0 && len(d.list) == before && n.kind != brokenNode {
		d.add(n.at, n.width(), "write a duration above zero, for example 30s", "%s is zero", what)
	}
	return value
}

// size reads a number of bytes: 4096, 64KiB, 16MiB, 1GB.
func (d *decoder) size(n *node, what string) int64 {
	if n.kind != textNode && n.kind != numberNode {
		d.wrong(n, what, "a size", "64KiB or 16MiB")
		return 0
	}
	text := strings.TrimSpace(d.expand(n, false))
	digits := strings.TrimRight(text, "kKMGiB")
	unit, ok := map[string]int64{
		"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9,
	}[text[len(digits):]]
	value, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || value < 0 || value > math.MaxInt64/unit {
		d.wrong(&node{kind: textNode, text: text, at: n.at}, what, "a size", "64KiB or 16MiB")
		return 0
	}
	return value * unit
}

// ratio reads a share: 0.05 or 5%.
func (d *decoder) ratio(n *node, what string) float64 {
	if n.kind != textNode && n.kind != numberNode {
		d.wrong(n, what, "a share", "5% or 0.05")
		return 0
	}
	digits, percent := strings.CutSuffix(strings.TrimSpace(d.expand(n, false)), "%")
	value, err := strconv.ParseFloat(digits, 64)
	if percent {
		value /= 100
	}
	if err != nil || math.IsNaN(value) || value < 0 || value >= 1 {
		d.add(n.at, n.width(), "write a share from 0% to below 100%, for example 5% or 0.05", "%s %q is no such share", what, short(n.text))
		return 0
	}
	return value
}

// word reads one of a few words.
func (d *decoder) word(n *node, what string, words ...string) string {
	text := d.text(n, what)
	if n.kind != textNode && n.kind != numberNode && n.kind != boolNode || slices.Contains(words, text) {
		return text
	}
	d.add(n.at, firstLine(n), d.didYouMean(text, words, "write one of:"), "%s cannot be %q", what, short(text))
	return ""
}

// texts reads a list of texts, or one text.
func (d *decoder) texts(n *node, what string) []string {
	if n.kind != listNode {
		return []string{d.filled(n, what)}
	}
	list := make([]string, 0, len(n.items))
	for _, item := range n.items {
		list = append(list, d.filled(item, "an item of "+what))
	}
	return list
}

// pairs reads a map of texts.
func (d *decoder) pairs(n *node, what string) map[string]string {
	if n.kind != mapNode {
		d.wrong(n, what, "a map of names and texts", "{NAME: value}")
		return nil
	}
	all := make(map[string]string, len(n.fields))
	for _, f := range n.fields {
		all[f.key] = d.text(f.value, what+"."+f.key)
	}
	return all
}

// variablesOf reads environment variables for commands.
func (d *decoder) environmentOf(n *node) map[string]string {
	if n.kind == mapNode {
		for _, f := range n.fields {
			if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(f.key) {
				d.add(f.at, len([]rune(f.key)), "use letters, digits and \"_\"", "%q cannot be the name of an environment variable", f.key)
			} else if strings.HasPrefix(f.key, "RIPCORD_") {
				d.add(f.at, len(f.key), "use another name; Ripcord sets these itself", "environment variables named RIPCORD_* are reserved")
			}
		}
	}
	return d.pairs(n, "environment")
}

// inside reads a relative path that stays below the plan file's folder.
func (d *decoder) inside(n *node, what string) string {
	text := d.filled(n, what)
	if text == "" {
		return ""
	}
	clean := path.Clean(text)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		d.add(n.at, firstLine(n), "give a path below the folder of the plan file", "%s %q leads out of the folder", what, short(text))
	}
	return clean
}

// sorted returns names in order.
func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
