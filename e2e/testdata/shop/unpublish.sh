#!/bin/sh
# Puts back what publish.sh has kept.
set -eu
if [ ! -e "saved/$RIPCORD_VERSION" ]; then exit 0; fi
rm -rf site/assets
if [ -d "saved/$RIPCORD_VERSION/assets" ]; then mkdir -p site && cp -a "saved/$RIPCORD_VERSION/assets" site/; fi
