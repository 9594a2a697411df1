// Package dataplane is the built-in proxy: one process that listens on one
// address and sends each request to the side that the route points to, or a part
// of them to a second side.
//
// It is started as "ripcord __proxy --directory DIR --listen ADDR" and led
// through a control socket in DIR; Client speaks to it. Three rules carry it:
//
//   - What a command changes is durable in DIR/state.json before it takes
//     effect and is acknowledged, so that a killed proxy comes back with the
//     same route.
//   - A request counts as in flight on the side it was given to from before the
//     route is read for the last time until its answer is complete. Zero in
//     flight after a switch therefore proves that the old side is unused.
//   - A target is unknown, and gets nothing, until the proxy's own probe has
//     found it ready. Two exceptions keep traffic alive: after a restart the
//     targets of the routed side are taken as ready until the first probes say
//     otherwise, and when no target of the routed side is ready, all are tried.
//
// A target that gives no sign of life is doubted after a moment and gets nothing
// while another one is well, also one of the other side. A whole side that is ill
// gives its part of the requests to the other one until it is well again.
//
// A request that was sent to a target is sent again to another one only where
// that cannot do harm: nothing of it was sent yet, or its method is idempotent
// (or it carries an Idempotency-Key) and its body is small enough to be kept.
// A POST in flight on a target that dies is lost, and its client is told so.
//
// A newer process can take over from one that runs: it gets the sockets, the
// state and the counters over the control socket, and the old one ends what it
// has begun.
//
// Clients speak HTTP/1.1 or HTTP/2, over TLS or with prior knowledge; targets
// speak HTTP/1.1. Request trailers are dropped, answers' trailers are passed on.
package dataplane
