package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// share is the canary's part of the traffic in percent.
const share = 25

// planText is the plan file of both releases of a scenario. It is that of the example
// (examples/shop/canary.yaml) with one stage that lasts, and a roll-back that waits.
func planText(s scenario, listen, prometheus, site string, window time.Duration) string {
	metrics, targets, analyze := "", "", "[errors, latency]"
	if s.prometheus() {
		metrics = fmt.Sprintf("metrics: {prom: {prometheus: \"http://%s\"}}\n", prometheus)
		targets = `
  - files:
      content: |
        - targets: [${steps.deploy-web.outputs.addresses}, ${steps.deploy-web.outputs.old_addresses}]
      destination: ../targets/shop.yml
    name: targets
`
	}
	if s.memory {
		analyze = `
        - errors
        - latency
        - metric: memory
          source: prom
          value: avg(shop_memory_bytes{instance=~"${side.instances}"})
          slack: 5000000`
	}
	if s.downAfter > 0 {
		analyze = `
        - metric: answers
          source: prom
          requests: shop_requests_total{instance=~"${side.instances}"}
          failures: shop_requests_total{instance=~"${side.instances}",code="5xx"}`
	}
	return strings.NewReplacer(
		"LISTEN", listen, "<site>", site, "SHARE", strconv.Itoa(share), "WINDOW", window.String(),
		"METRICS\n", metrics, "TARGETS\n", targets, "ANALYZE", analyze,
	).Replace(`application: shop
on_failure: {hold: 2h, then: rollback}
METRICS
services:
  web:
    command: ["${release.directory}/bin/shop", --listen, "${instance.address}", --site, <site>]
    artifact: [bin/shop]
    instances: 2
    health: {http: /healthz, start_timeout: 20s}
    balancer: front
balancers:
  front: {proxy: {listen: "LISTEN"}}
bundle: [assets]
release:
  - run: {command: ./publish.sh, undo: {command: ./unpublish.sh, idempotent: true}, check: ./published.sh, idempotent: true, environment: {SITE: <site>}}
    name: assets
  - deploy: web
TARGETS
  - shift:
      service: web
      strategy: canary
      stages: [SHARE%, 100%]
      for: WINDOW
      interval: 2s
      analyze: ANALYZE
`)
}
