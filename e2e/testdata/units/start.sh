#!/bin/sh
# Starts the service, or the version that needs more memory than it may have.
if [ "$RIPCORD_VERSION" = hungry ]; then
  head -c 200M /dev/zero | tail
  exit
fi
exec "${0%/*}/service" "$@"
