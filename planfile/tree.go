package planfile

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// nodeKind says what a node is.
type nodeKind int

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	textNode
	listNode
	mapNode
	// brokenNode is one whose problem is reported already.
	brokenNode
)

// String names the kind as users call it.
func (k nodeKind) String() string {
	switch k {
	case nullNode:
		return "nothing"
	case boolNode:
		return "true or false"
	case numberNode:
		return "a number"
	case textNode:
		return "text"
	case listNode:
		return "a list"
	case mapNode:
		return "a map"
	case brokenNode:
	}
	return "something else"
}

// node is one YAML value with its place. Aliases and merge keys are replaced.
type node struct {
	kind nodeKind
	// text is a scalar's value; of a number as it is written.
	text   string
	at     position
	items  []*node
	fields []field
}

// field is one key of a map.
type field struct {
	key   string
	at    position
	value *node
}

// field returns the value of a key, or nil.
func (n *node) field(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].key == key {
			return n.fields[i].value
		}
	}
	return nil
}

// width is how many characters a caret marks below a scalar.
func (n *node) width() int {
	if n.kind == listNode || n.kind == mapNode {
		return 1
	}
	return max(1, len([]rune(n.text)))
}

// treeBuilder turns the YAML library's tree into nodes.
type treeBuilder struct {
	problems *problems
	anchors  map[string]*node
	left     int
	overflow bool
}

// spend counts values, so that aliases of aliases cannot fill the memory.
func (b *treeBuilder) spend(at position, count int) bool {
	b.left -= count
	if b.left < 0 && !b.overflow {
		b.overflow = true
		b.problems.add(at, 1, "write the values out instead of using aliases (*name) of aliases",
			"the file grows to more than %d values", maxNodes)
	}
	return !b.overflow
}

func (b *treeBuilder) build(y ast.Node, depth int) *node {
	at := nodeAt(y)
	if depth > 2*maxDepth {
		b.overflow = true
		b.problems.add(at, 1, "a plan file needs no more than a few levels; write it flatter",
			"maps and lists nest deeper than %d levels", 2*maxDepth)
	}
	if !b.spend(at, 1) {
		return &node{at: at}
	}
	switch y := y.(type) {
	case *ast.MappingNode:
		return b.mapping(at, y.Values, depth)
	case *ast.MappingValueNode:
		return b.mapping(at, []*ast.MappingValueNode{y}, depth)
	case *ast.SequenceNode:
		n := &node{kind: listNode, at: at}
		for _, item := range y.Values {
			n.items = append(n.items, b.build(item, depth+1))
		}
		return n
	case *ast.AnchorNode:
		n := b.build(y.Value, depth+1)
		b.anchors[nameOf(y.Name)] = n
		return n
	case *ast.AliasNode:
		return b.alias(y, at)
	case *ast.TagNode:
		b.problems.add(at, len(y.Start.Value), "remove the tag", "YAML tags (%s) are not used in a plan file", y.Start.Value)
		return &node{kind: brokenNode, at: at}
	default:
		return scalar(y, at)
	}
}

// scalar builds a value that holds no others.
func scalar(y ast.Node, at position) *node {
	switch y := y.(type) {
	case *ast.StringNode:
		return &node{kind: textNode, text: y.Value, at: at}
	case *ast.LiteralNode:
		return &node{kind: textNode, text: y.Value.Value, at: at}
	case *ast.BoolNode:
		return &node{kind: boolNode, text: strconv.FormatBool(y.Value), at: at}
	case *ast.IntegerNode, *ast.FloatNode:
		return &node{kind: numberNode, text: y.GetToken().Value, at: at}
	case *ast.InfinityNode, *ast.NanNode:
		return &node{kind: textNode, text: y.GetToken().Value, at: at}
	default:
		return &node{kind: nullNode, at: at}
	}
}

// alias returns what an alias stands for, at the alias's place.
func (b *treeBuilder) alias(y *ast.AliasNode, at position) *node {
	name := nameOf(y.Value)
	meant := b.anchors[name]
	if meant == nil {
		known := make([]string, 0, len(b.anchors))
		for anchor := range b.anchors {
			known = append(known, anchor)
		}
		b.problems.add(at, len(name)+1, b.problems.didYouMean(name, sorted(known), "anchors (&name) above this line:"),
			"the alias *%s names no anchor", name)
		return &node{kind: brokenNode, at: at}
	}
	b.spend(at, meant.size())
	copied := *meant
	copied.at = at
	return &copied
}

// size counts the values in a node.
func (n *node) size() int {
	total := 1
	for _, item := range n.items {
		total += item.size()
	}
	for i := range n.fields {
		total += n.fields[i].value.size()
	}
	return total
}

func (b *treeBuilder) mapping(at position, values []*ast.MappingValueNode, depth int) *node {
	n := &node{kind: mapNode, at: at}
	var merged []*node
	seen := make(map[string]position, len(values))
	for _, v := range values {
		keyAt := nodeAt(v.Key)
		if v.Key.IsMergeKey() {
			merged = append(merged, b.build(v.Value, depth+1))
			continue
		}
		key, ok := keyText(v.Key)
		if !ok {
			b.problems.add(keyAt, 1, "use a plain word as the key", "a key must be text")
			continue
		}
		value := b.build(v.Value, depth+1)
		if first, twice := seen[key]; twice {
			b.problems.add(keyAt, len([]rune(key)), fmt.Sprintf("keep one of them; the first is on line %d", first.line),
				"the key %q stands twice in the same map", key)
			continue
		}
		seen[key] = keyAt
		n.fields = append(n.fields, field{key, keyAt, value})
	}
	if len(values) > 0 && n.at.line == 0 {
		n.at = nodeAt(values[0].Key)
	}
	b.merge(n, merged)
	return n
}

// merge adds the fields of "<<" maps that the map does not have itself.
func (b *treeBuilder) merge(n *node, merged []*node) {
	for _, m := range merged {
		if m.kind == listNode {
			b.merge(n, m.items)
			continue
		}
		if m.kind != mapNode {
			b.problems.add(m.at, m.width(), "give \"<<\" an alias of a map (*name)", "\"<<\" merges maps, this is %s", m.kind)
			continue
		}
		for _, f := range m.fields {
			if n.field(f.key) == nil && b.spend(f.at, f.value.size()) {
				n.fields = append(n.fields, f)
			}
		}
	}
}

// keyText returns a key as text.
func keyText(y ast.MapKeyNode) (string, bool) {
	switch y := y.(type) {
	case *ast.StringNode:
		return y.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return y.GetToken().Value, true
	default:
		return "", false
	}
}

// nameOf returns the name of an anchor or alias.
func nameOf(y ast.Node) string {
	if y == nil || y.GetToken() == nil {
		return ""
	}
	return y.GetToken().Value
}

// nodeAt returns where a YAML node begins.
func nodeAt(y ast.Node) position {
	switch y := y.(type) {
	case *ast.MappingNode:
		if !y.IsFlowStyle && len(y.Values) > 0 {
			return nodeAt(y.Values[0].Key)
		}
		return tokenAt(y.Start)
	case *ast.MappingValueNode:
		return nodeAt(y.Key)
	case *ast.LiteralNode:
		return tokenAt(y.Start)
	case *ast.AnchorNode:
		return tokenAt(y.Start)
	default:
		return tokenAt(safeToken(y))
	}
}

// safeToken returns a node's token, nil where it has none.
func safeToken(y ast.Node) (t *token.Token) {
	defer func() {
		if recover() != nil {
			t = nil
		}
	}()
	return y.GetToken()
}
