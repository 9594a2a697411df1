# Boots one machine again and again: each line on standard input is one boot. It is
# the first process of mount and process namespaces of its own, so that nothing stays
# mounted or running when it dies.
# $1 the kept root, $2 an empty folder, $3 the machine's name; then what nspawn gets.
set -eu
root=$1 dir=$2 name=$3
shift 3
# Machines must not meet in one control group: each believes to own all below it.
for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  [ -e "$tree/cgroup.procs" ] || continue
  mkdir "$tree/$name"
  echo $$ >"$tree/$name/cgroup.procs"
done
mount -t tmpfs -o mode=755 machine "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
# No test needs what systemd's generators make, and each reload would run them all.
mkdir -p "$dir/upper/etc/systemd/system-generators"
for generator in "$root"/lib/systemd/system-generators/*; do
  ln -s /dev/null "$dir/upper/etc/systemd/system-generators/${generator##*/}"
done
mount -t overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" machine "$dir/root"
on() {
  systemd-nspawn --quiet --settings=no --register=no --keep-unit --boot \
    --directory="$dir/root" --machine="$name" --private-network --link-journal=no \
    --resolv-conf=off --timezone=off --console=read-only "$@" </dev/null
}
while read -r _; do
  while status=0 && { on "$@" || status=$?; } && [ $status -eq 133 ]; do
    echo "== the machine boots again =="
  done
  echo "== the machine is off: $status =="
done
