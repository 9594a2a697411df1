// Package sqlite keeps the journal in one SQLite file in the state directory.
//
// Any number of processes may open the same state directory at once. Each has
// one writing connection, owned by one goroutine: whatever waits while a
// transaction is being made durable joins the next one (group commit), so the
// price of a flush to disk is shared. Readers have connections of their own and
// never wait for the writer.
//
// What counts as done is on disk: write-ahead log, synchronous=FULL, asserted
// after opening. Entries are stored as the exact bytes that their hash covers.
package sqlite
