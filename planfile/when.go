package planfile

import (
	"strings"
)

// when reads a step's condition and returns why the step is left out, or "". A
// condition is true, false, or comparisons (A == B, A != B) joined by "and" or by
// "or".
func (d *decoder) when(n *node) string {
	switch {
	case n.kind == boolNode:
		if n.text == "false" {
			return "when is false"
		}
		return ""
	case n.kind != textNode || strings.TrimSpace(n.text) == "":
		d.wrong(n, "when", "a condition", "${environment} == production")
		return ""
	}
	holds, ok := d.condition(n)
	if ok && !holds {
		return "when: " + short(n.text) + " is false"
	}
	return ""
}

// condition decides a condition. References are replaced after it was taken
// apart, so that no value can change its meaning.
func (d *decoder) condition(n *node) (holds, ok bool) {
	words := strings.Fields(n.text)
	joiner := ""
	holds, ok = true, true
	var term []string
	decide := func() {
		value, valid := d.comparison(n, term)
		ok = ok && valid
		if joiner == "or" {
			holds = holds || value
		} else {
			holds = holds && value
		}
		term = nil
	}
	for _, word := range words {
		if word != "and" && word != "or" && word != "&&" && word != "||" {
			term = append(term, word)
			continue
		}
		word = strings.NewReplacer("&&", "and", "||", "or").Replace(word)
		decide()
		if joiner != "" && joiner != word {
			d.add(n.at, firstLine(n), "use one of them, or variables of their own", "when mixes \"and\" with \"or\"")
			return false, false
		}
		joiner = word
	}
	decide()
	return holds, ok
}

// comparison decides one term.
func (d *decoder) comparison(n *node, term []string) (holds, ok bool) {
	value := func(text string) string {
		for _, prefix := range []string{"${secret:", "${steps."} {
			if strings.Contains(text, prefix) {
				d.reference(n, prefix, "use a variable", "when cannot use what is known only at run time")
			}
		}
		part := *n
		part.text = text
		return strings.Trim(d.expand(&part, false), `'"`)
	}
	before := len(d.list)
	switch {
	case len(term) == 1:
		switch value(term[0]) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	case len(term) == 3 && term[1] == "==":
		return value(term[0]) == value(term[2]), true
	case len(term) == 3 && term[1] == "!=":
		return value(term[0]) != value(term[2]), true
	}
	if len(d.list) == before {
		d.wrong(n, "when", "a condition", "${environment} == production")
	}
	return false, false
}
