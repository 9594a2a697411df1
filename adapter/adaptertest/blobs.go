package adaptertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// Blobs keeps blobs in memory.
type Blobs struct {
	mu   sync.Mutex
	data map[string][]byte
}

// NewBlobs returns a store without blobs.
func NewBlobs() *Blobs { return &Blobs{data: make(map[string][]byte)} }

// Put stores everything from r.
func (b *Blobs) Put(ctx context.Context, run ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.BlobRef{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ref := ripcord.BlobRef{Path: string(run) + "/" + name, Digest: b.Digest(data), Size: int64(len(data))}
	b.data[ref.Path] = data
	return ref, nil
}

// Open reads a blob; one that is not there is CodeNotFound.
func (b *Blobs) Open(_ context.Context, ref ripcord.BlobRef) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.data[ref.Path]
	if !ok {
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no blob %s", ref.Path)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Delete removes a blob.
func (b *Blobs) Delete(_ context.Context, ref ripcord.BlobRef) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.data, ref.Path)
	return nil
}

// Len returns how many blobs there are.
func (b *Blobs) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.data)
}

// Digest is a plain SHA-256: the doubles have no key.
func (b *Blobs) Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
