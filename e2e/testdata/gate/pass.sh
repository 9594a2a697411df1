#!/bin/sh
# Waits at the gate, then writes site/two.
set -eu
mkdir -p site saved
if [ ! -e "saved/$RIPCORD_RUN" ]; then
  cp site/two saved/new 2>/dev/null || : > saved/new
  mv saved/new "saved/$RIPCORD_RUN"
fi
echo "$RIPCORD_VERSION" > "arrived-$RIPCORD_VERSION"
until [ -e open ] || [ -e broken ]; do sleep 0.02; done
if [ -e broken ]; then
  echo "the gate is broken" >&2
  exit 1
fi
echo "$RIPCORD_VERSION" > site/two
