package planfile

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var schemaJSON []byte //nolint:gochecknoglobals // go:embed needs one

// Schema returns the JSON Schema (draft 2020-12) of a plan file, for editors.
func Schema() []byte { return bytes.Clone(schemaJSON) }
