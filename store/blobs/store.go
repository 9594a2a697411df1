// Package blobs keeps bytes beside the journal: logs, before-images, evidence,
// bundles. They may hold secrets, so each is a file that is encrypted with age
// for one key, and the key lies outside of the state directory: whoever gets a
// copy of the directory alone learns sizes and nothing else.
package blobs

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"filippo.io/age"

	"github.com/ripcord-dev/ripcord"
)

// Store is a folder of blobs. Any number of processes may use it at once.
type Store struct {
	dir       string
	root      *os.Root
	identity  *age.X25519Identity
	recipient *age.X25519Recipient
	digestKey []byte
	limit     int64
	room      func() bool
	// locked is why there is no key; nil where there is one.
	locked error
}

// The compiler sees to it that the contract is kept.
var _ ripcord.Blobs = (*Store)(nil)

// Option changes how a store works.
type Option func(*Store)

// WithRoom names a function that is called when the disk is full. Where it
// returns true, there may be room now, and writing goes on. Only small blobs ask
// for it: before-images may have it, a long log may not eat it up.
func WithRoom(room func() bool) Option { return func(s *Store) { s.room = room } }

// roomLimit is the size in bytes up to which a blob asks for room.
const roomLimit = 1 << 20

// Open opens the folder dir, and makes it and the key where neither exists yet.
// The key file must lie outside of dir; several folders may share one. limit is
// the largest size of a blob in bytes; 0 is no limit.
func Open(dir, keyFile string, limit int64, options ...Option) (*Store, error) {
	if inside(dir, keyFile) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the key file %s lies in the folder %s that it protects", keyFile, dir).
			WithFix("keep the key somewhere else, for example in ~/.config/ripcord")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "blob folder %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "blob folder %s: %w", dir, err)
	}
	s := &Store{dir: dir, root: root, limit: limit}
	for _, option := range options {
		option(s)
	}
	if err := s.start(keyFile); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

func (s *Store) start(keyFile string) error {
	identity, err := s.key(keyFile)
	if err != nil {
		return &KeyError{Err: err}
	}
	s.identity, s.recipient = identity, identity.Recipient()
	if s.digestKey, err = hkdf.Key(sha256.New, []byte(identity.String()), nil, "ripcord blob digest 1", sha256.Size); err != nil {
		return err
	}
	return s.sweep()
}

// Close frees the folder. Blobs that are being read stay readable.
func (s *Store) Close() error { return s.root.Close() }

func inside(dir, file string) bool {
	dir, dirErr := filepath.Abs(dir)
	file, fileErr := filepath.Abs(file)
	relative, err := filepath.Rel(dir, file)
	return dirErr == nil && fileErr == nil && err == nil && filepath.IsLocal(relative)
}

// Put stores everything from r durably. See ripcord.Blobs.
func (s *Store) Put(ctx context.Context, run ripcord.RunID, name string, r io.Reader) (ripcord.BlobRef, error) {
	if !plain(string(run)) {
		return ripcord.BlobRef{}, ripcord.Errorf(ripcord.CodeInternal, "the run id %q cannot name a folder", run)
	}
	if s.locked != nil {
		return ripcord.BlobRef{}, s.locked
	}
	file, err := s.temporary()
	if err != nil {
		return ripcord.BlobRef{}, s.explain(name, err)
	}
	ref, err := s.fill(ctx, file.File, name, r)
	if err == nil {
		ref.Path = filepath.Join(string(run), file.name+"-"+cleaned(name)+".age")
		if err = s.settle(file, ref.Path); err != nil {
			_ = s.root.Remove(ref.Path) // no reference to it was given out
		}
	}
	if err != nil {
		_ = s.root.Remove(file.path) // whatever stays is swept at the next opening
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return ripcord.BlobRef{}, s.explain(name, err)
	}
	return ref, nil
}

