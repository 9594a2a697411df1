package planfile

import (
	"encoding/json"
	"regexp"
	"slices"
)

// filesSettings are those of a files step.
type filesSettings struct {
	Source        string         `json:"source,omitempty"`
	Destination   string         `json:"destination"`
	Template      bool           `json:"template,omitempty"`
	Delete        bool           `json:"delete,omitempty"`
	Mode          string         `json:"mode,omitempty"`
	DirectoryMode string         `json:"directory_mode,omitempty"`
	Owner         string         `json:"owner,omitempty"`
	Group         string         `json:"group,omitempty"`
	Content       *string        `json:"content,omitempty"`
	Values        map[string]any `json:"values,omitempty"`
}

// readFiles reads a files step.
func (d *decoder) readFiles(s *step, n *node) {
	set := &filesSettings{}
	s.settings = set
	ok := d.object(n, "files", "a files step", fields{
		"source":         func(n *node) { set.Source = d.inside(n, "source") },
		"destination":    func(n *node) { set.Destination = d.filled(n, "destination") },
		"template":       func(n *node) { set.Template = d.boolean(n, "template") },
		"delete":         func(n *node) { set.Delete = d.boolean(n, "delete") },
		"mode":           func(n *node) { set.Mode = d.mode(n, "mode") },
		"directory_mode": func(n *node) { set.DirectoryMode = d.mode(n, "directory_mode") },
		"owner":          func(n *node) { set.Owner = d.filled(n, "owner") },
		"group":          func(n *node) { set.Group = d.filled(n, "group") },
		"content":        func(n *node) { text := d.text(n, "content"); set.Content = &text },
		"values":         func(n *node) { set.Values = d.values(n) },
	})
	if !ok {
		return
	}
	source, content := n.field("source"), n.field("content")
	switch {
	case source == nil && content == nil && !slices.Contains(d.misspelt[n], "content"):
		d.missing(n, "source", "add `source: PATH`, or the text itself as `content`", "the files step has nothing to write")
	case source != nil && content != nil:
		d.add(content.at, 1, "keep one of them", "the files step has both source and content")
	case content != nil && set.Delete:
		d.add(n.field("delete").at, 1, "remove delete", "delete is for a source folder; content makes one file")
	}
	d.missing(n, "destination", "add `destination: PATH`", "the files step has no destination")
	if values := n.field("values"); values != nil && !set.Template {
		d.add(values.at, 1, "add `template: true`, or remove values", "values are for templates only")
	}
}

// mode reads the permissions of a file as octal digits.
func (d *decoder) mode(n *node, what string) string {
	text := n.text
	if n.kind == textNode {
		text = d.expand(n, false)
	}
	if !regexp.MustCompile(`^0?[0-7]{3,4}$`).MatchString(text) {
		d.wrong(n, what, "octal permissions", `"0644"`)
		return ""
	}
	if text[0] != '0' {
		text = "0" + text
	}
	return text
}

// values reads what a template may use. Numbers and booleans keep their type.
func (d *decoder) values(n *node) map[string]any {
	if n.kind != mapNode {
		d.wrong(n, "values", "a map of names and values", "{port: 8080}")
		return nil
	}
	all := make(map[string]any, len(n.fields))
	for _, f := range n.fields {
		switch {
		case f.value.kind == boolNode:
			all[f.key] = f.value.text == "true"
		case f.value.kind == numberNode && json.Valid([]byte(f.value.text)):
			all[f.key] = json.Number(f.value.text)
		default:
			all[f.key] = d.text(f.value, "values."+f.key)
		}
	}
	return all
}
