package figure

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Conditions are what a figure depends on beside Ripcord.
type Conditions struct {
	Cores  int
	Memory int // GiB
	// Load is the load average of the last minute when the measurement began.
	Load float64
	// Disk is the file system of the folder that was measured in.
	Disk string
}

// Now looks at the machine; dir is the folder that is measured in.
func Now(dir string) Conditions {
	c := Conditions{Cores: runtime.NumCPU()}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(data), " ")
		c.Load, _ = strconv.ParseFloat(first, 64)
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		c.Memory = int((info.Totalram*uint64(info.Unit) + 1<<29) >> 30)
	}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		c.Disk = diskName(int64(fs.Type))
	}
	return c
}

func diskName(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs (memory: flushes cost nothing there, so ratios to them mean nothing)"
	default:
		return fmt.Sprintf("file system %#x", magic)
	}
}

// Busy reports whether other work on the machine makes the figures worse than
// they are.
func (c Conditions) Busy() bool { return c.Load > 0.5*float64(c.Cores) }

// String describes the conditions on one line.
func (c Conditions) String() string {
	text := fmt.Sprintf("%d cores, %d GiB, load average %.1f, disk %s", c.Cores, c.Memory, c.Load, c.Disk)
	if c.Busy() {
		text += "; WARNING: the machine is busy with other work, measure again when it is quiet"
	}
	return text
}