// fill encrypts r into the file.
func (s *Store) fill(ctx context.Context, file *os.File, name string, r io.Reader) (ripcord.BlobRef, error) {
	disk := newDisk(file, s.room)
	sealed, err := age.Encrypt(disk, s.recipient)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	digest := s.digest()
	in := &source{ctx: ctx.Err, from: r}
	if s.limit > 0 {
		in.from = io.LimitReader(r, s.limit+1)
	}
	size, err := io.Copy(io.MultiWriter(sealed, digest), in)
	if err != nil {
		return ripcord.BlobRef{}, err
	}
	if s.limit > 0 && size > s.limit {
		return ripcord.BlobRef{}, ripcord.Errorf(ripcord.CodeRefused, "%s is larger than the limit of %d bytes for one blob", name, s.limit).
			WithFix("raise the limit, or make it smaller")
	}
	if err := errors.Join(sealed.Close(), disk.flush()); err != nil {
		return ripcord.BlobRef{}, err
	}
	return ripcord.BlobRef{Digest: hex.EncodeToString(digest.Sum(nil)), Size: size}, nil
}

// settle gives the finished file its name, and makes both durable. The name comes
// first: one flush of the disk then serves both, and no reference to the blob is
// given out before.
func (s *Store) settle(file unfinished, path string) error {
	err := s.root.Rename(file.path, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.root.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := s.syncFolder("."); err != nil {
			return err
		}
		err = s.root.Rename(file.path, path)
	}
	if err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return s.syncFolder(filepath.Dir(path))
}

func (s *Store) syncFolder(name string) error {
	folder, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Open reads a blob. See ripcord.Blobs.
func (s *Store) Open(ctx context.Context, ref ripcord.BlobRef) (io.ReadCloser, error) {
	if s.locked != nil {
		return nil, s.locked
	}
	file, err := s.root.Open(ref.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "the blob %s is gone: %w", filepath.Join(s.dir, ref.Path), err).
			WithFix("it was pruned or deleted; a backup of the state directory may still have it")
	}
	if err != nil {
		return nil, s.explain(ref.Path, err)
	}
	plain, err := age.Decrypt(file, s.identity)
	if err != nil {
		return nil, errors.Join(s.damaged(ref, err), file.Close())
	}
	return &reader{store: s, ref: ref, file: file, plain: plain, digest: s.digest(), ctx: ctx.Err}, nil
}

func (s *Store) damaged(ref ripcord.BlobRef, err error) error {
	return ripcord.Errorf(ripcord.CodeInternal, "the blob %s was changed or damaged: %w", filepath.Join(s.dir, ref.Path), err).
		WithFix("put the file back from a backup of the state directory")
}

// Delete removes a blob. See ripcord.Blobs.
func (s *Store) Delete(_ context.Context, ref ripcord.BlobRef) error {
	if err := s.root.Remove(ref.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.explain(ref.Path, err)
	}
	return nil
}

// DeleteRun removes all blobs of a run; a run without any is no error.
func (s *Store) DeleteRun(_ context.Context, run ripcord.RunID) error {
	if !plain(string(run)) {
		return ripcord.Errorf(ripcord.CodeInternal, "the run id %q cannot name a folder", run)
	}
	if err := s.root.RemoveAll(string(run)); err != nil {
		return s.explain(string(run), err)
	}
	return nil
}

// Digest returns the keyed digest of data. See ripcord.Blobs. Without the key it
// is empty, which no kept digest equals: then nothing is proved by it.
func (s *Store) Digest(data []byte) string {
	if s.locked != nil {
		return ""
	}
	digest := s.digest()
	digest.Write(data)
	return hex.EncodeToString(digest.Sum(nil))
}

func (s *Store) digest() hash.Hash { return hmac.New(sha256.New, s.digestKey) }

func (s *Store) explain(name string, err error) error {
	if _, ok := errors.AsType[*ripcord.Error](err); ok {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ripcord.Errorf(ripcord.CodeInternal, "no room to keep %s in %s: %w", name, s.dir, err).
			WithFix("free some space on the file system of %s", s.dir)
	}
	return ripcord.Errorf(ripcord.CodeInternal, "blob %s in %s: %w", name, s.dir, err)
}

// plain reports whether a name is one folder's, and none of ours.
func plain(name string) bool {
	return name != "" && name[0] != '.' && len(name) <= 200 && !strings.ContainsAny(name, "/\x00") && name != temporaryFolder && name != recipientFile
}

// cleaned is the part of a name that is good for people who look at the folder.
func cleaned(name string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		default:
			return '_'
		}
	}, name)
	return kept[:min(len(kept), 80)]
}

func randomName() (string, error) {
	number := make([]byte, 10)
	if _, err := rand.Read(number); err != nil {
		return "", fmt.Errorf("random name: %w", err)
	}
	return hex.EncodeToString(number), nil
}
