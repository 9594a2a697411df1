// Package adaptertest is the conformance suite that every adapter passes, and
// the test doubles for what a Scope gives to a step: Commands, Supervisor, Blobs,
// Secrets and a Journal that hands out attempts. The doubles keep the contracts
// of the root package within one process; only a crash of that process is beyond
// them.
package adaptertest
