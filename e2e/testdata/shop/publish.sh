#!/bin/sh
# Publishes three assets. What was there is kept for unpublish.sh, once a release.
set -eu
mkdir -p saved
if [ ! -e "saved/$RIPCORD_RUN" ]; then
  rm -rf saved/new
  mkdir saved/new
  cat site/current 2>/dev/null > saved/new/current || true
  if [ -d site/assets ]; then cp -a site/assets saved/new/; fi
  mv saved/new "saved/$RIPCORD_RUN"
fi
mkdir -p site/assets
for name in a b c; do
  if [ "$name" = c ] && [ -e stumble ]; then echo "stumbled over $name" >&2; exit 1; fi
  echo "$RIPCORD_VERSION $name" > "site/assets/$name"
done
