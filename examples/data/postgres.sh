# shellcheck shell=bash
# The shop's orders on PostgreSQL; data.sh reads it. Customers are pgbench.

programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1) || true
PATH=$PATH:$programs:/usr/sbin

# as_server runs a program as the account that PostgreSQL may run as.
as_server() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

open_shop() {
  for program in postgres initdb pgbench psql pg_dump; do
    command -v "$program" > /dev/null || { echo "data.sh: there is no $program; on Debian: apt-get install postgresql" >&2; exit 2; }
  done
  cluster=$(mktemp -d /tmp/ripcord-demo-postgres-XXXXXX)
  port=$(free_port 15432)
  if [ "$(id -u)" = 0 ]; then chown postgres "$cluster"; fi
  as_server initdb -D "$cluster/data" -U shop -A trust -E UTF8 --locale=C > /dev/null
  as_server pg_ctl -D "$cluster/data" -w -s -l "$cluster/log" -o "-h 127.0.0.1 -p $port -c unix_socket_directories=" start
  # remove ends it with the playground.
  sed -i "s|^set -euo pipefail\$|&\n$(command -v pg_ctl > /dev/null && as_words "$cluster")|" remove
  export PGHOST=127.0.0.1 PGPORT=$port PGUSER=shop PGDATABASE=shop
  psql -qd postgres -c 'create database shop'
  psql -qc 'create table orders (id bigserial primary key, item int not null, at timestamptz not null default now())'
  echo 'insert into orders (item) values (1 + random() * 5);' > order.sql
  written=0
  for version in v1 v2 v3; do
    mkdir -p "$version"
    cp -r "$examples/data/migrations/$version" "$version/migrations"
    sed "s|@url@|postgres://shop@127.0.0.1:$port/shop|; s|@repository@|$PWD/repository|; s|@password@|$PWD/password|; s|@kind@|postgres|" "$examples/data/plan.yaml.in" > "$version/ripcord.yaml"
  done
  sed -i 's|"true"|"echo no disk left >\&2; exit 1"|' v3/ripcord.yaml
  say "PostgreSQL is on 127.0.0.1:$port"
}

# as_words is the line of the script remove that ends the server.
as_words() {
  printf '%s' "(cd /; kill -INT \\\$(head -n 1 $1/data/postmaster.pid); while [ -e $1/data/postmaster.pid ]; do sleep 0.1; done; rm -rf $1) 2>/dev/null \\|\\| true"
}

customers_order() {
  pgbench -n -c 4 -R 200 -T 600 -f order.sql > pgbench.txt 2>&1 &
  customers=$!
  sleep 1
}

# customers_stop lets pgbench end, and adds what it was told is committed.
customers_stop() {
  sleep 0.5
  kill -ALRM "$customers" # its own clock
  wait "$customers" || fail "pgbench failed: $(cat pgbench.txt)"
  customers=''
  local now
  now=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' pgbench.txt)
  sed -n 's/^number of failed transactions: \([0-9]*\).*/\1/p' pgbench.txt | grep -qx 0 || fail "orders failed: $(cat pgbench.txt)"
  written=$((written + now))
  printf '\n  customers: %s orders, none failed; %s\n' "$now" "$(grep '^latency average' pgbench.txt)"
}

orders() { psql -qAtc 'select count(*) from orders'; }
schema_is() { [ "$(psql -qAtc "select string_agg(column_name, ',' order by ordinal_position) from information_schema.columns where table_schema = 'public' and table_name in ('orders', 'addresses')")" = id,item,at,gift ]; }

# restore_backup restores in place.
restore_backup() { ripcord 0 whole backup restore orders --accept-data-loss --file v1/ripcord.yaml; }
orders_restored() { orders; }
