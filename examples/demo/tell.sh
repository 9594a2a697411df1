#!/usr/bin/env bash
# What the demo's story is told with; demo.sh reads it.

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

chapter() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$*"; }

# fail ends the demo: something did not go as it must.
fail() {
  printf '\nFAILED: %s\n' "$*" >&2
  if [ -s "$last" ]; then printf 'The last command printed:\n' >&2; sed 's/^/  /' "$last" >&2; fi
  printf 'Everything lies in %s; %s/remove removes it.\n' "$playground" "$playground" >&2
  exit 1
}

# expect TEXT COMMAND...: the command must succeed.
expect() {
  local text=$1
  shift
  "$@" || fail "expected: $text"
  printf '  ok: %s\n' "$text"
}

# The trimmers show the lines that matter; the whole is in $last.
story() {
  grep --line-buffered -E '^[0-9:]+Z  (.*: (done|FAILED|back,)|.*attempt|ROLLING|committed)|^(State|Affected|Why|Next):|^back from| \| (traffic|all was well|cp: )' || true
}
cause() { sed -n '/^step .* failed/,/^$/p' | grep -v '^$' || true; }
whole() { cat; }

# quoted shows arguments as one would type them.
quoted() {
  local argument
  for argument; do
    case $argument in *' '*) printf " '%s'" "$argument" ;; *) printf ' %s' "$argument" ;; esac
  done
}

# ripcord EXIT TRIMMER ARGUMENTS...: runs it, shows both, and expects the exit code.
ripcord() {
  local want=$1 trim=$2 got=0
  shift 2
  printf '\n$ ripcord%s\n' "$(quoted "$@")"
  set +e
  timeout --foreground -k 5 180 ./ripcord "$@" < /dev/null 2>&1 | tee "$last" | "$trim" | sed -u 's/^/  /'
  got=${PIPESTATUS[0]}
  set -e
  [ "$got" = "$want" ] || fail "ripcord $1 ended with exit code $got, not $want"
  printf '  ok: exit code %s\n' "$got"
}

# customers come and gone: the load generator, and what it counted.
customers_come() {
  ./bin/load --url "http://$listen" --rate "$rate" > counts.json &
  customers=$!
  sleep 0.7
}

customers_gone() {
  sleep 0.5
  kill -TERM "$customers"
  wait "$customers" || fail 'the load generator failed'
  customers=''
  # One line for each number: .failed=0, .versions.v2=615, .seen.v2.from_s=1.2
  awk -F '"' '/{$/ {path = path $2 "."; next} /^ *}/ {sub(/[^.]*\.$/, "", path); next}
    {value = $0; sub(/^[^:]*: /, "", value); sub(/,$/, "", value); print path $2 "=" value}' counts.json > counts
  printf '\n  customers: %s requests in %.1f s, %s failed; half answered within %.1f ms, 99%% within %.1f ms\n' \
    "$(counted sent)" "$(counted seconds)" "$(counted failed)" "$(counted p50_ms)" "$(counted p99_ms)"
  local version
  for version in $(sed -n 's/^\.seen\.\(.*\)\.from_s=\(.*\)/\2 \1/p' counts | sort -g | cut -d ' ' -f 2); do
    printf '    %s answered %s, from second %.1f to %.1f\n' "$version" "$(counted "versions.$version")" \
      "$(counted "seen.$version.from_s")" "$(counted "seen.$version.to_s")"
  done
}

counted() { sed -n "s/^\.$1=//p" counts; }
less() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a + 0 < b + 0)}'; }

none_failed() { [ "$(counted sent)" -gt 100 ] && [ "$(counted failed)" = 0 ]; }
only() { [ "$(grep -c '^\.versions\.' counts)" = 1 ] && [ "$(counted "versions.$1")" -gt 0 ]; }
first_then() {
  [ "$(grep -c '^\.versions\.' counts)" = 2 ] &&
    less "$(counted "seen.$1.from_s")" "$(counted "seen.$2.from_s")" &&
    less "$(counted "seen.$1.to_s")" "$(counted "seen.$2.to_s")"
}

# free_port PORT prints one that nobody listens on: this one if it can be.
free_port() {
  local port
  for port in "$1" $(for _ in {1..50}; do echo $((18000 + RANDOM % 10000)); done); do
    if ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
  done
  fail 'found no free port'
}
