package procfs

import "slices"

// Tree is a snapshot of the running processes, zombies left out.
type Tree struct {
	processes []Process
	boot      string
	source    FS
}

// Tree takes a snapshot.
func (f FS) Tree() (Tree, error) {
	all, err := f.Processes()
	if err != nil {
		return Tree{}, err
	}
	boot, err := f.Boot()
	if err != nil {
		return Tree{}, err
	}
	t := Tree{boot: boot, source: f}
	for _, p := range all {
		if p.Running() {
			t.processes = append(t.processes, p)
		}
	}
	return t, nil
}

// Identity returns the identity of a process of the snapshot.
func (t Tree) Identity(p Process) Identity {
	return Identity{PID: p.PID, Start: p.Start, Boot: t.boot}
}

// Session returns the processes of a session, by pid.
func (t Tree) Session(id int) []Process {
	return t.Where(func(p Process) bool { return p.Session == id })
}

// WithEnv returns the processes that were started with the environment variable
// set to the value, by pid. Those that replaced their environment are missing.
func (t Tree) WithEnv(name, value string) []Process {
	return t.Where(func(p Process) bool { return t.source.HasEnv(p.PID, name, value) })
}

// Where returns the processes that keep says yes to, by pid.
func (t Tree) Where(keep func(Process) bool) []Process {
	var found []Process
	for _, p := range t.processes {
		if keep(p) {
			found = append(found, p)
		}
	}
	return found
}

// Descendants returns the children of the pids, their children and so on, by
// pid, without the pids themselves.
func (t Tree) Descendants(pids ...int) []Process {
	children := make(map[int][]int, len(t.processes))
	for _, p := range t.processes {
		children[p.Parent] = append(children[p.Parent], p.PID)
	}
	roots := make(map[int]bool, len(pids))
	for _, pid := range pids {
		roots[pid] = true
	}
	below := make(map[int]bool)
	queue := slices.Clone(pids)
	for len(queue) > 0 {
		next := children[queue[0]]
		queue = queue[1:]
		for _, pid := range next {
			if !below[pid] && !roots[pid] {
				below[pid] = true
				queue = append(queue, pid)
			}
		}
	}
	return t.Where(func(p Process) bool { return below[p.PID] })
}
