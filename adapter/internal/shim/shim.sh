# ripcord: what runs commands on another machine so that they, and how they ended,
# are found again. Arguments: PROGRAM MODE STEP NAME FENCE GRACE LIMIT FOLDER [WORD...].
# PROGRAM is this text, STEP the folder of a step below ~/.ripcord/commands, NAME one
# execution of it, which ends in a dot so that no name begins with another.
program=$1 mode=$2 step=$3 name=$4 fence=$5 grace=$6 limit=$7 folder=$8
shift 8
base=$HOME/.ripcord/commands/$step
dir=$base/$name
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
# over DIR: how it ended is known. A line without its end was not written to it.
over() { read -r ended 2>/dev/null <"$1/exit"; }
# result CODE CANCELLED TIMEDOUT STARTED writes down how it ended, durably.
result() {
  read -r now _ </proc/uptime
  dd of=exit conv=fsync 2>/dev/null <<END || { echo "$1 ${2:-0} ${3:-0} $4 $now" >exit && sync; }
$1 ${2:-0} ${3:-0} $4 $now
END
}
# halt DIR stops an execution and returns when nothing of it runs.
halt() (
  cd "$1" || exit
  turn=0
  while alive "$1" && ! over . && [ "$turn" -lt $((grace * 5 + 50)) ]; do
    read -r pid _ <shim && kill -s TERM "$pid" 2>/dev/null
    turn=$((turn + 1))
    [ "$turn" = 1 ] && sleep 0.05 || sleep 0.2
  done
  if ! over .; then
    alive "$1" && read -r pid _ <shim && kill -s KILL "$pid" 2>/dev/null
    sweep "$1"
    read -r now _ </proc/uptime
    over . || result 137 1 0 "$now"
  fi
)
# claim: the newest executor's fence is the file with the highest number.
claim() {
  : >"$base/fence.$fence"
  for other in "$base"/fence.*; do
    [ "${other##*.}" -le "$fence" ] || say 70 "a newer executor is in charge"
  done
}
# open DIR: it was started, and how it ended is not known.
open() { [ -e "$1/begun" ] && ! over "$1"; }
supervise() { # in a session of its own; the words are the command
  cd "$dir" || exit
  stopped='' late=''
  trap 'stopped=1' TERM
  trap 'late=1' USR1
  trap '' HUP INT
  began $$
  echo "$$ $ticks $boot" >shim # who reads it half-written finds us by our environment
  read -r started _ </proc/uptime
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
# pass passes on what the execution has printed since the last time.
pass() {
  [ -s output ] || return 0
  size=$(wc -c <output)
  [ "$size" -gt "$offset" ] || return 0
  if [ "$offset" = 0 ]; then
    head -c "$size" output
  else
    tail -c "+$((offset + 1))" output | head -c "$((size - offset))"
  fi
  offset=$size
}
# finish tells how the execution ended, and how long this machine runs now: its clock
# is not to be relied on.
finish() {
  pass
  now=0
  read -r _ _ at 2>/dev/null <shim && [ "$at" = "$boot" ] && read -r now _ </proc/uptime
  printf 'ripcord-exit: %s\n' "$ended $now" >&2
  [ ! -s ../outputs ] || head -c 1048577 ../outputs >&2
  exit 0
}
# attend waits for a shim that is our child; SIGUSR1 says when to look at its output.
attend() {
  cd "$dir" || exit
  offset=0 looked=''
  trap 'looked=1' USR1
  while :; do
    wait "$1"
    woken=$looked looked=''
    if over .; then finish; fi
    [ -n "$woken" ] || break
    pass
  done
  follow "$offset"
}
# follow OFFSET passes on what the execution prints, and then how it ended.
follow() {
  cd "$dir" 2>/dev/null || say 74 "it was never started"
  offset=$1 pause=0.02
  while :; do
    living=''
    alive "$dir" && living=1
    if over .; then finish; fi
    pass
    if [ -z "$living" ]; then
      read -r group 2>/dev/null <child && ! over . && read -r _ _ at <shim && [ "$at" = "$boot" ] && kill -s KILL -- "-$group" 2>/dev/null
      sweep "$dir"
      over . || say 73 "who looked after it is gone"
    fi
    sleep "$pause"
    case $pause in 0.02) pause=0.05 ;; 0.05) pause=0.1 ;; *) pause=0.25 ;; esac
  done
}
case $mode in
  run)
    [ -d "$dir" ] || mkdir -p "$dir" || say 71 "no folder can be made there"
    claim
    case $folder in '') folder=$HOME ;; esac
    cd -- "$folder" 2>/dev/null || say 72 "its folder $folder cannot be entered"
    command -v "$1" >/dev/null || say 72 "there is no program $1"
    for other in "$base"/*.; do
      [ "$other" = "$dir" ] || ! open "$other" || halt "$other"
    done
    set -C # only one can make the file
    if printf '' 2>/dev/null >"$dir/begun"; then
      set +C
      : >"$base/outputs"
      export RIPCORD_OUTPUT="$base/outputs" RIPCORD_SHIM="$dir"
      setsid /bin/sh -c 'eval "$1"' sh "$program" supervise "$step" "$name" "$fence" "$grace" "$limit" "$folder" "$@" </dev/null >/dev/null 2>&1 &
      unset RIPCORD_SHIM
      attend $!
    fi
    set +C
    follow 0
    ;;
  supervise) supervise "$@" ;;
  resume)
    [ -e "$dir/begun" ] || say 74 "it was never started"
    claim
    follow "$1"
    ;;
  stop)
    [ -e "$dir/begun" ] || say 74 "it was never started"
    claim
    halt "$dir"
    follow "$1"
    ;;
  check)
    for other in "$base"/*.; do
      ! open "$other" || ! alive "$other" || say 125 "a command of the step still runs"
    done
    case $folder in '') folder=$HOME ;; esac
    cd -- "$folder" 2>/dev/null || say 125 "its folder $folder cannot be entered"
    exec "$@"
    ;;
  place) mkdir -p "$base/files" && cd "$base/files" && mkdir -p -- "$@" && pwd ;;
  clean)
    for other in "$base"/*.; do
      ! open "$other" || ! alive "$other" || say 76 "a command of the step still runs"
    done
    rm -rf -- "$base"
    set -- "$HOME/.ripcord/commands"/*
    [ -e "$1" ] || rmdir "$HOME/.ripcord/commands" "$HOME/.ripcord" 2>/dev/null || :
    ;;
esac
