#!/bin/sh
# Publishes a page that names the version.
set -eu
mkdir -p public
echo "Hello from $RIPCORD_VERSION" > "public/$RIPCORD_VERSION.html.new"
mv "public/$RIPCORD_VERSION.html.new" "public/$RIPCORD_VERSION.html"
