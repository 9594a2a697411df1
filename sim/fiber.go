package sim

import "iter"

// crash is what unwinds a fiber of an executor that has died.
type crash struct{}

// fiber is a function that runs until it pauses, and goes on when it is told.
type fiber struct {
	owner  *process
	name   string
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	// ready says whether it makes sense to go on; nil is always.
	ready func() bool
	ended bool
}

func newFiber(owner *process, name string, f func()) *fiber {
	fb := &fiber{owner: owner, name: name}
	fb.resume, fb.stop = iter.Pull(func(yield func(struct{}) bool) {
		fb.yield = yield
		defer func() {
			fb.ended = true
			switch r := recover().(type) {
			case nil, crash:
			default:
				panic(r)
			}
		}()
		f()
	})
	return fb
}

// pause hands control back until ready says true (nil: until it is this fiber's
// turn again). It does not return when the executor dies meanwhile.
func (fb *fiber) pause(ready func() bool) {
	fb.ready = ready
	if !fb.yield(struct{}{}) {
		panic(crash{})
	}
	fb.ready = nil
}

// runnable reports whether the fiber can go on now.
func (fb *fiber) runnable() bool { return !fb.ended && (fb.ready == nil || fb.ready()) }
