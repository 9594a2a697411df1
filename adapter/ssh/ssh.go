// Package ssh makes other machines out of SSH servers: a ripcord.Machine whose
// commands, files and connections are those of the computer behind the server.
//
// Nothing has to be installed there but a POSIX shell and the programs that every
// Linux has. Three promises decide how it is built:
//
//   - The host key is checked against known_hosts, always.
//   - Nothing of a command comes late. Each command hangs on a leash, its standard
//     input: a small watcher beside it kills the whole process group when the
//     leash ends, or when no sign of life came along it for a while. Whoever
//     lost the connection waits until that time has passed, and only then says
//     that the result is unknown.
//   - What is not known is not claimed: an exit status, a signal and a lost
//     connection (ErrLost) are three different ends.
//
// A command's words and environment travel along the leash as well, never in the
// command line that other users of the machine can read.
package ssh
