#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers in the background: run -d, ps, logs, start, stop, rm, port, and
# that records stay true whatever is killed, full, foreign, or done twenty
# times at once.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
STORE=$RUNTIME/podsplice/containers

# field NAME EXPR: of its row in ps --json, as `c`
field()
{
	as_user "$PODSPLICE" ps -a --json | "$PY" -c '
import json, sys
rows = [c for c in json.load(sys.stdin)["containers"] if c["name"] == sys.argv[1]]
c = rows[0] if rows else {}
print(eval(sys.argv[2]))' "$1" "$2"
}

state_of()
{
	field "$1" 'c.get("state"), c.get("exit_code")'
}

is_in() # NAME "STATE": e.g. "('exited', 0)"
{
	[ "$(state_of "$1")" = "$2" ]
}

# supervisor NAME, init NAME: its pids
supervisor()
{
	field "$1" 'c["supervisor"]'
}

init()
{
	field "$1" 'c["pid"]'
}

none_left()
{
	[ -z "$(as_user "$PODSPLICE" ps -aq)" ]
}

# A server in the background
mkdir -m 755 "$WORK/www"
echo 'served from the background' >"$WORK/www/index.html"
chmod 644 "$WORK/www/index.html"
verb run -d --name web -p 8080:80 -p 127.0.0.1:0:81 -w "$WORK/www" -- \
	"$PY" -u -m http.server 80
is "$STATUS|$OUT|$ERR" '0|web|' 'run -d prints the name'
wait_for 20 in_peer curl -so /dev/null "http://$HOST4:8080/"
is "$(in_peer curl -s "http://$HOST4:8080/")" 'served from the background' \
	'its port is served to another host'
has_log()
{
	as_user "$PODSPLICE" logs web 2>&1 | grep -q "$1"
}
check "its log has the client's address" \
	wait_for 10 has_log "$PEER4 .*GET / "
verb ps
like "$OUT" 'web +running +[0-9]+ .*\*:8080->80/tcp, 127.0.0.1:[1-9][0-9]*->81/tcp .*python3' \
	'ps shows it'
verb port web -l --json
is "$(printf '%s' "$OUT" | "$PY" -c '
import json, sys
j = json.load(sys.stdin)
print([(p["id"], p["proto"], p["host_addr"], p["pod_addr"], p["pod_port"],
        p["source"], p["count"]) for p in j["ports"]],
      j["ports"][0]["host_port"], j["ports"][1]["host_port"] > 0, j["schema"])')" \
	"[(1, 'tcp', '::', '10.0.2.100', 80, 'keep', 1), (2, 'tcp', '127.0.0.1', '10.0.2.100', 81, 'keep', 1)] 8080 True 1" \
	'port lists what is published'
verb port web
like "$OUT" 'tcp +:: +8080 +10.0.2.100 +80' '... also for people'
verb stats web
like "$STATUS $OUT" '^0 PATH' 'stats finds it by its name'
verb flows web
like "$STATUS $OUT" '^0 DIRECTION' 'flows, too'
verb run -d --name web -- true
is "$STATUS $ERR" \
	'125 podsplice: web: a container of that name is running (take another name)' \
	'its name is taken'
SUP=$(supervisor web)
is "$(ps -o tty=,ppid= -p "$SUP" | tr -s ' ')" "? $(ps -o ppid= -p "$SUP" | tr -d ' ')" \
	'its supervisor has no terminal'
is "$(ps -o sid= -p "$SUP" | tr -d ' ')" "$SUP" '... and leads a session'
is "$(find /proc/"$SUP"/fd -lname '*fg.out' -o -lname '*fg.log')" '' \
	"... and holds nothing of the caller's"
verb stop web
is "$STATUS|$OUT|$ERR" '0|web|' 'stop'
is "$(state_of web)" "('exited', 143)" '... by SIGTERM'
verb stop web
is "$STATUS|$OUT|$ERR" '0|web|' 'stop of one that has ended is fine'
verb ps
unlike "$OUT" web 'ps shows those that run'
verb ps -aq
is "$OUT" web 'ps -a shows all'
verb port web
is "$STATUS $ERR" '125 podsplice: web: not running (podsplice start web)' \
	'port of one that has ended'
verb run -d --name web -- true
is "$STATUS $ERR" \
	'125 podsplice: web: there is an ended container of that name (podsplice rm web)' \
	'its name stays taken'
verb start web
is "$STATUS|$OUT|$ERR" '0|web|' 'start'
wait_for 20 in_peer curl -so /dev/null "http://$HOST4:8080/"
is "$(in_peer curl -s "http://$HOST4:8080/")" 'served from the background' \
	'... with its ports and its directory'
