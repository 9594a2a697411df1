#!/usr/bin/env bash
# Releases migrations of a database under load: one that is well, one that fails
# half-way, and one whose release fails later. Each time it counts what customers have
# written, and that none of it is lost. Then it restores a backup, and counts what that
# loses against what was said before.
#
#   data.sh sqlite|postgres [RIPCORD]
#
# The playground is ./playground-DATABASE, or $RIPCORD_PLAYGROUND; an earlier one is
# removed. PostgreSQL is that of this machine; a server is started for this.
set -euo pipefail
kind=${1:-sqlite}
case $kind in sqlite | postgres) ;; *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
playground=${RIPCORD_PLAYGROUND:-playground-$kind}
for name in "${!RIPCORD_@}"; do unset "$name"; done
examples=$(cd "$(dirname "$0")" && pwd)
binary=${2:-$examples/../bin/ripcord}
began=$SECONDS customers='' last=/dev/null
# shellcheck source=examples/demo/tell.sh
. "$examples/demo/tell.sh"
# shellcheck source=examples/data/sqlite.sh
. "$examples/data/$kind.sh"
trap '[ -z "$customers" ] || kill "$customers" 2>/dev/null || true' EXIT

prepare() {
  [ -x "$binary" ] || { echo "data.sh: there is no $binary; run make" >&2; exit 2; }
  if [ -e "$playground/remove" ]; then "$playground/remove"; fi
  if [ -e "$playground" ] && ! rmdir "$playground" 2>/dev/null; then
    echo "data.sh: $playground is there and is no playground; set RIPCORD_PLAYGROUND to another folder" >&2
    exit 2
  fi
  mkdir -p "$playground/bin" && playground=$(cd "$playground" && pwd -P)
  cp "$binary" "$playground/bin/ripcord"
  cp "$examples/demo/ripcord" "$examples/demo/remove" "$playground/"
  cd "$playground"
  last=$playground/last.txt
  echo "a password that is kept elsewhere as well" > password
  chmod 600 password
  open_shop
}

# release EXIT FOLDER: releases it while customers order.
release() {
  customers_order
  ripcord "$1" data_story release --file "$2/ripcord.yaml" --version "$2"
  customers_stop
  expect "all $written orders that customers were told of are there" test "$(orders)" = "$written"
}
data_story() {
  grep --line-buffered -E '^[0-9:]+Z  (.*: (done|FAILED|back,)|ROLLING|committed)|^(State|Affected|Why|Next):| \| ' || true
}

restored() {
  ripcord 0 whole backup run orders --file v1/ripcord.yaml
  ripcord 0 whole backup verify --restore --file v1/ripcord.yaml
  say 'More orders, which no backup has.'
  local before=$written
  customers_order
  sleep 2
  customers_stop
  local more=$((written - before))
  ripcord 7 whole backup diff orders --file v1/ripcord.yaml
  expect "it says that $more rows of orders would be lost" grep -qE "(^|[^0-9])$more([^0-9]|\$)" "$last"
  ripcord 6 whole backup restore orders --file v1/ripcord.yaml
  expect 'nothing is restored without a word' test "$(orders)" = "$written"
  restore_backup
  expect "exactly those $more are not in it" test "$(orders_restored)" = "$before"
}

chapter "A shop on $kind, and its orders"
prepare
chapter '1. v1: a table gets a column'
release 0 v1
chapter '2. v2: the migration fails in its third of five statements'
release 3 v2
expect 'the schema is the one of v1' schema_is v1
chapter '3. v3: the migration is well, the release is not'
release 3 v3
expect 'the schema is the one of v1' schema_is v1
chapter '4. A backup that was restored'
restored
chapter "All as expected, in $((SECONDS - began)) s"
cat << END
Play with it:

  cd $playground
  ./ripcord plan --file v3/ripcord.yaml --version v3
  ./ripcord backup list --file v1/ripcord.yaml

Remove it, with everything that runs in it:

  $playground/remove
END
