package sim

import (
	"math/rand/v2"
	"time"
)

// dice makes all choices of one run.
type dice struct{ r *rand.Rand }

func newDice(seed uint64) *dice {
	return &dice{rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))} //nolint:gosec // a simulation must be repeatable, not secret
}

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int { return d.r.IntN(n) }

// in reports true in n of m cases.
func (d *dice) in(n, m int) bool { return d.r.IntN(m) < n }

// between returns a duration in whole milliseconds.
func (d *dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.r.Int64N(int64((most-least)/time.Millisecond)+1))*time.Millisecond
}

// pick returns one of the choices.
func pick[T any](d *dice, choices ...T) T { return choices[d.below(len(choices))] }