is "$(as_user "$PODSPLICE" logs --helper web)" '' '... and has nothing to say of itself'
verb start web
is "$STATUS|$OUT|$ERR" '0|web|' 'start of one that runs is fine'
verb rm web
is "$STATUS $ERR" \
	'125 podsplice: web: is running (podsplice stop web, or rm -f)' \
	'rm of one that runs is refused'
verb rm -f web
is "$STATUS|$OUT|$ERR" '0|web|' 'rm -f'
verb rm web
is "$STATUS $ERR" '125 podsplice: web: no such container (podsplice ps -a)' \
	'rm of one that is not there'
verb rm -f web
is "$STATUS $ERR" '0 ' '... is fine with -f'
leftovers 'a server'

# Starts that fail: one line, nothing left
verb run -d -- nosuchcommand
is "$STATUS|$OUT|$ERR" '125||podsplice: nosuchcommand: not found' \
	'a command that is not there'
verb run -d --rootfs /nonexistent -- true
like "$STATUS|$OUT|$ERR" '^125\|\|podsplice: [^[:cntrl:]]*nonexistent[^[:cntrl:]]*$' \
	'a root that is not there'
spawn taken "${IN_HOST[@]}" "$PY" "$T/net.py" serve 8081
wait_port host 8081
verb run -d -p 8081:80 -- true
like "$STATUS|$OUT|$ERR" '^125\|\|podsplice: [^[:cntrl:]]*8081[^[:cntrl:]]*in use[^[:cntrl:]]*$' \
	'a port that is taken'
kill "$PID"
reap "$PID"
# at once, when the verb has ended: other programs come and go too slowly
cat >"$T/retry.py" <<'END'
import os, subprocess, sys

store, *verb = sys.argv[1:]
# on one processor whoever is woken goes on first
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(sum(subprocess.run(verb, stdin=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL).returncode != 125
          or bool(os.listdir(store)) for i in range(50)))
END
is "$(as_user "$PY" "$T/retry.py" "$STORE" "$PODSPLICE" run -d --name again \
	-- nosuchcommand)" 0 'when a start has failed its name is free'
leftovers 'failed starts'

# Logs
verb run -d --name noisy -- sh -c \
	'echo one; echo two >&2; printf "th"; sleep 0.2; echo ree
	printf "\033[31mred\a\n"; exit 7'
check 'the exit status is kept' wait_for 10 is_in noisy "('exited', 7)"
verb logs noisy
is "$OUT|$ERR" "one
three
$(printf '\033[31mred\a')|two" 'logs: two streams, lines in pieces, as they were'
verb logs --tail 1 -t noisy
like "$OUT" '^20[0-9-]{8}T[0-9:.]*Z .*red' 'logs -t --tail'
on_tty() # STEPS ARGS...
{
	local steps=$1
	shift
	guard "${AS_USER[@]}" "$PY" "$T/net.py" pty "$steps" "$PODSPLICE" "$@" \
		2>&1 | tr -d '\r'
}
like "$(on_tty 'wait=red,exit' logs noisy)" '\\x1b\[31mred\\x07' \
	'on a terminal control characters are shown'
verb start noisy
wait_for 10 is_in noisy "('exited', 7)"
verb logs noisy
is "$(printf '%s' "$OUT" | grep -c one)" 2 'a second run goes on with the log'
# a record that is just being written
printf '2026-01-01T00:00:00.000000000Z stdout F half' >>"$STORE/noisy/log"
verb logs --tail 100 noisy
is "$(printf '%s' "$OUT" | head -n 1)" one '--tail: half a record is no part of another'
verb rm noisy

verb run -d --name slow -- sh -c \
	'for i in 1 2 3; do echo line $i; sleep 0.2; done; sleep 1000'
spawn follow "${AS_USER[@]}" "$PODSPLICE" logs -f slow
FOLLOW=$PID
check 'logs -f goes on' wait_for 20 grep -q 'line 3' "$T/follow.out"
verb stop slow
reap "$FOLLOW"
is "$STATUS $(cat "$T/follow.out")" "0 line 1
line 2
line 3" '... and ends with it'
verb rm slow

# 25 MiB of lines: two files of at most 10 MiB, the last line is there
verb run -d --name flood -- sh -c 'seq -f "%060.0f" 410000; echo the-end'
check 'a flood is logged' wait_for 60 is_in flood "('exited', 0)"
is "$(find "$STORE/flood" -name 'log*' -size +10240k)" '' \
	'no log is larger than 10 MiB'
