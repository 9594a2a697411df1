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
		r.before = ""
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

// row is the summary as JSON. What comes before and after the chain's length and
// head is kept from one row to the next.
func (r *run) row() (string, error) {
	if r.before == "" {
		empty := r.summary
		empty.Entries, empty.Head = 0, ""
		text, err := json.Marshal(empty)
		if err != nil {
			return "", err
		}
		cut := bytes.Index(text, []byte(rowEntries)) + len(rowEntries)
		r.before, r.after = string(text[:cut-1]), string(text[cut:])
	}
	length := strconv.FormatUint(r.summary.Entries, 10)
	if r.summary.Head == "" {
		return r.before + length + r.after, nil
	}
	return r.before + length + `,"head":"` + r.summary.Head + `"` + r.after, nil
}
