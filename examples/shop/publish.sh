#!/bin/sh
# Publishes the assets of $RIPCORD_VERSION: SITE/assets/VERSION, and the link
# SITE/assets/current to it. What was there before is noted first, so that
# unpublish.sh finds its way from any moment.
set -eu
all=$SITE/assets
note=$all/.before-$RIPCORD_RUN
part=$all/$RIPCORD_VERSION.part
mkdir -p "$all"

if [ ! -e "$note" ]; then
  made=yes
  [ ! -e "$all/$RIPCORD_VERSION" ] || made=no
  printf '%s\n%s\n' "$made" "$(readlink "$all/current" || true)" > "$note.new"
  mv "$note.new" "$note"
fi

if [ ! -e "$all/$RIPCORD_VERSION" ]; then
  rm -rf "$part"
  mkdir "$part"
  while read -r name; do
    echo "publishing $name"
    cp "assets/$name" "$part/"
  done < assets/files.txt
  mv "$part" "$all/$RIPCORD_VERSION"
fi

# A rename replaces the link at once: no moment without one.
ln -sfn "$RIPCORD_VERSION" "$all/.current.new"
mv -T "$all/.current.new" "$all/current"