check '... there are two' [ -s "$STORE/flood/log.1" ]
verb logs --tail 2 flood
is "$OUT" "$(printf '%060d\nthe-end' 410000)" '... the newest lines are there'
verb logs flood
# the first may be the end of a line whose beginning was thrown away
is "$(printf '%s\n' "$OUT" | grep -v the-end | awk 'NR > 2 && $1 != last + 1 { print NR } { last = $1 }')" '' \
	'... without a gap'
verb rm flood

# A terminal, stdin, and the rest of the options
verb run -d -t --name tty -- sh -c 'test -t 0 && test -t 1 && echo a tty'
wait_for 10 is_in tty "('exited', 0)"
verb logs tty
is "$(printf '%s' "$OUT" | tr -d '\r')" 'a tty' '-d -t: a terminal'
verb rm tty
verb run -d -i --name open -- sh -c 'cat; echo over'
verb run -d --name shut -- sh -c 'cat; echo over'
check 'without -i stdin is at its end' wait_for 10 is_in shut "('exited', 0)"
is "$(state_of open)" "('running', None)" '-d -i: it stays open'
verb rm -f open shut
is "$STATUS|$OUT" '0|open
shut' 'rm of several'
verb run -d --rm --name brief -- sh -c 'exit 3'
check '--rm: it is gone when it ends' wait_for 10 none_left
verb run -d --name env -e "A=$(printf 'x y\n\377')" -- sh -c 'echo "$A"; echo "$B"'
wait_for 10 is_in env "('exited', 0)"
verb start env
wait_for 10 is_in env "('exited', 0)"
is "$(as_user "$PODSPLICE" logs env | head -n 3 | md5sum)" \
	"$(printf 'x y\n\377\n\n' | md5sum)" 'words that are no UTF-8 are kept'
is "$(as_user "$PODSPLICE" logs env | tail -n 3 | md5sum)" \
	"$(printf 'x y\n\377\n\n' | md5sum)" '... for start, too'
verb rm env
verb run -d --name stubborn -- sh -c 'trap "" TERM; echo ready; while :; do sleep 1; done'
wait_for 10 sh -c "grep -q ready $STORE/stubborn/log"
verb stop -t 1 stubborn
is "$STATUS $(state_of stubborn)" "0 ('exited', 137)" \
	'stop -t: killed when it does not listen'
verb rm stubborn
verb stop nosuch
is "$STATUS $ERR" '125 podsplice: nosuch: no such container (podsplice ps -a)' \
	'stop of one that is not there'

# In the foreground: listed while it runs, by its name or a made-up one
pod fore --name fore -- sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' ||
	bail 'no pod'
is "$(state_of fore)" "('running', None)" 'a pod in the foreground is listed'
verb logs fore
like "$STATUS $ERR" '^125 podsplice: fore: .*foreground' '... has no logs'
verb stop fore
reap "$SUP"
is "$STATUS" 9 '... and can be stopped; its status passes through'
leftovers 'foreground'

# kill -9 of anything
verb run -d --name victim -p 8080:80 -- sleep 1000
SUP=$(supervisor victim) POD=$(init victim)
kill -KILL "$SUP"
wait_for 10 gone "$POD"
is "$(state_of victim)" "('exited', None)" \
	'supervisor killed: it has ended, nobody knows how'
verb ps -a
like "$OUT" 'exited \(\?\)' '... which ps says'
verb logs victim
is "$STATUS" 0 '... its log can be read'
verb start victim
is "$STATUS|$OUT|$ERR" '0|victim|' '... it can be started, over its stale socket'
POD=$(init victim)
kill -KILL "$POD"
check 'init killed: its status is known' \
	wait_for 10 is_in victim "('exited', 137)"
verb rm victim
verb run -d --rm --name victim -- sleep 1000
SUP=$(supervisor victim)
kill -KILL "$SUP"
wait_for 10 gone "$SUP"
check 'killed with --rm: the record is removed' wait_for 10 none_left
verb run -d --name victim -- true
is "$STATUS" 0 '... and its name is free'
verb rm -f victim
pod fore --name fore -- sleep 1000 || bail 'no pod'
kill -KILL "$SUP"
reap "$SUP"
check 'killed in the foreground: the record is removed' none_left
verb run -d --name frozen -- sleep 1000
kill -STOP "$(supervisor frozen)"
verb ps
like "$OUT" 'frozen +running' 'a stopped supervisor does not stop ps'
verb stop -t 0 frozen
is "$STATUS" 0 '... and can be ended'
verb rm frozen

