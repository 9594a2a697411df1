#!/bin/sh
# Shows what is published, for a comparison before and after, and says whether
# $RIPCORD_VERSION is: 0 yes, 1 no, 2 partly.
set -eu
all=$SITE/assets
[ -d "$all" ] || { echo "current: "; exit 1; }
cd "$all"
current=$(readlink current || true)
echo "current: $current"
find . -mindepth 2 -type f -exec sha256sum {} + | sort -k 2
[ ! -e "$RIPCORD_VERSION.part" ] || exit 2
if [ "$current" = "$RIPCORD_VERSION" ] && [ -d "$RIPCORD_VERSION" ]; then exit 0; fi
if [ -d "$RIPCORD_VERSION" ]; then exit 2; fi
exit 1
