// Package shim runs external commands so that they, everything that they start
// and their result are found again after whoever ran them died.
//
// Every command gets a small parent, the shim: this very binary, executed again
// as "ripcord __shim FOLDER". It lives in a session of its own, so that neither
// the terminal nor the executor takes it along. It gets the command through its
// standard input, never through the disk, because the command holds secrets, and
// keeps in its folder what a later executor needs:
//
//	shim.json     who the shim is: pid, start time, boot id
//	child.json    who the command is
//	output        what it printed, without secrets, head and tail when it is much
//	exit.json     how it ended
//	refused.json  why it could not be started, instead of exit.json
//	fence         the newest executor that may stop it
//	lock          held while the command is started or adopted
//	begun         there since before the shim was started
//
// Each file is complete or missing, and exit.json is written last. So for a
// folder with a shim.json, one of three holds: there is a result; or the shim
// lives and there will be one; or the shim was killed, and the result is lost.
// Without a shim.json, nothing was started.
//
// One thing can get away: what left the session, replaced its whole environment,
// and lost its parent, when the shim is killed from outside afterwards.
//
// The shim is the subreaper of all that descends from the command: no double
// fork escapes it. It carries the environment variable RIPCORD_SHIM, and so does
// the command, by which orphans are found when the shim was killed.
package shim
