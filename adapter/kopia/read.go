package kopia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/kopia/kopia/fs"
	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/manifest"
	"github.com/kopia/kopia/snapshot"
	"github.com/kopia/kopia/snapshot/restore"
	"github.com/kopia/kopia/snapshot/snapshotfs"

	"github.com/ripcord-dev/ripcord"
)

// Backups implements ripcord.BackupReader.
func (r *Repository) Backups(ctx context.Context) ([]ripcord.Backup, error) {
	if err := r.rep.Refresh(ctx); err != nil {
		return nil, r.damaged(err)
	}
	found, err := r.manifests(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]ripcord.Backup, 0, len(found))
	for _, m := range found {
		var b ripcord.Backup
		if err := json.Unmarshal([]byte(m.Description), &b); err != nil {
			return nil, r.damaged(fmt.Errorf("the record of backup %s: %w", m.ID, err))
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b ripcord.Backup) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return all, nil
}

// manifests are those of whole backups that Ripcord made, the newest for each ID.
func (r *Repository) manifests(ctx context.Context) (map[string]*snapshot.Manifest, error) {
	entries, err := r.rep.FindManifests(ctx, map[string]string{manifest.TypeLabelKey: snapshot.ManifestType})
	if err != nil {
		return nil, r.damaged(err)
	}
	all := make(map[string]*snapshot.Manifest, len(entries))
	newest := make(map[string]*manifest.EntryMetadata, len(entries))
	for _, e := range entries {
		id := e.Labels[idTag]
		if was := newest[id]; id == "" || was != nil && was.ModTime.After(e.ModTime) {
			continue
		}
		m, err := snapshot.LoadSnapshot(ctx, r.rep, e.ID)
		if errors.Is(err, snapshot.ErrSnapshotNotFound) {
			continue
		}
		if err != nil {
			return nil, r.damaged(err)
		}
		if m.IncompleteReason == "" {
			all[id], newest[id] = m, e
		}
	}
	return all, nil
}

// manifest is that of one backup.
func (r *Repository) manifest(ctx context.Context, id string) (*snapshot.Manifest, error) {
	all, err := r.manifests(ctx)
	if err != nil {
		return nil, err
	}
	if all[id] == nil {
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no backup %s in %s", id, r.Name()).WithFix("ripcord backup list shows them")
	}
	return all[id], nil
}

