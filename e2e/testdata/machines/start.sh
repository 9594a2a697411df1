#!/bin/sh
# Starts the service, unless this machine is not fit for the version.
if [ -e "/srv/unfit-$RIPCORD_VERSION" ]; then
  echo "this machine has no licence for $RIPCORD_VERSION" >&2
  exit 1
fi
exec "${0%/*}/program" "$@"
