# Boots one machine again and again: each line on standard input is one boot. It is
# the first process of mount and process namespaces of its own, so that nothing stays
# mounted or running when it dies.
# $1 the kept root, $2 an empty folder, $3 the machine's name; then what nspawn gets.
set -eu
root=$1 dir=$2 name=$3
shift 3
# Machines must not meet in one control group: each believes to own all below it.
for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup/memory /sys/fs/cgroup/pids /sys/fs/cgroup/cpu /sys/fs/cgroup/cpuacct; do
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
# Limits of units are to hold as on a real machine; with control groups of version 1
# the container may only read those of memory and the like, though they are its own.
cat >"$dir/upper/.boot" <<'end'
#!/bin/sh
for tree in memory pids cpu cpuacct; do
  [ ! -e "/sys/fs/cgroup/$tree" ] || mount -o remount,rw,bind "/sys/fs/cgroup/$tree"
done
exec /lib/systemd/systemd
end
chmod 755 "$dir/upper/.boot"
mount -t overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" machine "$dir/root"
on() {
  systemd-nspawn --quiet --settings=no --register=no --keep-unit --kill-signal=SIGRTMIN+3 \
    --directory="$dir/root" --machine="$name" --private-network --link-journal=no \
    --resolv-conf=off --timezone=off --console=read-only "$@" -- /.boot </dev/null
}
while read -r _; do
  while status=0 && { on "$@" || status=$?; } && [ $status -eq 133 ]; do
    echo "== the machine boots again =="
  done
  echo "== the machine is off: $status =="
done
