// Package ripcord holds the nouns of release recovery: a release runs as a plan
// of reversible steps, every step is written down before it happens, and when
// anything fails the run goes back to the last good state and proves it.
//
// The package speaks the standard library only and does no I/O. Everything that
// touches the world (commands, files, databases, balancers) lives behind the
// contracts declared here; everything that decides (package engine) reads them.
//
// # Glossary
//
// A word that is not here is not used in code, commands or pages.
//
//   - application: what is released.
//   - environment: where it is released to, for example staging or production.
//   - release: one version of an application for one environment.
//   - plan: the steps of a run, as data, frozen when the run starts.
//   - run: one execution of a plan. Its purpose is release, rollback or adopt.
//   - step: one reversible effect on one target.
//   - target: the thing outside of Ripcord that a step changes.
//   - stamp: what a target carries to say which state directory, run and fence
//     changed it last.
//   - attempt: one try at a step.
//   - entry: one line of the journal.
//   - journal: the append-only record of all runs, one hash chain a run.
//   - request: what a person or another process asks of a run (pause, resume,
//     retry, skip, approve, abort, rollback, close); a handled request is a
//     control in the journal.
//   - intent: the entry that says that an effect is about to begin.
//   - observation: what a Check saw; in the journal it is a sighting.
//   - before-image: the observation that undo has to bring back, seen before
//     the first intent.
//   - settle: to find out by evidence how an interrupted or cancelled effect ended.
//   - bundle: what a run's way back needs, captured at its start.
//   - last good: the newest committed release that was not condemned.
//   - commit: the point after the watch from which a release is last good.
//   - finish: after commit, dropping what only the way back needed.
//   - hold: stopped, waiting for a person, possibly with a deadline.
//   - evidence: logs, metrics and probes frozen at the failure.
//   - cause: the diagnosis of a failure.
//   - incident: a failure as people handle it.
//   - quarantine: a version that may not return yet.
//   - objective: an RTO or RPO that a drill measures.
//   - drill: a rehearsal that measures objectives.
//   - site: a place that systems run in.
//   - executor: the process that carries out a run.
//   - lease: an executor's time-limited right to write to a run; its fence is a
//     number that grows with each lease, so that a late writer is refused.
//   - lock: an environment belongs to one unfinished run at a time.
//   - keeper: the background process that supervises instances and carries out
//     runs that outlive their terminal.
//   - shim: the small parent process that every external command runs under.
//   - orphan: a command whose executor died.
//   - service, instance, colour: what deploy runs, one process of it, and one of
//     the two sets (blue, green) that exist side by side during a release.
//   - runtime: what keeps instances alive: Ripcord's keeper, systemd, Docker.
//   - strategy: how a service's instances are exchanged: blue-green, canary, rolling,
//     recreate.
//   - pin: to write down what a name means now, for example an image by its digest.
//   - flapping: well and not well by turns.
//   - dependency: a service or database without which a service cannot work.
//   - proxy, route, side: the built-in balancer, what it sends where, and one of
//     the two colours as the proxy sees it.
//   - balancer: what sends users' requests to instances: the proxy, HAProxy, nginx.
//   - canary, stage, share: a release that gets users bit by bit; one step of it;
//     the percentage of requests that the new side gets.
//   - metric, source, arm: something that is measured of both versions, the
//     system that knows it, and one version's part of it.
//   - analysis: judging from metrics, while users are on both versions, whether
//     the new one is worse.
//   - verdict: what an analysis says: roll back, promote, continue or hold.
//   - e-value: evidence against the new version that holds at every look; at its
//     limit the version goes back.
//   - tolerance, floor: how many times worse than the old version, and what rate in
//     any case, is not held against the new one.
//   - window: a stretch of time whose failures count as one piece of evidence.
//   - fuse: what stands beside the windows and decides at once where failures are
//     more than any one burst explains.
//   - dispersion: how much failures cluster; 1 is pure chance.
//   - guard: a bound on what one burst can prove, where failures count one by one.
//   - silence: a metric without data, or whose system does not answer.
//   - machine: a computer that steps have effects on, this one or one over SSH.
//   - leash: what a short command on another machine hangs on, so that it ends with
//     its connection.
//   - batch: the instances or machines that a rolling release changes at a time.
//   - rotation: the instances that a balancer sends requests to.
//   - drain: to let requests in flight end before their instance stops.
//   - backup: a copy of data as it was at one moment; taken, verified (read back in
//     full) or restored-and-checked.
//   - data source: what is backed up: a database or a folder.
//   - repository: where backups are kept, encrypted.
//   - restore test: restoring a backup into a scratch place, a new one that goes again,
//     to prove that it can be.
//   - safety copy: what was there before something took its place.
//   - state directory: where the journal, blobs and instances of one
//     installation live.
//   - blob: bytes beside the journal: logs, before-images, evidence, bundles.
//   - reserve: disk space kept so that a rollback can be journaled when the disk
//     is full.
package ripcord
