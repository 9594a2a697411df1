// Package sim runs releases in a simulated world to find what breaks them: the
// real decider and the real local executor, the in-memory system and store, and
// a clock of its own. A seed decides everything that may happen: the plan, what
// fails, when the executor dies and where, who else changes the world, and what
// people ask for. The same seed gives the same run, to the byte.
//
// Everything runs on one thread at a time. Executors and their operations are
// fibers that hand control back at each point where something may come between:
// before, in the middle of and after each effect, and wherever the executor
// waits. A crash drops all fibers of an executor where they stand; a new one
// begins with what the journal and the world have kept.
//
// A judge looks at each entry and each effect when it happens and knows the
// invariants by name. It keeps its own books and never asks the engine.
package sim
