package ripcord

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"
)

// Backup is a copy of data in a repository, as the data was at one moment.
type Backup struct {
	// ID is unique in its repository and never changes.
	ID          string `json:"id"`
	Application string `json:"application"`
	Environment string `json:"environment"`
	// Name is what the plan file calls the database, or the path of a folder.
	Name string `json:"name"`
	// Kind is the Kind of the DataSource that made it.
	Kind string `json:"kind"`
	// Key is the idempotency key of the step that made it, Run and Version those of
	// its release; all are empty outside of a run.
	Key     string `json:"key,omitempty"`
	Run     RunID  `json:"run,omitempty"`
	Version string `json:"version,omitempty"`
	// Why says why it was made where that was neither a step nor `backup run`.
	Why string `json:"why,omitempty"`
	// StartedAt and EndedAt bound the making. At is the moment that the data is of.
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	At        time.Time `json:"at"`
	// Bytes is the size of the data as it is restored, Files the number of files.
	Bytes int64 `json:"bytes"`
	Files int64 `json:"files,omitempty"`
	// View is what was seen of the data at At.
	View DataView `json:"view"`
	// VerifiedAt is when all of it was last read back from the repository.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// Test is its last restore test.
	Test *RestoreTest `json:"test,omitempty"`
}

// BackupState is how much is known of a backup.
type BackupState string

// The states of a backup.
const (
	// BackupTaken: it was made, and nobody has read it since.
	BackupTaken BackupState = "taken"
	// BackupVerified: every byte of it was read back.
	BackupVerified BackupState = "verified"
	// BackupRestored: it was restored into a scratch place and passed its checks.
	BackupRestored BackupState = "restored-and-checked"
	// BackupBad: its last restore test failed.
	BackupBad BackupState = "bad"
)

// State is how much is known of the backup.
func (b *Backup) State() BackupState {
	switch {
	case b.Test != nil && len(b.Test.Problems) > 0:
		return BackupBad
	case b.Test != nil:
		return BackupRestored
	case !b.VerifiedAt.IsZero():
		return BackupVerified
	}
	return BackupTaken
}

// Seconds is how long the backup took.
func (b *Backup) Seconds() float64 { return b.EndedAt.Sub(b.StartedAt).Seconds() }

// DataView is what is seen of data at one moment.
type DataView struct {
	// Tool is the program that copies, with its version; Server the database's.
	Tool   string `json:"tool,omitempty"`
	Server string `json:"server,omitempty"`
	// Bytes is the size of the data where it is; 0 is unknown.
	Bytes int64 `json:"bytes,omitempty"`
	// Tables are sorted by name; a folder has none.
	Tables []TableView `json:"tables,omitempty"`
	// Exact says that Tables were counted at the very moment of the copy.
	Exact bool `json:"exact,omitempty"`
	// Schema is a digest of all definitions: equal schemas give equal digests.
	Schema string `json:"schema,omitempty"`
	// Content is a digest of all data where the source can tell one cheaply.
	Content string `json:"content,omitempty"`
	// Epoch tells counts of writes apart that cannot be compared: the server began
	// to count anew in between.
	Epoch string `json:"epoch,omitempty"`
}

// TableView is what is seen of one table.
type TableView struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	// Writes counts the rows inserted, changed and deleted in the DataView's Epoch;
	// it has no meaning where that is empty.
	Writes int64 `json:"writes,omitempty"`
}

// Table returns what was seen of a table, or nil.
func (v *DataView) Table(name string) *TableView {
	at, found := slices.BinarySearchFunc(v.Tables, name, func(t TableView, name string) int { return strings.Compare(t.Name, name) })
	if !found {
		return nil
	}
	return &v.Tables[at]
}

// Rows is the number of rows of all tables.
func (v *DataView) Rows() int64 {
	var rows int64
	for _, t := range v.Tables {
		rows += t.Rows
	}
	return rows
}

// RestoreTest is the evidence that a backup can be restored, or cannot.
type RestoreTest struct {
	At time.Time `json:"at"`
	// Seconds is how long it took until the data was there and checked: the real
	// RTO, Phases its parts in order.
	Seconds float64        `json:"seconds"`
	Phases  []RestorePhase `json:"phases"`
	// AgeSeconds is how old the data was at the test's start: the real RPO.
	AgeSeconds float64 `json:"age_seconds"`
	// Place is where it was restored, for people.
	Place string `json:"place"`
	// Passed are the checks that passed, Problems what did not.
	Passed   []string `json:"passed"`
	Problems []string `json:"problems,omitempty"`
}

// RestorePhase is one part of a restore.
type RestorePhase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Progress is told how many bytes are done; total is 0 where it is unknown.
type Progress func(done, total int64)

// Sink takes the data of one backup. Exactly one of its methods is called, once.
type Sink interface {
	// Stream keeps what write writes as one file. Where write fails, so does Stream,
	// and there is no backup.
	Stream(ctx context.Context, write func(ctx context.Context, w io.Writer) error) error
	// Tree keeps a folder with owner, mode and time of everything in it, and beside
	// it what else must be known of its files.
	Tree(ctx context.Context, directory string, attributes []byte) error
}

// Content is the data of one backup, as its Sink took it.
type Content interface {
	// Stream opens the one file; its reader fails where bytes are missing or were
	// changed.
	Stream(ctx context.Context) (io.ReadCloser, error)
	// Tree lays the folder out as directory, which must not exist or be empty, and
	// returns the attributes.
	Tree(ctx context.Context, directory string) (attributes []byte, err error)
}