# What the supervisor has to say last
verb run -d --name unsaved -- sleep 1000
mkdir "$STORE/unsaved/state.json.tmp"
verb stop -t 0 unsaved
rmdir "$STORE/unsaved/state.json.tmp"
like "$(as_user "$PODSPLICE" logs --helper unsaved 2>&1)" \
	"unsaved: its state can't be saved: " "an end that can't be saved is logged"
verb rm unsaved
leftovers 'killed'

# The caller is killed before the name was told: the start is undone
cat >"$T/callerkill.py" <<'END'
import os, signal, subprocess, sys, time

p = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(float(sys.argv[1]) / 1000)
p.send_signal(signal.SIGKILL)
p.wait()
END
settled() # it runs, or nothing of it is there
{
	case $(state_of "$1") in
	"('running', None)" | '(None, None)') return 0 ;;
	esac
	return 1
}
for ms in 0 2 5 10 20 40 80; do
	as_user "$PY" "$T/callerkill.py" $ms "$PODSPLICE" run -d \
		--name undone -- sleep 1000
	check "caller killed after $ms ms: it runs, or it is not there" \
		wait_for 10 settled undone
	verb rm -f undone
	is "$STATUS$ERR" 0 '... and its name is free'
done
leftovers 'caller killed'

# A pid that is another's now: never hit
spawn bystander "${AS_USER[@]}" sleep 1000
VICTIM=$(pgrep -n -P "$PID" sleep || echo "$PID")
verb run -d --name reused -- sleep 1000
SUP=$(supervisor reused)
sed -i "s/\"supervisor\":{\"pid\":$SUP/\"supervisor\":{\"pid\":$VICTIM/" \
	"$STORE/reused/state.json"
verb stop -t 0 reused
like "$STATUS $ERR" '^125 podsplice: reused: .*seen' \
	'a record with the number of another process'
unlike "$(ps -o stat= -p "$VICTIM")" '^(|Z.*)$' '... which gets no signal'
kill "$SUP"
wait_for 10 gone "$SUP"
kill "$VICTIM"
verb rm -f reused
is "$STATUS" 0 '... removed when its supervisor has ended'

# What the caller has open is not kept: a lock, say
for words in 'run -d --name keeps sleep 1000' 'pod create --name pod' \
	'run -d --pod pod --name inside sleep 1000' \
	'run --pod new:brief true'; do
	# shellcheck disable=SC2016,SC2086 # for the inner shell; words
	caught "${AS_USER[@]}" sh -c 'exec 9>"$0" && flock 9 && "$@"' \
		"$WORK/lock" "$PODSPLICE" $words
	check "${words% --name*}: does not keep the caller's lock" \
		as_user flock -n "$WORK/lock" true
done
verb rm -f keeps
verb pod rm -f pod brief

# A supervisor that is killed as it forks: its child has the lock, too, for a
# moment. Nobody has reaped it yet, or somebody has.
cat >"$T/lock.py" <<'END'
import ctypes, os, signal, sys, time
way, lock, run = sys.argv[1], os.stat(sys.argv[2]).st_ino, int(sys.argv[3])
libc = ctypes.CDLL(None)
pidfd = os.pidfd_open(run)
held = [libc.syscall(438, pidfd, int(fd), 0) # pidfd_getfd
        for fd in os.listdir(f'/proc/{run}/fd')
        if os.stat(f'/proc/{run}/fd/{fd}').st_ino == lock]
assert held and min(held) >= 0
if way == 'zombie':
    libc.ptrace(0x4206, run, 0, 0) # SEIZE: who traces it has to reap it
os.kill(run, signal.SIGKILL)
print('held', flush=True)
time.sleep(1000)
END
for way in zombie reaped; do
	verb run -d --name locked -- sleep 1000
	spawn "$way" "$PY" "$T/lock.py" "$way" \
		"$STORE/locked/lock" "$(supervisor locked)"
	HOLDER=$PID
	wait_for "$GUARD" grep -q held "$T/$way.out"
	spawn rm "${AS_USER[@]}" "$PODSPLICE" rm -f locked
	check "killed as it forks ($way): rm -f waits" \
		eval "! wait_for 1 gone $PID"
	RM=$PID
	kill "$HOLDER"
	reap "$RM"
	is "$STATUS|$(cat "$T/rm.out" "$T/rm.err")" '0|locked' '... and removes it'
done

# Twenty at once
for i in $(seq 20); do
	spawn "many-$i" "${AS_USER[@]}" "$PODSPLICE" run -d -- sleep 1000
	MANY[i]=$PID
