package shim

// automaton finds many values in one pass over a stream (Aho and Corasick). Its
// nodes are the beginnings of the values.
type automaton struct {
	nodes []node
	first [256]int32 // the root's children
}

type node struct {
	child, sibling int32
	fail           int32
	// depth is the length of the beginning that the node stands for.
	depth int32
	// longest is the length of the longest value that ends here, 0 for none.
	longest int32
	letter  byte
}

func newAutomaton(values []string) automaton {
	a := automaton{nodes: make([]node, 1)}
	for _, value := range values {
		a.add(value)
	}
	a.link()
	return a
}

func (a *automaton) empty() bool { return len(a.nodes) == 1 }

func (a *automaton) add(value string) {
	at := int32(0)
	for i := range len(value) {
		next := a.step(at, value[i])
		if next == 0 {
			next = int32(len(a.nodes)) // #nosec G115 -- secrets are far smaller
			a.nodes = append(a.nodes, node{letter: value[i], depth: a.nodes[at].depth + 1, sibling: a.nodes[at].child})
			if at == 0 {
				a.first[value[i]] = next
			}
			a.nodes[at].child = next
		}
		at = next
	}
	if at != 0 {
		a.nodes[at].longest = a.nodes[at].depth
	}
}

// step goes from a node to its child, 0 for none.
func (a *automaton) step(at int32, letter byte) int32 {
	if at == 0 {
		return a.first[letter]
	}
	for next := a.nodes[at].child; next != 0; next = a.nodes[next].sibling {
		if a.nodes[next].letter == letter {
			return next
		}
	}
	return 0
}

// next goes to the longest beginning that the stream ends with after letter.
func (a *automaton) next(at int32, letter byte) int32 {
	for {
		if to := a.step(at, letter); to != 0 || at == 0 {
			return to
		}
		at = a.nodes[at].fail
	}
}

// link sets where each node goes on when no child fits, breadth first.
func (a *automaton) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for next := a.nodes[at].child; next != 0; next = a.nodes[next].sibling {
			queue = append(queue, next)
			if at != 0 {
				a.nodes[next].fail = a.next(a.nodes[at].fail, a.nodes[next].letter)
			}
			fallback := a.nodes[a.nodes[next].fail].longest
			a.nodes[next].longest = max(a.nodes[next].longest, fallback)
		}
	}
}
