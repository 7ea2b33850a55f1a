#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Stopped, killed under load, orphaned, hung up on: what each process's trouble
# does to the others, to flows and to the pod's command.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

SOCK=$WORK/control.sock
serve_splice 9000 || bail 'no server on the other host'
serve_peer 9001 || bail 'no second server there'
serve_peer_udp 9002 4 || bail 'no UDP server there'
PORTS_BEFORE=$(ports_of_host)

start() # NAME
{
	pod "$1" --control "$SOCK" -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
		bail 'no pod'
	wait_port pod 80
	helper || bail 'a process is missing'
}

serves() # NAME
{
	is "$(peer_net get "$HOST4" 8080 1000000)" OK "$1: published, IPv4"
	is "$(peer_net put "$HOST6" 8080 1000000)" OK "$1: published, IPv6"
	is "$(pod_net get "$PEER4" 9001 1000000)" OK "$1: egress, IPv4"
	is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" "$1: egress, UDP"
}

# Stopped for five seconds, under traffic

start stop
MEMBERS="$SUP $NETSTACK $PORTFWD $MAKER"
check 'a flow out of the pod' steady out "$PEER4" 9000
for who in NETSTACK PORTFWD MAKER SUP; do
	kill -STOP "${!who}"
	# clients that may have to wait
	spawn "in-$who" peer_net get "$HOST4" 8080 1000000
	ASKED=("$PID")
	spawn "out-$who" pod_net get "$PEER4" 9001 1000000
	ASKED+=("$PID")
	is "$(pod_net who "$POD4" 80 | cut -d' ' -f1)" "$POD4" \
		"$who stopped: the command is served in the pod"
	case $who in
	MAKER | SUP) serves "$who stopped" ;;
	NETSTACK)
		is "$(peer_net get "$HOST4" 8080 1000000)" OK \
			"$who stopped: published"
		;;
	esac
	sleep 5
	kill -CONT "${!who}"
	for pid in "${ASKED[@]}"; do
		reap "$pid"
	done
	is "$(cat "$T/in-$who.out" "$T/out-$who.out")" "$(printf 'OK\nOK')" \
		"$who goes on: those who waited are served"
	serves "$who goes on"
	# shellcheck disable=SC2154 # steady() sets it
	check "$who: the flow has lived through it" \
		kill -0 "$STEADY_out"
done
steady_ends out 'every byte of it was right'
helper
is "$SUP $NETSTACK $PORTFWD $MAKER" "$MEMBERS" 'nobody was started again'
is "$(cat "$T/stop.err")" '' '... and nothing was said'

# Deaths by signals of every kind, again and again, while flows run

died() # ROLE SIGNAL
{
	helper || return 1
	OLD=${!1}
	kill "-$2" "$OLD" && wait_for 20 reborn "$1"
}
reborn()
{
	helper && [ "${!1}" != "$OLD" ]
}
flows() # NAME: streams both ways
{
	spawn "$1-in" "${IN_PEER[@]}" "$PY" "$T/net.py" stream "$HOST4" 8080
	spawn "$1-out" nsenter -t "$POD" -n -- "$PY" "$T/net.py" stream \
		"$PEER4" 9001
	wait_for 20 grep -q running "$T/$1-in.out" &&
		wait_for 20 grep -q running "$T/$1-out.out"
}
flows_ended() # NAME
{
	[ "$(tail -qn 1 "$T/$1-in.out" "$T/$1-out.out" | grep -vc running)" = 2 ]
}
check 'a flow out of the pod' steady alive "$PEER4" 9000
check 'streams both ways' flows alive
for sig in KILL SEGV SYS; do
	check "netstack dies by SIG$sig" died NETSTACK "$sig"
	check "the maker dies by SIG$sig" died MAKER "$sig"
done
steady_ends alive 'no byte of the flow was lost'
is "$(tail -qn 1 "$T/alive-in.out" "$T/alive-out.out" | sort -u)" running \
	'the streams run'
for sig in KILL SEGV SYS; do
	[ "$sig" = KILL ] || check 'streams both ways' flows "$sig"
	check "portfwd dies by SIG$sig" died PORTFWD "$sig"
	[ "$sig" = KILL ] && name=alive || name=$sig
	check 'its flows end' wait_for 10 flows_ended "$name"
	is "$(tail -qn 1 "$T/$name-in.out" "$T/$name-out.out" | sort -u)" \
		ECONNRESET '... by a reset'
	serves "after SIG$sig"
done
pod_end

# The supervisor's end is everybody's

# the pod's first process has lost its parent-death signal, as may happen
start orphan
if command -v gdb >/dev/null; then
	guard gdb -nx -batch -iex 'set auto-load off' -iex 'set sysroot /' \
		-p "$POD" -ex 'print (int)prctl(1,0,0,0,0)' "$PODSPLICE" \
		>"$T/gdb.out" 2>&1 </dev/null
	like "$(cat "$T/gdb.out")" '\$1 = 0' 'no signal when the parent ends'
else
	skip 'no signal when the parent ends' 'gdb is not installed'
fi
kill -KILL "$SUP"
reap "$SUP"
leftovers 'supervisor killed'

# its parent was killed before: a pod goes on, as any program does, and ends
# with its supervisor
spawn parent "${AS_USER[@]}" sh -c \
	"$PODSPLICE run -p 8080:80 -- $PY $T/net.py serve 80; true"
PARENT=$PID
runs_below()
{
	SUP=$(children "$PARENT" | tr -d ' ')
	[ "$SUP" ] && pod_runs
}
check 'a pod below a shell' wait_for 20 runs_below
wait_port pod 80
kill -KILL "$PARENT"
reap "$PARENT"
is "$(peer_net get "$HOST4" 8080 1000000)" OK 'the shell is killed: it goes on'
kill -KILL "$SUP"
leftovers 'parent and supervisor killed'

# The terminal closes, or the shell that leads its session is killed
cat >"$T/hangup.py" <<'END'
import os, pty, signal, sys
how, cmd = sys.argv[1], sys.argv[2:]
if how == 'leader':
    cmd = ['sh', '-c', '"$@"; true', 'sh', *cmd]
pid, master = pty.fork()
if pid == 0:
    os.execvp(cmd[0], cmd)
seen = b''
while b'ready' not in seen:
    seen += os.read(master, 4096)
if how == 'leader':
    os.kill(pid, signal.SIGKILL)
else:
    os.close(master)
os.waitpid(pid, 0)
print('ended')
END
for t in '' '-it'; do
	for how in close leader; do
		# shellcheck disable=SC2086 # no word, or one
		is "$(guard "${AS_USER[@]}" "$PY" "$T/hangup.py" $how \
			"$PODSPLICE" run $t -p 8080:80 -- sh -c \
			'echo ready; sleep 1000' 2>&1)" ended \
			"the terminal's end ($how, ${t:-no -t}) is the pod's"
		leftovers "terminal: $how, ${t:-no -t}"
	done
done

stop_spawned
finish
