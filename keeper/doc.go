// Package keeper keeps instances alive and carries unfinished runs on.
//
// It has two sides. The Supervisor is what everybody uses to start, stop and
// list instances: it writes down what is wanted and starts the processes itself,
// so that nothing waits for a background process. The keeper is that background
// process, one for each state directory. It starts wanted instances again that
// ended, all of them after a reboot, and an executor for each unfinished run
// that has none.
//
// All that it must know lies in the state directory:
//
//	keeper.lock      locked by the living keeper
//	keeper.json      who it is
//	keeper.log       what it did
//	instances/HASH/  one instance: instance.json says what is wanted,
//	                 state.json counts, the rest belongs to its shim
//	executors/       who executes which run, and the executors' logs
//
// So its death costs nothing: each process belongs to a shim or a session of its
// own, and the next keeper finds them all.
package keeper
