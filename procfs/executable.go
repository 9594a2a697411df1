package procfs

import "os"

// Executable returns a path that starts self, the file of the running program,
// again: self, or where that was removed meanwhile, what the kernel still has of
// it. A build server's workspace goes with the job, and what a release started
// there must still be looked after.
func Executable(self string) string {
	if _, err := os.Stat(self); err != nil {
		return "/proc/self/exe"
	}
	return self
}
