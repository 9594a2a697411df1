package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ripcord-dev/ripcord"
)

// specLimit is the largest spec of an instance, in bytes.
const specLimit = 16 << 20

// spec reads the instance that a record wants.
func (k *keeper) spec(ctx context.Context, r record) (ripcord.Instance, error) {
	return specOf(ctx, k.Blobs, r)
}

func specOf(ctx context.Context, blobs ripcord.Blobs, r record) (i ripcord.Instance, err error) {
	from, err := blobs.Open(ctx, r.Spec)
	if err != nil {
		return i, fmt.Errorf("read spec of instance %s: %w", r.ID, err)
	}
	data, err := io.ReadAll(io.LimitReader(from, specLimit))
	if err := errors.Join(err, from.Close()); err != nil {
		return i, fmt.Errorf("read spec of instance %s: %w", r.ID, err)
	}
	if err := json.Unmarshal(data, &i); err != nil {
		return i, fmt.Errorf("read spec of instance %s: %w", r.ID, err)
	}
	return i, nil
}
