package kopia

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/blob"
	"github.com/kopia/kopia/repo/content"
	"github.com/kopia/kopia/repo/content/index"
	"github.com/kopia/kopia/repo/maintenance"
	"github.com/kopia/kopia/repo/object"
	"github.com/kopia/kopia/snapshot/snapshotfs"
	"github.com/kopia/kopia/snapshot/snapshotmaintenance"
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// everything is the share of files whose bytes are read, in percent: with less a
// changed byte is not seen.
const everything = 100

// Verify implements ripcord.BackupReader.
func (r *Repository) Verify(ctx context.Context, all []ripcord.Backup, progress ripcord.Progress) (ripcord.Verification, error) {
	if err := r.rep.Refresh(ctx); err != nil {
		return ripcord.Verification{}, r.damaged(err)
	}
	blobs, err := blob.ReadBlobMap(ctx, r.rep.BlobReader())
	if err != nil {
		return ripcord.Verification{}, r.unreachable(err)
	}
	var total int64
	for i := range all {
		total += all[i].Bytes
	}
	// All at once reads what several share a single time. Only where something is
	// wrong is each read again, to tell which ones it is in.
	v, bad, err := r.read(ctx, all, blobs, progress, total)
	if err == nil {
		v.Records, err = r.records(ctx)
	}
	if err != nil || !bad || len(all) == 1 {
		return v, err
	}
	v.Problems = map[string][]string{}
	for i := range all {
		one, _, err := r.read(ctx, all[i:i+1], blobs, nil, 0)
		if err != nil {
			return v, err
		}
		if problems := one.Problems[all[i].ID]; len(problems) > 0 {
			v.Problems[all[i].ID] = problems
		}
	}
	return v, nil
}

// read reads the backups; what is wrong is said of the first of them.
func (r *Repository) read(ctx context.Context, all []ripcord.Backup, blobs map[blob.ID]blob.Metadata, progress ripcord.Progress, total int64) (v ripcord.Verification, bad bool, err error) {
	manifests, err := r.manifests(ctx)
	if err != nil {
		return v, false, err
	}
	watched := &watched{DirectRepository: r.rep, progress: progress, total: total}
	verifier := snapshotfs.NewVerifier(ctx, watched, snapshotfs.VerifierOptions{VerifyFilesPercent: everything, MaxErrors: -1, BlobMap: blobs})
	result, err := verifier.InParallel(ctx, func(walk *snapshotfs.TreeWalker) error {
		for i := range all {
			m := manifests[all[i].ID]
			if m == nil {
				walk.ReportError(ctx, all[i].ID, errors.New("its record is gone"))
				continue
			}
			root, err := snapshotfs.SnapshotRoot(r.rep, m)
			if err == nil {
				err = walk.Process(ctx, root, "")
			}
			if err != nil {
				walk.ReportError(ctx, all[i].ID, err)
			}
		}
		return ctx.Err()
	})
	if ctx.Err() != nil {
		return v, false, ctx.Err()
	}
	v.Bytes, v.Files = result.Stats.ReadBytes, result.Stats.ReadFileCount
	if result.ErrorCount == 0 {
		return v, false, err
	}
	v.Problems = map[string][]string{all[0].ID: r.problems(ctx, result.Errors)}
	return v, true, nil
}

// records reads what no backup's own data is: which backups there are, and their
// folders.
func (r *Repository) records(ctx context.Context) ([]string, error) {
	var bad []error
	err := r.rep.ContentReader().IterateContents(ctx, content.IterateOptions{Range: index.AllPrefixedIDs}, func(c content.Info) error {
		if _, err := r.rep.ContentReader().GetContent(ctx, c.ContentID); err != nil {
			bad = append(bad, err)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		err = r.damaged(err)
	}
	return r.problems(ctx, bad), err
}

// problems name the files of the repository that are damaged, where they are known.
func (r *Repository) problems(ctx context.Context, errs []error) []string {
	var all []string
	for _, err := range errs {
		text := plain(err, r.secrets).Error()
		if file := r.damagedFile(ctx, text); file != "" {
			text = file + " is damaged (" + text + ")"
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// damagedFile is the file of the repository that an error is about.
func (r *Repository) damagedFile(ctx context.Context, text string) string {
	pack := ""
	if found := regexp.MustCompile(`\b[pq][0-9a-f]{32}-s[0-9a-f]+`).FindString(text); found != "" {
		pack = found
	}
	for _, word := range regexp.MustCompile(`\b[g-z]?[0-9a-f]{32}\b`).FindAllString(text, -1) {
		if pack != "" {
			break
		}
		id, err := index.ParseID(word)
		if err != nil {
			continue
		}
		if info, err := r.rep.ContentInfo(ctx, id); err == nil {
			pack = string(info.PackBlobID)
		}
	}
	if pack == "" || r.set.Directory == "" {
		return pack
	}
	return r.file(pack)
}

// file is where a blob lies in the folder: its name is spread over folders.
func (r *Repository) file(name string) string {
	found := ""
	_ = filepath.WalkDir(r.set.Directory, func(path string, entry os.DirEntry, err error) error { // best effort, for a message
		if err != nil || found != "" {
			return filepath.SkipDir
		}
		if relative, err := filepath.Rel(r.set.Directory, path); err == nil && !entry.IsDir() && strings.ReplaceAll(relative, "/", "") == name+".f" {
			found = path
		}
		return nil
	})
	if found == "" {
		return name
	}
	return found
}

// watched tells how much is read.
type watched struct {
	repo.DirectRepository
	progress ripcord.Progress
	total    int64
	done     atomic.Int64
}

// OpenObject implements repo.Repository.
func (w *watched) OpenObject(ctx context.Context, id object.ID) (object.Reader, error) {
	from, err := w.DirectRepository.OpenObject(ctx, id)
	if err != nil || w.progress == nil {
		return from, err
	}
	return &watchedReader{Reader: from, w: w}, nil
}

type watchedReader struct {
	object.Reader
	w *watched
}

func (r *watchedReader) Read(into []byte) (int, error) {
	n, err := r.Reader.Read(into)
	r.w.progress(r.w.done.Add(int64(n)), r.w.total)
	return n, err
}

// Maintain implements ripcord.BackupWriter.
func (r *Repository) Maintain(ctx context.Context) error {
	lock, err := os.OpenFile(filepath.Join(r.home, "maintenance.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()                                 // which gives the lock back
	defer func() { _ = os.Remove(r.rep.ConfigFilename() + ".mlock") }() // kopia's own, which each process would leave
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	} else if err != nil {
		return err
	}
	return r.maintained(repo.DirectWriteSession(ctx, r.rep, repo.WriteSessionOptions{Purpose: "maintenance"}, func(ctx context.Context, w repo.DirectRepositoryWriter) error {
		return snapshotmaintenance.Run(ctx, w, maintenance.ModeAuto, false, maintenance.SafetyFull)
	}))
}

func (r *Repository) maintained(err error) error {
	if _, foreign := errors.AsType[maintenance.NotOwnedError](err); err == nil || foreign {
		return nil // another machine does it
	}
	return r.unreachable(err)
}