// Content implements ripcord.BackupReader.
func (r *Repository) Content(ctx context.Context, b *ripcord.Backup, progress ripcord.Progress) (ripcord.Content, error) {
	m, err := r.manifest(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	root, err := snapshotfs.SnapshotRoot(r.rep, m)
	if err != nil {
		return nil, r.damaged(err)
	}
	dir, ok := root.(fs.Directory)
	if !ok {
		return nil, r.damaged(errors.New("backup " + b.ID + " has no root"))
	}
	return &stored{r: r, b: *b, root: dir, progress: progress}, nil
}

// stored is the data of one backup.
type stored struct {
	r        *Repository
	b        ripcord.Backup
	root     fs.Directory
	progress ripcord.Progress
}

// Stream implements ripcord.Content.
func (s *stored) Stream(ctx context.Context) (io.ReadCloser, error) {
	entry, err := s.root.Child(ctx, streamName)
	if err != nil {
		return nil, s.r.damaged(err)
	}
	file, ok := entry.(fs.File)
	if !ok {
		return nil, s.r.damaged(errors.New("backup " + s.b.ID + " is no stream"))
	}
	open, err := file.Open(ctx)
	if err != nil {
		return nil, s.r.damaged(err)
	}
	return &reader{from: open, s: s}, nil
}

// reader fails at its end where bytes are missing.
type reader struct {
	from fs.Reader
	s    *stored
	done int64
}

func (r *reader) Read(into []byte) (int, error) {
	n, err := r.from.Read(into)
	r.done += int64(n)
	if r.s.progress != nil {
		r.s.progress(r.done, r.s.b.Bytes)
	}
	switch {
	case errors.Is(err, io.EOF) && r.done != r.s.b.Bytes:
		return n, fmt.Errorf("backup %s has %d bytes, and %d could be read", r.s.b.ID, r.s.b.Bytes, r.done)
	case err != nil && !errors.Is(err, io.EOF):
		return n, r.s.r.damaged(err)
	}
	return n, err
}

func (r *reader) Close() error { return r.from.Close() }

// Tree implements ripcord.Content.
func (s *stored) Tree(ctx context.Context, directory string) ([]byte, error) {
	entry, err := s.root.Child(ctx, streamName)
	if err != nil {
		return nil, s.r.damaged(err)
	}
	attributes, err := s.attributes(ctx)
	if err != nil {
		return nil, err
	}
	out := &restore.FilesystemOutput{TargetPath: directory, OverwriteDirectories: true, SkipOwners: os.Geteuid() != 0}
	if err := out.Init(ctx); err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() { close(stop) })
	defer cancel()
	stats, err := restore.Entry(ctx, s.r.rep, out, entry, restore.Options{
		RestoreDirEntryAtDepth: math.MaxInt32, MinSizeForPlaceholder: math.MaxInt32, Cancel: stop,
		ProgressCallback: func(_ context.Context, now restore.Stats) {
			if s.progress != nil {
				s.progress(now.RestoredTotalFileSize, s.b.Bytes)
			}
		},
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, s.r.damaged(err)
	case int64(stats.RestoredFileCount) != s.b.Files || stats.RestoredTotalFileSize != s.b.Bytes:
		return nil, fmt.Errorf("backup %s has %d files with %d bytes, and %d with %d were restored", s.b.ID, s.b.Files, s.b.Bytes, stats.RestoredFileCount, stats.RestoredTotalFileSize)
	}
	return attributes, nil
}

func (s *stored) attributes(ctx context.Context) ([]byte, error) {
	entry, err := s.root.Child(ctx, attributesName)
	if err != nil {
		return nil, s.r.damaged(err)
	}
	file, ok := entry.(fs.File)
	if !ok {
		return nil, s.r.damaged(errors.New("the attributes of backup " + s.b.ID + " are no file"))
	}
	open, err := file.Open(ctx)
	if err != nil {
		return nil, s.r.damaged(err)
	}
	defer func() { _ = open.Close() }() // it was read only
	data, err := io.ReadAll(open)
	if err != nil {
		return nil, s.r.damaged(err)
	}
	return data, nil
}

// Note implements ripcord.BackupWriter.
func (r *Repository) Note(ctx context.Context, b *ripcord.Backup) error {
	m, err := r.manifest(ctx, b.ID)
	if err != nil {
		return err
	}
	return r.write(ctx, "note", func(ctx context.Context, w repo.RepositoryWriter) error {
		old := m.ID
		if err := r.put(ctx, w, m, b); err != nil {
			return err
		}
		if old == m.ID {
			return nil
		}
		return w.DeleteManifest(ctx, old)
	})
}

// Delete implements ripcord.BackupWriter.
func (r *Repository) Delete(ctx context.Context, ids ...string) error {
	entries, err := r.rep.FindManifests(ctx, map[string]string{manifest.TypeLabelKey: snapshot.ManifestType})
	if err != nil {
		return r.damaged(err)
	}
	return r.write(ctx, "delete", func(ctx context.Context, w repo.RepositoryWriter) error {
		for _, e := range entries {
			if id := e.Labels[idTag]; id != "" && slices.Contains(ids, id) {
				if err := w.DeleteManifest(ctx, e.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (r *Repository) write(ctx context.Context, purpose string, do func(ctx context.Context, w repo.RepositoryWriter) error) error {
	err := repo.WriteSession(ctx, r.rep, repo.WriteSessionOptions{Purpose: purpose}, do)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return r.unreachable(err)
}
