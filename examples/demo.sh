#!/usr/bin/env bash
# Releases a real shop: well, failing, killed in the middle, crashing. Each
# expectation is checked; the first that fails ends the demo with exit code 1.
#
#   demo.sh [BINARY]     BINARY is the ripcord to use, bin/ripcord without it
#
# The playground is ./playground, or $RIPCORD_PLAYGROUND; an earlier one is removed.
set -euo pipefail
playground=${RIPCORD_PLAYGROUND:-playground}
for name in "${!RIPCORD_@}"; do unset "$name"; done
examples=$(cd "$(dirname "$0")" && pwd)
binary=${1:-$examples/../bin/ripcord}
began=$SECONDS rate=200 customers='' last=/dev/null
# shellcheck source=examples/demo/tell.sh
. "$examples/demo/tell.sh"
trap '[ -z "$customers" ] || kill "$customers" 2>/dev/null || true' EXIT

prepare() {
  [ -x "$binary" ] || { echo "demo.sh: there is no $binary; run make demo" >&2; exit 2; }
  if [ -e "$playground/remove" ]; then "$playground/remove"; fi
  if [ -e "$playground" ] && ! rmdir "$playground" 2>/dev/null; then
    echo "demo.sh: $playground is there and is no playground; set RIPCORD_PLAYGROUND to another folder" >&2
    exit 2
  fi
  mkdir -p "$playground/bin" && playground=$(cd "$playground" && pwd -P)
  cp "$binary" "$playground/bin/ripcord"
  cp "$examples/demo/ripcord" "$examples/demo/remove" "$playground/"
  (cd "$examples/shop" && CGO_ENABLED=0 go build -trimpath -o "$playground/bin/load" ./load)
  cd "$playground"
  last=$playground/last.txt listen=127.0.0.1:$(free_port 8080)
  local version
  for version in v1 v2 'v3 assets' 'v3.1 no-start' v4 'v5 crash:100' 'v6 unhealthy'; do
    # Unquoted: a version and its fault are two arguments.
    # shellcheck disable=SC2086
    "$examples/shop/build.sh" $version "${version%% *}" | sed "s|in $playground/|in |; s/^/  /"
    sed -i "s|^  listen: .*|  listen: $listen|; s|^  site: .*|  site: ../site|; s|^  watch: .*|  watch: 3s|" "${version%% *}/ripcord.yaml"
  done
}

# killed releases a version and kills ripcord as soon as it says something.
killed() {
  local version=$1 words=$2 pid status=0
  printf '\n$ ripcord release --file %s/ripcord.yaml --version %s &\n' "$version" "$version"
  : > "$last"
  ./ripcord release --file "$version/ripcord.yaml" --version "$version" < /dev/null >> "$last" 2>&1 &
  pid=$!
  for _ in {1..600}; do
    if grep -q "$words" "$last"; then break; fi
    sleep 0.05
  done
  kill -KILL "$pid"
  { wait "$pid" || status=$?; } 2>/dev/null
  grep -v ' | ' "$last" | sed 's/^/  /'
  printf '\n$ kill -9 %s\n' "$pid"
  expect 'ripcord is dead, in the middle' test "$status" = 137
}

first_release() {
  ripcord 0 story release --file v1/ripcord.yaml --version v1
  customers_come
  customers_gone
  expect 'the shop is open, and it is v1' only v1
}

good_release() {
  say 'Customers come all the time now. v2 starts beside v1, is probed, gets all traffic at once.'
  customers_come
  ripcord 0 story release --file v2/ripcord.yaml --version v2
  customers_gone
  expect 'not one request failed' none_failed
  expect 'v1 answered first, then v2' first_then v1 v2
}

failing_release() {
  say 'The assets script of v3 stops half-way; v3.1 does not even start.'
  customers_come
  ripcord 3 story release --file v3/ripcord.yaml --version v3
  ripcord 0 cause show
  expect 'the cause is told' grep -q "cp: cannot stat 'assets/hero.webp'" "$last"
  ripcord 3 story release --file v3.1/ripcord.yaml --version v3.1
  customers_gone
  expect 'not one request failed' none_failed
  expect 'everybody was on v2 all the time' only v2
  expect 'no file of v3 is left' test -z "$(find site -name 'v3*')"
}

killed_release() {
  say 'Now ripcord itself dies while it starts the instances of v4.'
  customers_come
  killed v4 'deploy-web: begins'
  ripcord 0 whole status
  expect 'v2 is last good; the release of v4 is known as interrupted' grep -q interrupted "$last"
  ripcord 0 story recover
  customers_gone
  expect 'not one request failed' none_failed
  expect 'v2 answered first, then v4' first_then v2 v4
}

crashing_release() {
  say 'v5 looks well until it has customers: each instance crashes at its 100th request.'
  customers_come
  ripcord 3 story release --file v5/ripcord.yaml --version v5
  ripcord 0 cause show
  expect 'the cause is told' grep -q 'stock of product 3 is negative' "$last"
  customers_gone
  expect 'v4 is back' less "$(counted seen.v5.to_s)" "$(counted seen.v4.to_s)"
  expect 'most requests went well all the same' test $(($(counted failed) * 4)) -lt "$(counted sent)"
}

by_hand() {
  say 'Two weeks later somebody finds wrong prices in v4.'
  customers_come
  ripcord 0 story rollback --reason 'wrong prices'
  customers_gone
  expect 'not one request failed' none_failed
  expect 'v4 answered first, then v2' first_then v4 v2
}

chapter 'A shop, built in seven versions'
prepare
say "The shop will be open on http://$listen"
chapter '1. v1: the first release'
first_release
chapter '2. v2: a release that nobody notices'
good_release
chapter '3. v3: a release that fails'
failing_release
chapter '4. v4: kill -9'
killed_release
chapter '5. v5: well at first'
crashing_release
chapter '6. Back by hand'
by_hand
chapter "All as expected, in $((SECONDS - began)) s"
cat << END
The shop is still open: http://$listen
Play with it:

  cd $playground
  ./ripcord status
  ./ripcord release --file v6/ripcord.yaml --version v6    # v6 starts, but is not healthy
  ./ripcord rollback --to v1                               # every release since v1 is taken back

Remove it, with everything that runs in it:

  $playground/remove
END
