package planfile

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// command reads a command: text is given to sh -c, a list is executed as it is.
func (d *decoder) command(n *node, what string) []string {
	switch n.kind {
	case textNode:
		text := d.expand(n, true)
		if strings.TrimSpace(text) == "" {
			d.add(n.at, 1, "write what to execute", "%s is empty", what)
		}
		return []string{"sh", "-c", text}
	case listNode:
		return d.arguments(n, what)
	case nullNode, boolNode, numberNode, mapNode, brokenNode:
	}
	d.wrong(n, what, "a command", "./release.sh or [./release.sh, --fast]")
	return nil
}

// arguments reads a command that is a list.
func (d *decoder) arguments(n *node, what string) []string {
	if len(n.items) == 0 {
		d.add(n.at, 1, "write what to execute", "%s is empty", what)
		return nil
	}
	shell := n.items[0].kind == textNode && isShell(n.items[0].text)
	list := make([]string, 0, len(n.items))
	for i, item := range n.items {
		switch {
		case item.kind != textNode && item.kind != numberNode && item.kind != boolNode:
			d.wrong(item, "an item of "+what, "text", "")
		case i == 0 && strings.TrimSpace(item.text) == "":
			d.add(item.at, 1, "write what to execute", "%s has no program", what)
		default:
			list = append(list, d.expand(item, shell))
		}
	}
	return list
}

// isShell reports whether a program reads shell text.
func isShell(program string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "zsh", "ksh", "ash"}, path.Base(program))
}

// portRange reports whether two texts are a range of ports.
func portRange(first, last string) bool {
	low, lowErr := strconv.Atoi(first)
	high, highErr := strconv.Atoi(last)
	return lowErr == nil && highErr == nil && low >= 1 && low <= high && high <= 65535
}
