package nginx

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// pinned says who keeps old workers alive.
func (s *Step) pinned(leaving []process) string {
	var pids, clients []string
	for _, p := range leaving {
		pids = append(pids, strconv.Itoa(p.pid))
		clients = append(clients, connected(p.pid)...)
	}
	text := fmt.Sprintf("%d old workers of nginx (pid %s) are still there after %s", len(leaving), list(pids), s.settings.Drain)
	if len(clients) == 0 {
		return text + ": they end when their last connection does"
	}
	slices.Sort(clients)
	return text + fmt.Sprintf(": WebSockets or long answers keep them, %d clients (%s); they end with their last connection or when the old instances stop",
		len(clients), list(slices.Compact(clients)))
}

// connected returns the clients of a worker: the remote ends of connections that
// came in to a port that nginx listens on.
func connected(pid int) []string {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	entries, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return nil // it has ended, or we may not look
	}
	mine := map[string]bool{}
	for _, entry := range entries {
		to, err := os.Readlink(filepath.Join(dir, "fd", entry.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
			mine[strings.TrimSuffix(inode, "]")] = true
		}
	}
	var all []connection
	for _, table := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(filepath.Join(dir, "net", table)) //nolint:gosec // the kernel's
		if err == nil {
			all = append(all, parseConnections(string(data))...)
		}
	}
	listens := map[uint16]bool{}
	for _, c := range all {
		if c.listens {
			listens[c.local.Port()] = true
		}
	}
	var clients []string
	for _, c := range all {
		if c.established && mine[c.inode] && listens[c.local.Port()] {
			clients = append(clients, c.remote.Addr().Unmap().String())
		}
	}
	return clients
}

// connection is a line of /proc/net/tcp.
type connection struct {
	local, remote        netip.AddrPort
	established, listens bool
	inode                string
}

// parseConnections reads /proc/net/tcp or tcp6.
func parseConnections(text string) []connection {
	const local, remote, state, inode = 1, 2, 3, 9
	var all []connection
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) <= inode {
			continue
		}
		from, errFrom := parseAddress(fields[local])
		to, errTo := parseAddress(fields[remote])
		if errFrom != nil || errTo != nil {
			continue // the header
		}
		all = append(all, connection{local: from, remote: to, established: fields[state] == "01", listens: fields[state] == "0A", inode: fields[inode]})
	}
	return all
}

// parseAddress reads 0100007F:1F90: words of the machine's byte order, which is
// little on all that we build for.
func parseAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	data, err := hex.DecodeString(host)
	if err != nil || len(data) != net.IPv4len && len(data) != net.IPv6len {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", text)
	}
	for word := range slices.Chunk(data, 4) {
		slices.Reverse(word)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, _ := netip.AddrFromSlice(data)
	return netip.AddrPortFrom(addr, uint16(number)), nil
}

// list joins names, the first of many.
func list(names []string) string {
	const many = 5
	if len(names) > many {
		names = append(slices.Clone(names[:many]), fmt.Sprintf("%d more", len(names)-many))
	}
	return strings.Join(names, ", ")
}