done
for i in $(seq 20); do
	reap "${MANY[i]}"
	[ "$STATUS" = 0 ] || not_ok "run -d number $i: $STATUS $(cat "$T/many-$i.err")"
done
is "$(cat "$T"/many-*.out | sort -u | wc -l)" 20 '20 run -d at once: 20 names'
is "$(cat "$T"/many-*.out | sort)" "$(as_user "$PODSPLICE" ps -q | sort)" \
	'... which ps has'
# shellcheck disable=SC2046 # names
verb rm -f $(cat "$T"/many-*.out)
is "$STATUS" 0 '... and go'
for i in $(seq 20); do
	spawn "same-$i" "${AS_USER[@]}" "$PODSPLICE" run -d --name same -- sleep 1000
	MANY[i]=$PID
done
won=0
for i in $(seq 20); do
	reap "${MANY[i]}"
	[ "$STATUS" = 0 ] && won=$((won + 1))
done
is "$won $(as_user "$PODSPLICE" ps -q)" '1 same' '20 of one name: one has it'
# every verb on it, all at once, several times
VERBS=('stop -t 1 same' 'start same' 'rm same' 'rm -f same' 'ps -a' 'logs same'
	'port same' 'stats same' 'stop -t 0 same' 'run -d --name same -- sleep 1000')
for i in $(seq 20); do
	# shellcheck disable=SC2086 # words
	spawn "verb-$i" "${AS_USER[@]}" "$PODSPLICE" ${VERBS[i % 10]}
	MANY[i]=$PID
done
for i in $(seq 20); do
	reap "${MANY[i]}"
	case $STATUS in
	0 | 125) ;;
	*) not_ok "${VERBS[i % 10]}: $STATUS" ;;
	esac
	[ "$(wc -l <"$T/verb-$i.err")" -le 2 ] ||
		not_ok "${VERBS[i % 10]}: $(cat "$T/verb-$i.err")"
done
verb rm -f same
is "$STATUS$ERR" 0 '20 verbs on one name: it can be removed'
leftovers 'twenty at once'

# Other users' directories
as_other()
{
	as_user env "XDG_RUNTIME_DIR=$1" "$PODSPLICE" "${@:2}" 2>&1
}
install -d -m 755 "$T/foreign" # root's
like "$(as_other "$T/foreign" run -d -- true)" \
	"^podsplice: $T/foreign: belongs to another user [^[:cntrl:]]*\$" \
	"another user's runtime directory is refused"
is "$(as_other "$T/foreign" run -- echo hello)" hello \
	'... and not needed in the foreground'
install -d -m 700 -o "$ACCOUNT_UID" "$T/mine"
ln -s /tmp "$T/mine/podsplice"
like "$(as_other "$T/mine" ps)" '^podsplice: .*/mine/podsplice: ' \
	'a symlink is refused'
rm "$T/mine/podsplice"
install -d -m 777 -o "$ACCOUNT_UID" "$T/mine/podsplice"
like "$(as_other "$T/mine" ps)" 'open to others' 'a directory open to others, too'

# A full file system
in_host mount -t tmpfs -o "size=256k,uid=$ACCOUNT_UID,mode=700" tmpfs "$T/mine"
full()
{
	in_host sh -c "cat /dev/zero >$T/mine/fill" 2>/dev/null
	true
}
is "$(as_other "$T/mine" run -d --name full -- sh -c \
	'while :; do echo a line; done & sleep 1; kill $!; echo last; exit 6')" \
	full 'a start on a small file system'
ended()
{
	as_other "$T/mine" ps -a | grep -q "exited (6)"
}
check 'it fills: the command ends as ever, and its status is kept' \
	wait_for 20 ended
check '... its log has the beginning' \
	[ "$(as_other "$T/mine" logs full | head -n 1)" = 'a line' ]
# what was written in one go may be lost together, and end inside a line
check '... and whole records only' \
	[ -z "$(as_other "$T/mine" logs full | grep -vxE \
		'a? ?l?i?n?e?|last|[0-9]+ lines were lost: no room for them')" ]
full
like "$(as_other "$T/mine" run -d -- true)" '^podsplice: [^[:cntrl:]]*No space left[^[:cntrl:]]*$' \
	'a start without room fails in one line'
is "$(as_other "$T/mine" run -- echo hello)" hello '... not in the foreground'
is "$(as_other "$T/mine" rm full)" full 'rm makes room'
in_host umount "$T/mine"
leftovers 'full'

finish
