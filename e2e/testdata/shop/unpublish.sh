#!/bin/sh
# Puts back what publish.sh has kept.
set -eu
if [ ! -e "saved/$RIPCORD_RUN" ]; then exit 0; fi
rm -rf site/assets
if [ -d "saved/$RIPCORD_RUN/assets" ]; then mkdir -p site && cp -a "saved/$RIPCORD_RUN/assets" site/; fi
