package planfile

// overlay returns base with the values of over: maps are merged key by key, all
// else is replaced, and null takes a key away. Both keep their places in the file.
func overlay(base, over *node) *node {
	if over.kind != mapNode {
		return over
	}
	if base == nil || base.kind != mapNode {
		base = &node{kind: mapNode, at: over.at}
	}
	merged := *base
	merged.fields = nil
	for _, f := range base.fields {
		changed := over.field(f.key)
		switch {
		case changed == nil:
			merged.fields = append(merged.fields, f)
		case changed.kind != nullNode:
			merged.fields = append(merged.fields, field{f.key, f.at, overlay(f.value, changed)})
		}
	}
	for _, f := range over.fields {
		if base.field(f.key) == nil && f.value.kind != nullNode {
			merged.fields = append(merged.fields, field{f.key, f.at, overlay(nil, f.value)})
		}
	}
	return &merged
}
