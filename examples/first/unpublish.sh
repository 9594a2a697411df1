#!/bin/sh
# Takes the page back, also when publish.sh stopped half-way.
set -eu
rm -f "public/$RIPCORD_VERSION.html" "public/$RIPCORD_VERSION.html.new"
if [ -d public ]; then rmdir --ignore-fail-on-non-empty public; fi