// Repositories opens repositories of one kind.
type Repositories interface {
	// Check reads settings and touches nothing. Its error is of CodePlan.
	Check(settings json.RawMessage) error
	// Open opens the repository that settings describe. With create one that is not
	// there yet is made; without, the error is of CodeNotFound. Other errors say in
	// plain words what is wrong: it is not one, the password is wrong, a newer program
	// made it, or it was there once and is gone.
	Open(ctx context.Context, settings json.RawMessage, scope Scope, create bool) (Repository, error)
}

// Repository keeps backups, encrypted.
type Repository interface {
	BackupReader
	BackupWriter
	// Name is where it is, for people.
	Name() string
	// Made says that Open has made it.
	Made() bool
	Close() error
}

// BackupReader reads backups.
type BackupReader interface {
	// Backups returns all, newest first.
	Backups(ctx context.Context) ([]Backup, error)
	// Content gives access to a backup's data; progress may be nil.
	Content(ctx context.Context, b *Backup, progress Progress) (Content, error)
	// Verify reads everything of the backups, and returns for each ID what is wrong
	// with it, in words; a backup that is sound is not among them.
	Verify(ctx context.Context, all []Backup, progress Progress) (Verification, error)
}

// Verification is what Verify saw.
type Verification struct {
	// Bytes and Files were read.
	Bytes int64 `json:"bytes"`
	Files int64 `json:"files"`
	// Problems are what is wrong, by the backup's ID.
	Problems map[string][]string `json:"problems,omitempty"`
	// Records are what is wrong with the repository's own records, in words.
	Records []string `json:"records,omitempty"`
}

// Sound reports whether nothing is wrong.
func (v *Verification) Sound() bool { return len(v.Problems)+len(v.Records) == 0 }

// BackupWriter changes what a repository keeps.
type BackupWriter interface {
	// Save makes a backup: it is there when data has returned nil and everything is
	// durable, and otherwise not at all. What data changes in b is kept with it.
	Save(ctx context.Context, b *Backup, progress Progress, data func(ctx context.Context, b *Backup, to Sink) error) error
	// Note keeps what changed in b beside its data: the dates and evidence of tests.
	Note(ctx context.Context, b *Backup) error
	// Delete removes backups by ID; one that is gone is no error.
	Delete(ctx context.Context, ids ...string) error
	// Maintain frees the room of what was deleted. Only one process does so at a
	// time; others return at once.
	Maintain(ctx context.Context) error
}

// RoomTeller is a Repository that knows how many bytes are free where it is.
type RoomTeller interface {
	Room() (bytes int64, ok bool)
}

// DataSource opens data of one kind: a database system, or folders.
type DataSource interface {
	Kind() string
	// Open reads the settings and touches nothing. Its error is of CodePlan.
	Open(ctx context.Context, settings json.RawMessage, scope Scope) (Data, error)
}

// Data is something that can be backed up and restored.
type Data interface {
	// Name is what and where it is, for people, without account and password.
	Name() string
	// Look reads what is there now; with count it counts the rows of all tables.
	// Where no backup can be made its error says why in plain words: a client that is
	// older than the server, a privilege that is missing. It is of CodeNotFound where
	// there is no such data.
	Look(ctx context.Context, count bool) (DataView, error)
	// Backup copies the data, consistent as of one moment, and fills in b's At and View.
	Backup(ctx context.Context, b *Backup, to Sink) error
	// Place prepares a new, empty place for a restore: at to, or where to is empty
	// beside the data, under a name made of id. Something that is there already is
	// refused.
	Place(ctx context.Context, id, to string) (Place, error)
	// Exchange puts what is at the place where the data is now, and keeps what was
	// there as a safety copy, whose whereabouts it returns; empty where nothing was.
	// Where it fails, what was there is there as before.
	Exchange(ctx context.Context, from Place, o Exchange) (safety string, err error)
}

// Exchange says how data is put in the place of other data.
type Exchange struct {
	// ID makes the safety copy's name.
	ID string
	// Disconnect ends the sessions of others who are in the way; else the exchange is
	// refused for them.
	Disconnect bool
	// Accept is asked at the last moment, where the source can hold off writers when
	// none can write any more; its error stops the exchange. now is what is there.
	Accept func(ctx context.Context, now DataView) error
}

// Occupied is Data that others may hold on to so that it cannot be exchanged.
type Occupied interface {
	// Free refuses, in plain words, while others do.
	Free(ctx context.Context) error
}

// Comparer is Data that can tell what a restore would lose by looking at each piece.
type Comparer interface {
	// Compare counts what is there now and not at the place.
	Compare(ctx context.Context, with Place) ([]TableLoss, error)
}

// TableLoss is what a restore would lose of one table or folder.
type TableLoss struct {
	Name string `json:"name"`
	// Now and Then are the rows, or files, there are now and were at the backup.
	Now  int64 `json:"now"`
	Then int64 `json:"then"`
	// Lost is how many writes would be lost: rows that are there now in this form and
	// would not be after, or writes that the server has counted since.
	Lost int64 `json:"lost"`
}

// Place is where a backup is restored.
type Place interface {
	// Name is where it is, for people.
	Name() string
	Restore(ctx context.Context, b *Backup, from Content) error
	// Look is that of Data.
	Look(ctx context.Context, count bool) (DataView, error)
	// Ask asks a question that must be answered with true. The answer is for people.
	Ask(ctx context.Context, question string) (well bool, answer string, err error)
	// Drop removes the place and everything in it. It is idempotent.
	Drop(ctx context.Context) error
}
