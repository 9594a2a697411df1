package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/ripcord-dev/ripcord"
)

// The files of a state directory that belong to this package.
const (
	journalFile = "journal.db"
	markerFile  = "state"
	reserveFile = "reserve"
)

// defaultReserve is the size of the reserve in bytes.
const defaultReserve = 16 << 20

// Options say how a state directory is opened.
type Options struct {
	// Now is the clock that leases expire by. It must be given.
	Now func() time.Time
	// ReadOnly opens an existing journal for reading, also where the state
	// directory cannot be written to.
	ReadOnly bool
	// Reserve is the size in bytes of the disk space that is kept for a
	// rollback; 0 is 16 MiB, a negative size keeps none.
	Reserve int64
	// OnReserve is told what happens to the reserve. It may be nil, must return
	// soon, and is called from one goroutine at a time.
	OnReserve func(ReserveEvent)
	// BusyTimeout is how long a writer waits for those of other processes; 0 is
	// ten seconds.
	BusyTimeout time.Duration
}

// Store is the journal of one state directory.
type Store struct {
	dir     string
	options Options
	reserve *reserve
	id      string
	from    string // the readers' data source name
	readers *sql.DB
	// statements are prepared on the readers.
	statements statements
	writer     *writer // nil when read-only
	known      known
	cleanup    func() // nil when there is nothing to clean up

	probeLock sync.Mutex
	probe     *sql.Conn
	close     func() error
}

// The compiler sees to it that the contract is kept.
var _ ripcord.Store = (*Store)(nil)

// Open opens the state directory dir and makes it where it does not exist. The
// errors that a user can mend have CodePlan and a fix; a damaged journal has
// CodeInternal, and nothing is changed in it.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.Now == nil {
		return nil, ripcord.Errorf(ripcord.CodeInternal, "sqlite: Options.Now is missing")
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 10 * time.Second
	}
	if o.Reserve == 0 {
		o.Reserve = defaultReserve
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "state directory %s: %w", dir, err)
	}
	s := &Store{dir: dir, options: o}
	s.close = sync.OnceValue(s.shut)
	if o.ReadOnly {
		err = s.openReadOnly(ctx)
	} else {
		err = s.openWriting(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) openWriting(ctx context.Context) error {
	if err := prepareDirectory(s.dir); err != nil {
		return err
	}
	if err := prepareFile(s.dir); err != nil {
		return err
	}
	s.reserve = &reserve{dir: s.dir, size: s.options.Reserve, tell: s.options.OnReserve}
	err := s.openWriter(ctx)
	if err != nil && (diskFull(err) || cannotOpen(err)) && s.reserve.give() {
		// The log and its index need some room even before the first entry.
		if err = s.dropWriter(); err == nil {
			err = s.openWriter(ctx)
		}
	}
	if err != nil {
		return err
	}
	s.openReaders(s.source("rw"))
	if err := s.readID(ctx); err != nil {
		return err
	}
	if err := writeMarker(s.dir, s.id); err != nil {
		return s.explain("mark the state directory", err)
	}
	s.reserve.restore()
	return nil
}

func (s *Store) openWriter(ctx context.Context) error {
	db, err := sql.Open("sqlite", s.source("rwc"))
	if err != nil {
		return s.explain("open", err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(s.explain("open", err), db.Close())
	}
	s.writer = &writer{store: s, db: db, conn: conn, work: make(chan struct{}, 1)}
	return s.writer.prepare(ctx)
}

func (s *Store) dropWriter() error {
	if s.writer == nil {
		return nil
	}
	err := s.writer.close()
	s.writer = nil
	return err
}

func (s *Store) openReaders(source string) {
	s.from = source
	// An error could only name an unknown driver.
	s.readers, _ = sql.Open("sqlite", source+"&_pragma=query_only(1)")
	s.readers.SetMaxOpenConns(max(4, runtime.NumCPU()))
	s.readers.SetMaxIdleConns(max(4, runtime.NumCPU()))
}

// source is the data source name of the journal; pragmas may be appended.
func (s *Store) source(mode string) string {
	return source(filepath.Join(s.dir, journalFile), mode, s.options.BusyTimeout)
}

func source(path, mode string, busy time.Duration) string {
	u := url.URL{Scheme: "file", Path: path}
	// temp_store keeps temporary tables off a disk that may be full.
	return u.String() + "?mode=" + mode + "&_pragma=busy_timeout(" + strconv.FormatInt(busy.Milliseconds(), 10) +
		")&_pragma=temp_store(2)"
}

func (s *Store) readID(ctx context.Context) error {
	err := s.readers.QueryRowContext(ctx, "SELECT id FROM state").Scan(&s.id)
	if errors.Is(err, sql.ErrNoRows) {
		return s.corrupt(errors.New("the table state is empty"))
	}
	return s.explain("read the state id", err)
}

// StateID identifies this state directory; it never changes.
func (s *Store) StateID() string { return s.id }

// Close waits for what is being written and closes the journal. Closing twice
// is safe.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	var errs []error
	if s.probe != nil {
		errs = append(errs, s.probe.Close())
	}
	if s.readers != nil {
		errs = append(errs, s.statements.close(), s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.cleanup != nil {
		s.cleanup()
	}
	return errors.Join(errs...)
}

// exists reports whether there is something at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
