// Package dockerd gives tests a real Docker engine of their own: dockerd runs in
// namespaces of its own (processes, network, mounts), so that nothing of it stays
// behind, whatever happens to the test, and no engine of the machine is touched.
//
// A package's tests run inside when TestMain calls Main. Only root may do it.
package dockerd
