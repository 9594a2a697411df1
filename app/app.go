package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
	"github.com/ripcord-dev/ripcord/store/blobs"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

// blobLimit is the largest blob in bytes: a bundle or a safety copy.
const blobLimit = 4 << 30

// App is one state directory, opened.
type App struct {
	options Options
	dir     string
	// public is where releases are laid out for other users.
	public string
	store  *sqlite.Store
	blobs  *blobs.Store
	// keyless is why there is no key for the blobs; nil where there is one.
	keyless  *blobs.KeyError
	adapters map[string]ripcord.Adapter
	// machines are the connections to other machines.
	machines *ssh.Pool
	log      *slog.Logger
	boundary boundary
	closing  sync.Once
	// looking stands for a run where steps are opened outside of any.
	looking ripcord.RunID

	// mine is the run that this process executes now, executed the last one.
	mineMu         sync.Mutex
	mine, executed ripcord.RunID
	// toRetain is the plan of the run that ended last in this process.
	toRetain *ripcord.Plan
}

// Open opens the state directory and makes it where it does not exist.
func Open(ctx context.Context, o Options, log *slog.Logger) (*App, error) {
	dir, err := o.stateDir()
	if err != nil {
		return nil, err
	}
	key, err := o.keyFile(dir)
	if err != nil {
		return nil, err
	}
	a := &App{options: o, dir: dir, log: log, looking: newRunID(o.Now()) + "-look", adapters: adapters(o.Environ, o.Now), boundary: newBoundary(o), machines: newMachines(o)}
	if a.public, err = o.publicDir(dir); err != nil {
		return nil, err
	}
	a.store, err = sqlite.Open(ctx, dir, sqlite.Options{Now: o.Now, ReadOnly: o.ReadOnly, OnReserve: a.onReserve})
	if err != nil {
		return nil, err
	}
	err = a.openBlobs(key)
	if err == nil && !o.ReadOnly && o.PublicDir != "" {
		err = remember(dir, publicNote, a.public)
	}
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

// Close ends the use of the state directory. Closing twice is safe.
func (a *App) Close() error {
	var err error
	a.closing.Do(func() {
		a.retain()
		for _, room := range []string{"commands", "work"} {
			err = errors.Join(err, os.RemoveAll(filepath.Join(a.dir, room, string(a.looking))))
		}
		err = errors.Join(err, a.machines.Close(), a.store.Close())
	})
	return err
}

// StateDir is the state directory's path.
func (a *App) StateDir() string { return a.dir }

// onReserve passes on only what a person must know. That the reserve is made or
// made again is no news.
func (a *App) onReserve(e sqlite.ReserveEvent) {
	switch e {
	case sqlite.ReserveGiven:
		a.options.warn("the disk of " + a.dir + " is full: Ripcord gave its reserve back, which is enough to record a way back. Make room there")
	case sqlite.ReserveMissing:
		a.options.warn("the disk of " + a.dir + " has no room for the reserve that pays for a way back when it is full. Make room there")
	case sqlite.ReserveRestored:
	}
}
