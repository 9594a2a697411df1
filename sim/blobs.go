package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/ripcord-dev/ripcord"
)

// blobs are kept in memory and outlive executors.
type blobs struct {
	data map[string][]byte
	seen int
}

func newBlobs() *blobs { return &blobs{data: make(map[string][]byte)} }

// errNoBlob is for blobs that are not there.
var errNoBlob = errors.New("there is no such blob")

func (b *blobs) put(run ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	b.seen++
	path := fmt.Sprintf("%s/%s/%d", run, name, b.seen)
	b.data[path] = data
	return ripcord.BlobRef{Path: path, Digest: digest(data), Size: int64(len(data))}, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// processBlobs are the blobs as one executor uses them: it may die before and
// after each.
type processBlobs struct{ p *process }

// Put stores a blob.
func (b processBlobs) Put(_ context.Context, run ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	b.p.mayDie("before blob " + name)
	if s := b.p.sim; s.scenario.blobRate > 0 && !s.calm() && s.dice.in(1, s.scenario.blobRate) {
		s.coverage.count("blob failed")
		return ripcord.BlobRef{}, errors.New("injected: the blob cannot be kept")
	}
	ref, err := b.p.sim.blobs.put(run, name, r)
	b.p.mayDie("after blob " + name)
	return ref, err
}

// Open reads a blob.
func (b processBlobs) Open(_ context.Context, ref ripcord.BlobRef) (io.ReadCloser, error) {
	data, ok := b.p.sim.blobs.data[ref.Path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", ref.Path, errNoBlob)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Delete removes a blob.
func (b processBlobs) Delete(_ context.Context, ref ripcord.BlobRef) error {
	delete(b.p.sim.blobs.data, ref.Path)
	return nil
}

// Digest returns what Put gives.
func (b processBlobs) Digest(data []byte) string { return digest(data) }
