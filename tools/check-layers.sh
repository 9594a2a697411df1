#!/usr/bin/env bash
# Plants imports that break the layers into a throw-away copy of the house and
# fails unless the linter finds each of them, and only them. A layer rule whose
# pattern matches nothing would pass everything in silence.
#
# usage: check-layers.sh GOLANGCI_LINT
set -euo pipefail
cd "$(dirname "$0")/.."
linter=$(realpath "${1:?usage: check-layers.sh GOLANGCI_LINT}")
module=$(awk '$1 == "module" {print $2; exit}' go.mod)
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT

# file and what it imports; ~ is the module.
forbidden='
root_http.go              net/http
root_os.go                os
root_sql.go               database/sql
root_layer.go             ~/procfs
engine/up.go              ~/store/sqlite
engine/pure.go            os/exec
engine/local/up.go        ~/adapter/files
engine/local/keeper.go    ~/keeper
analysis/up.go            ~/engine
analysis/pure.go          os
analysis/kayenta/up.go    ~/analysis
planfile/up.go            ~/engine
bundle/up.go              ~/engine
store/sqlite/sideways.go  ~/store/blobs
store/sqlite/up.go        ~/engine
adapter/files/sideways.go ~/adapter/script
adapter/files/up.go       ~/engine/local
adapter/files/tests.go    ~/adapter/adaptertest/child
adapter/adaptertest/up.go ~/adapter/files
adapter/files/shim.go     ~/shim
adapter/proxy/sideways.go ~/adapter/files
adapter/proxy/dataplane/up.go ~/engine
procfs/up.go              ~/shim
shim/up.go                ~/keeper
keeper/up.go              ~/engine/local
keeper/adapter.go         ~/adapter/process
sim/up.go                 ~/app
app/up.go                 ~/cli
cli/store.go              ~/store/sqlite
cli/adapter.go            ~/adapter/files
web/sideways.go           ~/cli
cmd/ripcord/engine.go     ~/engine
app/fake.go               ~/adapter/fake
cli/log.go                log
'
allowed='
root_good.go              encoding/json
engine/good.go            ~
engine/local/good.go      ~/engine
analysis/good.go          ~
planfile/good.go          ~
bundle/good.go            ~
store/sqlite/good.go      ~
adapter/files/good.go     ~
adapter/proxy/good.go     ~/adapter/proxy/dataplane
shim/good.go              ~/procfs
keeper/good.go            ~/shim
sim/good.go               ~/engine/local
sim/fake.go               ~/adapter/fake
app/good.go               ~/store/sqlite
cli/good.go               ~/app
web/good.go               ~/app
cmd/ripcord/good.go       ~/cli
'

plant() {
  local file=$1 import=${2/#\~/$module} folder package
  # An empty package below the one that is meant, so that plants which import
  # one another make no circle.
  [[ $import == "$module"/* ]] && import+=/planted
  folder=$(dirname "$file")
  package=$([ "$folder" = . ] && basename "$module" || basename "$folder")
  mkdir -p "$house/$folder"
  printf 'package %s\n\nimport _ "%s"\n' "$package" "$import" >"$house/$file"
  # What is imported must exist.
  [[ $import == "$module"/* ]] || return 0
  folder="$house${import#"$module"}"
  mkdir -p "$folder"
  echo "package planted" >"$folder/planted.go"
}

printf 'module %s\n\ngo 1.26\n' "$module" >"$house/go.mod"
cp .golangci.yml "$house/"
while read -r file import; do
  if [ -n "$file" ]; then plant "$file" "$import"; fi
done <<<"$forbidden$allowed"

found=$(cd "$house" && "$linter" run --enable-only depguard --issues-exit-code 0 \
  --output.text.path stdout --output.text.print-issued-lines=false --show-stats=false ./... |
  sed -nE 's/^([^:]+\.go):.*\(depguard\)$/\1/p' | sort -u)
wanted=$(awk 'NF {print $1}' <<<"$forbidden" | sort -u)
if ! diff <(echo "$wanted") <(echo "$found") >"$house/diff"; then
  echo "the layer rules in .golangci.yml are wrong (< is not caught, > is caught and allowed):" >&2
  grep '^[<>]' "$house/diff" >&2
  exit 1
fi
echo "layers: $(wc -l <<<"$wanted") planted violations caught"
