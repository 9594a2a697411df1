# ripcord: what runs commands on another machine so that they, and how they ended,
# are found again. Arguments: PROGRAM MODE STEP NAME FENCE GRACE LIMIT FOLDER [WORD...].
# PROGRAM is this text, STEP the folder of a step below ~/.ripcord/commands, NAME one
# execution of it, which ends in a dot so that no name begins with another.
program=$1 mode=$2 step=$3 name=$4 fence=$5 grace=$6 limit=$7 folder=$8
shift 8
base=$HOME/.ripcord/commands/$step dir=$HOME/.ripcord/commands/$step/$name
umask 077
say() { printf 'ripcord-shim: %s\n' "$2" >&2; exit "$1"; }
# began PID sets ticks to when a process began, in the kernel's ticks.
began() {
  ticks=''
  read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ ticks _ 2>/dev/null <"/proc/$1/stat"
}
read -r boot </proc/sys/kernel/random/boot_id
# marked DIR lists the processes that descend from an execution's shim, but not
# those of our own session.
marked() {
  grep -lF "RIPCORD_SHIM=$1" /proc/[0-9]*/environ 2>/dev/null | while read -r environ; do
    pid=${environ#/proc/} pid=${pid%/environ}
    read -r _ _ state _ _ session _ 2>/dev/null <"/proc/$pid/stat" || continue
    [ "$session" = $$ ] || [ "$state" = Z ] || echo "$pid"
  done
}
# alive DIR: its shim lives, or is just being started.
alive() {
  if read -r pid start at 2>/dev/null <"$1/shim"; then
    [ "$at" = "$boot" ] && began "$pid" && [ "$ticks" = "$start" ]
  else
    [ -n "$(marked "$1")" ]
  fi
}
# end GROUP DIR: TERM, then KILL after the grace, also to who left the group.
end() {
  kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1" 2>/dev/null
  turn=0
  while kill -0 -- "-$1" 2>/dev/null && [ "$turn" -lt $((grace * 10)) ]; do
    sleep 0.1
    turn=$((turn + 1))
  done
  kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1" 2>/dev/null
  sweep "$2"
}
sweep() {
  turn=0
  while left=$(marked "$1") && [ -n "$left" ] && [ "$turn" -lt 50 ]; do
    for pid in $left; do kill -s KILL "$pid" 2>/dev/null; done
    turn=$((turn + 1))
    [ "$turn" = 1 ] || sleep 0.1
  done
}
# result CODE CANCELLED TIMEDOUT STARTED writes down how it ended, durably.
result() {
  echo "$1 ${2:-0} ${3:-0} $4 $(date +%s)" >exit.tmp && { sync exit.tmp 2>/dev/null || sync; } && mv -f exit.tmp exit
}
# halt DIR stops an execution and returns when nothing of it runs.
halt() (
  cd "$1" || exit
  turn=0
  while alive "$1" && [ ! -e exit ] && [ "$turn" -lt $((grace * 5 + 50)) ]; do
    read -r pid _ <shim && kill -s TERM "$pid" 2>/dev/null
    turn=$((turn + 1))
    [ "$turn" = 1 ] && sleep 0.05 || sleep 0.2
  done
  if [ ! -e exit ]; then
    alive "$1" && read -r pid _ <shim && kill -s KILL "$pid" 2>/dev/null
    sweep "$1"
    [ -e exit ] || result 137 1 0 "$(date +%s)"
  fi
)
claim() {
  if read -r newest 2>/dev/null <"$base/fence" && [ "$newest" -gt "$fence" ]; then say 70 "a newer executor is in charge"; fi
  echo "$fence" >"$base/fence.$$" && mv -f "$base/fence.$$" "$base/fence"
}
supervise() { # in a session of its own; the words are the command
  cd "$dir" || exit
  stopped='' late=''
  trap 'stopped=1' TERM
  trap 'late=1' USR1
  trap '' HUP INT
  began $$
  echo "$$ $ticks $boot" >shim # who reads it half-written finds us by our environment
  started=$(date +%s)
  (
    trap - TERM USR1 HUP INT
    cd -- "$folder" && exec setsid "$@"
  ) </dev/null >output 2>&1 &
  child=$!
  echo "$child" >child
  if [ "$limit" -gt 0 ]; then
    (
      trap - TERM USR1
      sleep "$limit"
      while kill -s USR1 $$; do sleep 1; done
    ) >/dev/null 2>&1 &
  fi
  if [ -z "$stopped$late" ]; then
    wait "$child"
    code=$?
  fi
  if [ -n "$stopped$late" ]; then
    end "$child" "$dir"
    wait "$child"
    again=$?
    [ "$again" = 127 ] || code=$again
  fi
  result "$code" "$stopped" "$late" "$started"
  kill -s KILL -- "-$$"
}
# follow OFFSET passes on what the execution prints, and then how it ended.
follow() {
  cd "$dir" 2>/dev/null || say 74 "it was never started"
  offset=$1 pause=0.02
  while :; do
    living='' ended=''
    alive "$dir" && living=1
    [ -e exit ] && ended=1
    size=0
    [ ! -s output ] || size=$(wc -c <output)
    if [ "$size" -gt "$offset" ]; then
      tail -c "+$((offset + 1))" output | head -c "$((size - offset))"
      offset=$size
    fi
    if [ -n "$ended" ]; then
      read -r ended <exit
      printf 'ripcord-exit: %s\n' "$ended" >&2
      [ ! -s ../outputs ] || head -c 1048577 ../outputs >&2
      exit 0
    fi
    if [ -z "$living" ]; then
      read -r group 2>/dev/null <child && [ ! -e exit ] && read -r _ _ at <shim && [ "$at" = "$boot" ] && kill -s KILL -- "-$group" 2>/dev/null
      sweep "$dir"
      [ -e exit ] || say 73 "who looked after it is gone"
    fi
    sleep "$pause"
    case $pause in 0.02) pause=0.05 ;; 0.05) pause=0.1 ;; *) pause=0.25 ;; esac
  done
}
case $mode in
  run)
    mkdir -p "$base" || say 71 "no folder can be made there"
    claim
    case $folder in '') folder=$HOME ;; esac
    (cd -- "$folder") 2>/dev/null || say 72 "its folder $folder cannot be entered"
    (cd -- "$folder" && command -v "$1" >/dev/null) || say 72 "there is no program $1"
    for other in "$base"/*.; do
      [ "$other" = "$dir" ] || [ ! -d "$other" ] || [ -e "$other/exit" ] || halt "$other"
    done
    if mkdir "$dir" 2>/dev/null; then
      : >"$base/outputs"
      export RIPCORD_OUTPUT="$base/outputs" RIPCORD_SHIM="$dir"
      setsid /bin/sh -c 'eval "$1"' sh "$program" supervise "$step" "$name" "$fence" "$grace" "$limit" "$folder" "$@" </dev/null >/dev/null 2>&1 &
      unset RIPCORD_SHIM
      turn=0
      while [ ! -e "$dir/shim" ] && kill -0 $! 2>/dev/null && [ "$turn" -lt 200 ]; do
        sleep 0.01
        turn=$((turn + 1))
      done
    fi
    follow 0
    ;;
  supervise) supervise "$@" ;;
  resume)
    [ -d "$dir" ] || say 74 "it was never started"
    claim
    follow "$1"
    ;;
  stop)
    [ -d "$dir" ] || say 74 "it was never started"
    claim
    halt "$dir"
    follow "$1"
    ;;
  check)
    for other in "$base"/*.; do
      [ ! -d "$other" ] || [ -e "$other/exit" ] || ! alive "$other" || say 125 "a command of the step still runs"
    done
    case $folder in '') folder=$HOME ;; esac
    cd -- "$folder" 2>/dev/null || say 125 "its folder $folder cannot be entered"
    exec "$@"
    ;;
  place) mkdir -p "$base/files" && cd "$base/files" && mkdir -p -- "$@" && pwd ;;
  clean)
    for other in "$base"/*.; do
      [ ! -d "$other" ] || [ -e "$other/exit" ] || ! alive "$other" || say 76 "a command of the step still runs"
    done
    rm -rf -- "$base"
    rmdir "$HOME/.ripcord/commands" "$HOME/.ripcord" 2>/dev/null || :
    ;;
esac
