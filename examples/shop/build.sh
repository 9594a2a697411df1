#!/bin/sh
# Builds one version of the shop, ready to release:
#
#   build.sh VERSION [FAULT] FOLDER
#
# FAULT is one of: no-start (exits at once), unhealthy (starts, but /healthz
# says 503), assets (publish.sh stops half-way), crash (a minute after the first
# customer), crash:DURATION, crash:REQUESTS, errors:SHARE (of the requests fail,
# as in 0.5%), stall:SHARE (take a second longer), slow:DURATION (all do),
# leak:BYTES (for each request).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case $# in
  2) version=$1 fault='' out=$2 ;;
  3) version=$1 fault=$2 out=$3 ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
case $version in
  ''|*[!A-Za-z0-9._-]*) echo "build.sh: a version has letters, digits, dots and dashes only: $version" >&2; exit 2 ;;
esac
case $fault in
  ''|no-start|unhealthy|assets|crash|crash:*|errors:*|stall:*|slow:*|leak:*) ;;
  *) echo "build.sh: unknown fault: $fault" >&2; exit 2 ;;
esac

offer=''
[ "$version" = v1 ] || offer="New in $version: free gift wrapping"
mkdir -p "$out/bin"
out=$(cd "$out" && pwd)
(cd "$here" && CGO_ENABLED=0 go build -trimpath \
  -ldflags "-s -w -X main.version=$version -X main.fault=$fault -X 'main.offer=$offer'" -o "$out/bin/shop.new" .)
mv "$out/bin/shop.new" "$out/bin/shop"

rm -rf "$out/assets"
cp -R "$here/assets" "$out/assets"
if [ "$version" != v1 ]; then
  colour=$(printf %s "$version" | cksum | cut -d ' ' -f 1)
  sed -i "s/#1f6feb/hsl($((colour % 360)) 70% 40%)/" "$out/assets/style.css"
fi
# The fault of the assets: the list names a picture that nobody added.
if [ "$fault" = assets ]; then printf 'logo.svg\nstyle.css\nhero.webp\nrobots.txt\n' > "$out/assets/files.txt"; fi
if [ "$out" != "$here" ]; then
  cp "$here/publish.sh" "$here/unpublish.sh" "$here/published.sh" "$here/shop.json.tmpl" "$here/ripcord.yaml" "$here/canary.yaml" "$out/"
fi
echo "built $version${fault:+ ($fault)} in $out"
