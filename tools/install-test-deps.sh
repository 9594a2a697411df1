#!/usr/bin/env bash
# Makes sure that the programs which tests call are there. It installs what is
# missing where it may (root on Debian or Ubuntu), else it says what is missing
# and fails: a test that can't run is not a test that passed.
#
# usage: install-test-deps.sh [race|bench]
set -euo pipefail

# command:package
needs=(git:git ps:procps mount:mount unshare:util-linux sha256sum:coreutils haproxy:haproxy prometheus:prometheus nginx:nginx-light sshd:openssh-server sudo:sudo)
# What the tests against a real systemd boot their machines with.
machines=(debootstrap:debootstrap systemd-nspawn:systemd-container nsenter:util-linux ip:iproute2)
# Databases that health checks ask.
databases=(postgres:postgresql mariadbd:mariadb-server pg_dump:postgresql-client mariadb-dump:mariadb-client)
# A Docker engine of the tests' own; it works with iptables.
engines=(dockerd:docker.io iptables:iptables)
case "${1:-test}" in
  test) needs+=("${machines[@]}" "${databases[@]}" "${engines[@]}") ;;
  race) needs+=(gcc:gcc "${machines[@]}" "${databases[@]}" "${engines[@]}") ;;
  bench) needs+=(ansible:ansible-core) ;;
  *) echo "usage: $0 [race|bench]" >&2; exit 2 ;;
esac

commands=() packages=()
for need in "${needs[@]}"; do
  # Debian keeps servers where not everybody's PATH looks.
  PATH="$PATH:/usr/sbin:/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)" command -v "${need%%:*}" >/dev/null && continue
  commands+=("${need%%:*}")
  packages+=("${need##*:}")
done
if [ "${1:-test}" != bench ] && [ "$(id -u)" -ne 0 ]; then
  echo "some tests boot a machine with systemd or start a Docker engine, and only root may: run this as root, for example with sudo" >&2
  echo "needed besides root: ${needs[*]##*:}" >&2
  exit 1
fi
[ ${#commands[@]} -eq 0 ] && exit 0

# A C compiler without the headers of the C library builds nothing.
[[ " ${packages[*]} " == *" gcc "* ]] && packages+=(libc6-dev)

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing commands: ${commands[*]}" >&2
  echo "install them, on Debian: sudo apt-get install ${packages[*]}" >&2
  exit 1
fi
echo "installing: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
