#!/bin/sh
# Prints what is published, and says whether this version is: 0 yes, 1 no.
if [ -d public ]; then (cd public && grep -r . .); fi
test -e "public/$RIPCORD_VERSION.html"
