package planfile

import "os"

// Environments lists the environments that a plan file declares, in order of
// names; none where it declares none or cannot be read, which Load says better.
func Environments(name string) []string {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	data, err := os.ReadFile(name) //nolint:gosec // the user names the file to read
	if err != nil {
		return nil
	}
	root := readYAML(&problems{source: newSource(name, data)}, data)
	if root == nil || root.kind != mapNode {
		return nil
	}
	return declared(root)
}
