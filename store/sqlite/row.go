package sqlite

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/ripcord-dev/ripcord"
)

// rowEntries is where the number of entries stands in a row without any, the
// chain's head after it. Inside of a text the quotes would be escaped.
const rowEntries = `,"entries":0`

// apply brings the summary up to date with the run's next entry. Most entries of
// steps change nothing in it but the chain's head and length.
func (r *run) apply(sealed ripcord.Entry) {
	if !leavesRow(sealed.Kind) {
		r.rest = nil
	}
	r.summary.Apply(sealed)
}

func leavesRow(k ripcord.EntryKind) bool {
	switch k {
	case ripcord.StepChecked, ripcord.StepIntent, ripcord.StepApplied, ripcord.StepProgress:
		return true
	default:
		return false
	}
}

// row is the summary as JSON. What comes before and after the chain's head and
// length is kept from one row to the next.
func (r *run) row() (string, error) {
	if r.rest == nil {
		empty := r.summary
		empty.Entries, empty.Head = 0, ""
		text, err := json.Marshal(empty)
		if err != nil {
			return "", err
		}
		r.rest, r.cut = text, bytes.Index(text, []byte(rowEntries))
	}
	cut := r.cut + len(rowEntries)
	text := make([]byte, 0, len(r.rest)+roomForLine)
	text = append(text, r.rest[:cut-1]...)
	w := encoder{to: strconv.AppendUint(text, r.summary.Entries, 10)}
	w.optional(`,"head":`, r.summary.Head)
	return string(append(w.to, r.rest[cut:]...)), w.err
}
