package local

import (
	"context"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// unpackIfPossible makes the bundle's folder available, or notes why that cannot
// be: steps that need nothing of it go on all the same, above all back.
func (x *Executor) unpackIfPossible(ctx context.Context, blobs map[string]ripcord.BlobRef) {
	err := x.unpack(ctx, blobs)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unpacked = err
}

// unbundledStep refuses a step that needs files of a bundle that is not there.
func (t *task) unbundledStep(step ripcord.Step) error {
	t.mu.Lock()
	why := t.unpacked
	t.mu.Unlock()
	needs, ok := step.(ripcord.Capturer)
	if why == nil || !ok || len(needs.Files()) == 0 {
		return nil
	}
	return fmt.Errorf("step %s needs files that were kept when the run began: %w", t.id, why)
}
