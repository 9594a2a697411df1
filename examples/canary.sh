#!/usr/bin/env bash
# Releases examples/shop as a canary under load: v2, which is well, gets all users
# in stages; v3, which fails one request of ten, is caught by what the balancer
# counts, and taken back. Then it tells how many requests that has cost.
#
#   canary.sh proxy|haproxy|nginx [RIPCORD]
#
# The playground is ./playground-BALANCER, or $RIPCORD_PLAYGROUND; an earlier one is
# removed. haproxy and nginx are those of this machine; they are started for this.
set -euo pipefail
balancer=${1:-proxy}
case $balancer in proxy) port=8081 ;; haproxy) port=8082 ;; nginx) port=8083 ;; *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
playground=${RIPCORD_PLAYGROUND:-playground-$balancer}
for name in "${!RIPCORD_@}"; do unset "$name"; done
examples=$(cd "$(dirname "$0")" && pwd)
binary=${2:-$examples/../bin/ripcord}
began=$SECONDS rate=300 customers='' last=/dev/null
# shellcheck source=examples/demo/tell.sh
. "$examples/demo/tell.sh"
# shellcheck source=examples/demo/balancer.sh
. "$examples/demo/balancer.sh"
trap '[ -z "$customers" ] || kill "$customers" 2>/dev/null || true' EXIT

prepare() {
  [ -x "$binary" ] || { echo "canary.sh: there is no $binary; run make" >&2; exit 2; }
  if [ -e "$playground/remove" ]; then "$playground/remove"; fi
  if [ -e "$playground" ] && ! rmdir "$playground" 2>/dev/null; then
    echo "canary.sh: $playground is there and is no playground; set RIPCORD_PLAYGROUND to another folder" >&2
    exit 2
  fi
  mkdir -p "$playground/bin" && playground=$(cd "$playground" && pwd -P)
  cp "$binary" "$playground/bin/ripcord"
  cp "$examples/demo/ripcord" "$examples/demo/remove" "$playground/"
  (cd "$examples/shop" && CGO_ENABLED=0 go build -trimpath -o "$playground/bin/load" ./load)
  cd "$playground"
  last=$playground/last.txt listen=127.0.0.1:$(free_port "$port")
  local version
  for version in v1 v2 'v3 errors:10%'; do
    # Unquoted: a version and its fault are two arguments.
    # shellcheck disable=SC2086
    "$examples/shop/build.sh" $version "${version%% *}" | sed "s|in $playground/|in |; s/^/  /"
    local plan=${version%% *}/canary.yaml
    sed -i "s|^  listen: .*|  listen: $listen|; s|^  site: .*|  site: ../site|; s|^  watch: .*|  watch: 5s|; s|^  bake: .*|  bake: 15s|; $(balancer_setting)" "$plan"
  done
  start_balancer
}

canary_story() {
  grep --line-buffered -E '^[0-9:]+Z  (.*: (done|FAILED|back,)|ROLLING|committed)|^(State|Affected|Why|Next):' || true
}

first_release() {
  ripcord 0 canary_story release --file v1/canary.yaml --version v1
  customers_come
  customers_gone
  expect 'the shop is open, and it is v1' only v1
}

good_release() {
  say 'v2 gets a twentieth of the customers, then a quarter, then all.'
  customers_come
  ripcord 0 canary_story release --file v2/canary.yaml --version v2
  customers_gone
  expect "$(most_lost) requests failed" few_lost
  expect 'v1 answered first, then v2' first_then v1 v2
}

bad_release() {
  say 'v3 fails one request of ten. Its health check is fine.'
  customers_come
  ripcord 3 canary_story release --file v3/canary.yaml --version v3
  customers_gone
  ripcord 0 judged show
  harmed=$(counted failed)
  expect 'the analysis has caught it' grep -q '(analysis)' "$last"
  expect 'it never had more than a quarter of the customers' test $(($(counted versions.v3) * 4)) -lt "$(counted sent)"
  expect 'v2 has all of them again' less "$(counted seen.v3.to_s)" "$(counted seen.v2.to_s)"
}
judged() { sed -n '/^canary/,/^evidence/p' | grep -v '^$' | grep -v '^evidence' || true; }

chapter "A shop behind $balancer, built in three versions"
prepare
say "The shop will be open on http://$listen"
chapter '1. v1: the first release'
first_release
chapter '2. v2: a canary that is well'
good_release
chapter '3. v3: a canary that is not'
bad_release
chapter "All as expected, in $((SECONDS - began)) s: v3 has cost the customers $harmed of $(counted sent) requests"
cat << END
The shop is still open: http://$listen
Play with it:

  cd $playground
  ./ripcord show
  ./bin/load --url http://$listen --for 60s > /dev/null & ./ripcord release --file v3/canary.yaml --version v3
  ./ripcord status --watch          # in another terminal

Remove it, with everything that runs in it:

  $playground/remove
END
