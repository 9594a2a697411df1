package kopia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/kopia/kopia/fs"
	"github.com/kopia/kopia/fs/localfs"
	"github.com/kopia/kopia/fs/virtualfs"
	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/snapshot"
	"github.com/kopia/kopia/snapshot/policy"
	"github.com/kopia/kopia/snapshot/upload"
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// The files of a backup: one stream, or a folder with what else must be known of it.
const (
	streamName     = "data"
	attributesName = "ripcord-attributes"
)

// idTag is the manifest label that holds a backup's ID.
const idTag = "tag:ripcord-backup"

// full reports whether a disk had no room.
func full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || err != nil && strings.Contains(err.Error(), "no space left on device")
}

// Save implements ripcord.BackupWriter.
func (r *Repository) Save(ctx context.Context, b *ripcord.Backup, progress ripcord.Progress, data func(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) error) error {
	b.StartedAt = r.now().UTC()
	var said error
	err := repo.WriteSession(ctx, r.rep, repo.WriteSessionOptions{Purpose: "backup"}, func(ctx context.Context, w repo.RepositoryWriter) error {
		s := &sink{r: r, w: w, progress: progress, source: r.source(b)}
		if said = data(ctx, b, s); said != nil {
			return said
		}
		if s.made == nil {
			return errors.New("the data source has saved nothing")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Bytes, b.Files, b.EndedAt = s.bytes, s.files, r.now().UTC()
		return r.put(ctx, w, s.made, b)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case said != nil && !full(err):
		return said // in the data source's own words
	case full(err):
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Sprintf("the repository %s has no room left: the backup was not made, and nothing of it is kept. Make room there", r.Name())}
	}
	return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Sprintf("the repository %s: %s", r.Name(), plain(err, r.secrets))}
}

// put saves the manifest, which makes a backup of what was uploaded.
func (r *Repository) put(ctx context.Context, w repo.RepositoryWriter, m *snapshot.Manifest, b *ripcord.Backup) error {
	meta, err := json.Marshal(b)
	if err != nil {
		return err
	}
	m.Description, m.Tags = string(meta), map[string]string{idTag: b.ID}
	_, err = snapshot.SaveSnapshot(ctx, w, m)
	return err
}

// source is what kopia takes a backup to be of.
func (r *Repository) source(b *ripcord.Backup) snapshot.SourceInfo {
	return snapshot.SourceInfo{Host: b.Application, UserName: b.Environment, Path: b.Kind + ":" + b.Name}
}

// sink uploads the data of one backup.
type sink struct {
	r        *Repository
	w        repo.RepositoryWriter
	source   snapshot.SourceInfo
	progress ripcord.Progress
	made     *snapshot.Manifest
	bytes    int64
	files    int64
}

// Stream implements ripcord.Sink.
func (s *sink) Stream(ctx context.Context, write func(ctx context.Context, w io.Writer) error) error {
	read, into := io.Pipe()
	counted := &counter{to: into, progress: s.progress}
	result := make(chan error, 1)
	go func() {
		err := write(ctx, counted)
		result <- err
		_ = into.CloseWithError(err) // nil is the end
	}()
	file := virtualfs.StreamingFileWithModTimeFromReader(streamName, s.r.now(), read)
	m, err := s.upload(ctx, virtualfs.NewStaticDirectory("backup", []fs.Entry{file}))
	_ = read.CloseWithError(errAway) // where the upload ended early, so does the writer
	if wrote := <-result; wrote != nil && !errors.Is(wrote, errAway) && err != nil && !full(err) {
		return wrote
	} else if err != nil {
		return err
	} else if wrote != nil {
		return wrote
	}
	if kept := m.Stats.TotalFileSize; kept != counted.written.Load() {
		return fmt.Errorf("%d bytes were written and %d kept", counted.written.Load(), kept)
	}
	s.made, s.bytes, s.files = m, m.Stats.TotalFileSize, 1
	return nil
}

// errAway is what a writer gets when nobody reads any more.
var errAway = errors.New("the upload has ended")

// Tree implements ripcord.Sink.
func (s *sink) Tree(ctx context.Context, directory string, attributes []byte) error {
	dir, err := localfs.Directory(directory)
	if err != nil {
		return err
	}
	note := virtualfs.StreamingFileWithModTimeFromReader(attributesName, s.r.now(), io.NopCloser(strings.NewReader(string(attributes))))
	m, err := s.upload(ctx, virtualfs.NewStaticDirectory("backup", []fs.Entry{&renamed{Directory: dir}, note}))
	if err != nil {
		return err
	}
	s.made = m
	s.bytes, s.files = m.Stats.TotalFileSize-int64(len(attributes)), int64(m.Stats.TotalFileCount)-1
	return nil
}

// renamed gives a folder the same name in each backup.
type renamed struct{ fs.Directory }

func (*renamed) Name() string { return streamName }

// upload uploads and refuses what is not whole.
func (s *sink) upload(ctx context.Context, root fs.Directory) (*snapshot.Manifest, error) {
	u := upload.NewUploader(s.w)
	u.FailFast, u.DisableIgnoreRules = true, true
	u.Progress = &uploading{progress: s.progress}
	stop := context.AfterFunc(ctx, u.Cancel)
	defer stop()
	before, err := snapshot.FindPreviousManifests(ctx, s.w, s.source, nil)
	if err != nil {
		return nil, err
	}
	before = slices.DeleteFunc(before, func(m *snapshot.Manifest) bool { return m.IncompleteReason != "" })
	m, err := u.Upload(ctx, root, policies(), s.source, before...)
	if err != nil {
		return nil, err
	}
	if m.IncompleteReason != "" {
		return nil, errors.Join(ctx.Err(), errors.New("the upload is not complete: "+m.IncompleteReason))
	}
	if summary := m.RootEntry.DirSummary; summary != nil && summary.FatalErrorCount+summary.IgnoredErrorCount > 0 {
		for _, failed := range summary.FailedEntries {
			return nil, fmt.Errorf("%s: %s", failed.EntryPath, failed.Error)
		}
		return nil, errors.New("not all could be read")
	}
	return m, nil
}

// policies say how everything is kept: compressed a little, and nothing left out.
func policies() *policy.Tree {
	p := *policy.DefaultPolicy
	p.CompressionPolicy = policy.CompressionPolicy{CompressorName: "zstd-fastest"}
	p.FilesPolicy = policy.FilesPolicy{}
	return policy.BuildTree(nil, &p)
}

// counter counts what is written.
type counter struct {
	to       io.Writer
	written  atomic.Int64
	progress ripcord.Progress
}

func (c *counter) Write(data []byte) (int, error) {
	n, err := c.to.Write(data)
	done := c.written.Add(int64(n))
	if c.progress != nil {
		c.progress(done, 0)
	}
	return n, err
}

// uploading tells how far the upload of a folder has come.
type uploading struct {
	upload.NullUploadProgress
	progress ripcord.Progress
	done     atomic.Int64
	total    atomic.Int64
}

func (u *uploading) tell(more int64) {
	if done := u.done.Add(more); u.progress != nil {
		u.progress(done, u.total.Load())
	}
}

// HashedBytes implements upload.Progress.
func (u *uploading) HashedBytes(n int64) { u.tell(n) }

// CachedFile implements upload.Progress.
func (u *uploading) CachedFile(_ string, n int64) { u.tell(n) }

// EstimatedDataSize implements upload.Progress.
func (u *uploading) EstimatedDataSize(_, bytes int64) { u.total.Store(bytes) }
