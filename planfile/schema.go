package planfile

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var schemaJSON []byte

// Schema returns the JSON Schema (draft 2020-12) of a plan file, for editors.
func Schema() []byte { return bytes.Clone(schemaJSON) }
