// Package files brings files and folders to where an application reads them,
// and back.
//
// A step owns the paths that it writes; with delete it owns the whole
// destination folder. Before the first change the content of everything that
// will be replaced or deleted is kept as one encrypted blob, together with the
// manifest of what the step makes. Undo needs that blob and the before-image
// only: neither the source nor a secret has to be there any more.
//
// Order of Apply, so that a stop at any moment leaves a usable tree: new files,
// changed files, then deletions, folder modes last. Each file appears whole or
// not at all: it is written beside its place, given its owner and mode, synced
// and renamed.
//
// Modification times, extended attributes and hard links are not part of what
// the step compares or brings back.
package files
