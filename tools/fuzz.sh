#!/usr/bin/env bash
# Runs every native fuzz target of the repository for a while, one after another.
#
# usage: fuzz.sh DURATION
set -euo pipefail
duration=${1:?usage: fuzz.sh DURATION, for example 10s}

targets=$(grep -rnE --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|^(.*)/[^/]*_test\.go:[0-9]+:func (.*)$|\1 \2|')
[ -n "$targets" ] || { echo "there is no fuzz target" >&2; exit 1; }
while read -r folder target; do
  echo "fuzz $folder $target $duration"
  CGO_ENABLED=0 go test -run '^$' -fuzz "^${target}\$" -fuzztime "$duration" "$folder"
done <<<"$targets"
