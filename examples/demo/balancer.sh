#!/usr/bin/env bash
# The balancers of canary.sh. HAProxy and nginx run from a copy in the playground,
# so that the playground's remove finds them.

# balancer_setting is the sed command that puts the balancer into a plan file.
balancer_setting() {
  case $balancer in
    proxy) ;;
    haproxy) echo "s|^  front: .*|  front: {haproxy: {socket: $playground/haproxy.sock, backend: shop, config: $playground/haproxy.cfg}}|" ;;
    nginx) echo "s|^  front: .*|  front: {nginx: {include: $playground/ripcord-shop.conf, upstream: shop, config: $playground/nginx.conf, program: \"$playground/bin/nginx -p $playground\", log: $playground/ripcord.log}}|" ;;
  esac
}

start_balancer() {
  case $balancer in
    proxy) return ;;
    haproxy) configure_haproxy ;;
    nginx) configure_nginx ;;
  esac
  for _ in {1..2000}; do
    if (exec 3<> "/dev/tcp/${listen%:*}/${listen##*:}") 2>/dev/null; then return; fi
    sleep 0.05
  done
  fail "$balancer does not listen on $listen; see $playground/balancer.log"
}

# program copies a balancer of this machine into the playground.
program() {
  local found
  found=$(PATH="$PATH:/usr/sbin:/sbin" command -v "$1") ||
    fail "there is no $1 on this machine: apt-get install $1"
  cp "$found" "bin/$1"
}

configure_haproxy() {
  program haproxy
  sed "s|/run/haproxy/admin.sock mode 660|$playground/haproxy.sock mode 600|; s|127.0.0.1:8080|$listen|; /server app1/d" \
    "$examples/haproxy/haproxy.cfg" > haproxy.cfg
  setsid ./bin/haproxy -W -f haproxy.cfg > balancer.log 2>&1 < /dev/null &
}

configure_nginx() {
  program nginx
  # Until the first release nobody answers.
  echo 'upstream shop { server 127.0.0.1:9; }' > ripcord-shop.conf
  sed "s|PLAYGROUND|$playground|g; s|127.0.0.1:8080|$listen|" "$examples/nginx/nginx.conf" > nginx.conf
  setsid ./bin/nginx -p "$playground" -c "$playground/nginx.conf" > balancer.log 2>&1 < /dev/null &
}

# Before version 1.27.4 nginx closes a few kept connections at a reload, so that a
# request may stay without an answer. The others lose none.
most_lost() { if [ "$balancer" = nginx ]; then echo 'hardly any'; else echo 'no'; fi; }
few_lost() {
  if [ "$balancer" = nginx ]; then [ $(($(counted failed) * 500)) -lt "$(counted sent)" ]; else none_failed; fi
}
