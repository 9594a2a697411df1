#!/bin/sh
# Prints what is there, and says whether it is of this version.
cat site/two 2>/dev/null || echo nothing
test "$(cat site/two 2>/dev/null)" = "$RIPCORD_VERSION"
