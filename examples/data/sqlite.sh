# shellcheck shell=bash
# The shop as it is, with its orders in SQLite; data.sh reads it. Customers buy at its
# web pages.

open_shop() {
  (cd "$examples/shop" && CGO_ENABLED=0 go build -trimpath -o "$playground/bin/load" ./load)
  listen=127.0.0.1:$(free_port 8084)
  local version
  for version in v0 v1 v2 v3; do
    "$examples/shop/build.sh" "$version" $([ "$version" != v3 ] || echo unhealthy) "$version" | sed 's/^/  /'
    [ -d "$examples/data/migrations/$version" ] || continue
    cp -r "$examples/data/migrations/$version" "$version/migrations"
    cp "$examples/data/shop.yaml" "$version/ripcord.yaml"
  done
  sed -i "s|^  listen: .*|  listen: $listen|; s|^  site: .*|  site: ../site|; s|^  watch: .*|  watch: 2s|" v?/ripcord.yaml
  say 'v0 of the shop makes its database.'
  ripcord 0 data_story release --file v0/ripcord.yaml --version v0
  written=0
}

customers_order() {
  ./bin/load --url "http://$listen" --rate 100 --posts 0.5 > counts.json &
  customers=$!
  sleep 1
}

# customers_stop adds the orders that somebody was told of.
customers_stop() {
  sleep 0.5
  kill -TERM "$customers"
  wait "$customers" || fail 'the load generator failed'
  customers=''
  local sent bad
  sent=$(sed -n 's/^ *"posts": \([0-9]*\).*/\1/p' counts.json)
  bad=$(sed -n 's/^ *"failed": \([0-9]*\).*/\1/p' counts.json)
  [ "$bad" = 0 ] || fail "$bad requests failed"
  written=$((written + sent))
  printf '\n  customers: %s orders, no request failed\n' "$sent"
}

orders() { ./v0/bin/shop --site site --count | cut -d ' ' -f 1; }
schema_is() { [ "$(./v0/bin/shop --site site --count | cut -d ' ' -f 2)" = id,at,product,quantity,gift ]; }

# restore_backup restores in place, while the shop is open: its programs see what is
# restored with their next question.
restore_backup() { ripcord 0 whole backup restore orders --accept-data-loss --file v1/ripcord.yaml; }
orders_restored() { orders; }
