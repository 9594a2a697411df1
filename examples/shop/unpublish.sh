#!/bin/sh
# Takes back what publish.sh did, as far as it came. It may be repeated.
set -eu
all=$SITE/assets
note=$all/.before-$RIPCORD_RUN
rm -f "$note.new" "$all/.current.new"
drop_empty() {
  for dir in "$all" "$SITE"; do
    [ ! -d "$dir" ] || rmdir --ignore-fail-on-non-empty "$dir"
  done
}
[ -e "$note" ] || { drop_empty; exit 0; }

{ read -r made; read -r before || true; } < "$note"
if [ -n "$before" ]; then
  ln -sfn "$before" "$all/.current.new"
  mv -T "$all/.current.new" "$all/current"
else
  rm -f "$all/current"
fi
rm -rf "$all/$RIPCORD_VERSION.part"
if [ "$made" = yes ]; then rm -rf "${all:?}/$RIPCORD_VERSION"; fi
rm -f "$note"
drop_empty
