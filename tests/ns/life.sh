#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Exit status, signals, ^C and ^Z, deaths of every kind, and what must never
# be left: processes, ports, devices, files, descriptors, memory.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000
PORTS_PEER=$PID

# Exit status
run_user -- true
is "$STATUS$ERR" 0 'true is 0, and nothing is said'
run_user -- false
is "$STATUS" 1 'false is 1'
run_user -- sh -c 'exit 3'
is "$STATUS" 3 'exit 3 is 3'
run_user -- sh -c 'kill -TERM $$'
is "$STATUS" 143 'a command that SIGTERM ends is 143'
run_user -- sh -c 'kill -SEGV $$'
is "$STATUS" 139 'a command that SIGSEGV ends is 139'
run_user -- /nonexistent/command
is "$STATUS" 127 'a command that is not there is 127'
like "$ERR" '^podsplice: [^[:cntrl:]]*/nonexistent/command[^[:cntrl:]]*$' \
	'... with one line that names it'
run_user -- nosuchcommand
is "$STATUS" 127 'a command that is not in PATH is 127'
printf 'no program\n' >"$WORK/plain"
chmod 644 "$WORK/plain"
run_user -- "$WORK/plain"
is "$STATUS" 126 'a file that may not be executed is 126'
like "$ERR" '^podsplice: [^[:cntrl:]]*plain[^[:cntrl:]]*$' \
	'... with one line that names it'
run_user -- /tmp
is "$STATUS" 126 'a directory is 126'
run_user -p 0:70000 -- true
is "$STATUS" 125 'what podsplice refuses is 125'
run_user -- sh -c 'sleep 1000 & exit 5'
is "$STATUS" 5 'what the command leaves behind goes with it'
check '... it is gone' wait_for 5 no_process
run_user -- sh -c 'echo out; echo err >&2'
is "$OUT|$ERR" 'out|err' "stdout and stderr are the command's"
run_user -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.1 & ) ; done
	sleep 0.5; ps -eo stat= | grep -c Z'
is "$OUT" 0 'orphans are reaped'

# Signals pass to the command
for sig in TERM INT HUP QUIT USR1 USR2; do
	pod "sig-$sig" -- sh -c "trap 'echo got-$sig; exit 42' $sig
		echo ready
		while :; do sleep 0.1; done" || bail 'the pod did not start'
	wait_for 10 grep -q ready "$T/sig-$sig.out"
	kill -"$sig" "$SUP"
	reap "$SUP"
	is "$STATUS $(tail -n 1 "$T/sig-$sig.out")" "42 got-$sig" \
		"SIG$sig reaches the command"
done
pod unheard -- sleep 1000
kill -TERM "$SUP"
reap "$SUP"
is "$STATUS" 143 'a command that does nothing about SIGTERM ends by it'

# A terminal: ^C, ^Z and fg, sizes; with -t and without
on_tty() # STEPS RUN-ARGS...
{
	local steps=$1
	shift
	guard "${AS_USER[@]}" "$PY" "$T/net.py" pty "$steps" \
		"$PODSPLICE" run "$@" 2>&1 | tr -d '\r'
}
for t in '' '-it'; do
	# shellcheck disable=SC2086 # no word, or one
	like "$(on_tty 'wait=ready,send=^C,exit' $t -- sh -c \
		'trap "echo interrupted; exit 7" INT; echo ready
		while :; do sleep 0.1; done')" \
		'interrupted.*\[exited 7\].*terminal as before' \
		"^C reaches the command (${t:-no -t})"
	# shellcheck disable=SC2086
	like "$(on_tty 'wait=ready,send=^C,exit' $t -- sh -c \
		'echo ready; exec sleep 1000')" \
		'\[exited (130|-2)\].*terminal as before' \
		"^C ends what does not catch it (${t:-no -t})"
done
# It starts nothing meanwhile: a shell whose vfork()ed child is stopped before it
# is executed can't stop itself.
like "$(on_tty 'wait=ready,send=^Z,stopped,fg,wait=on,send=^C,exit' \
	-- sh -c 'trap "echo on" CONT; sleep 1000 & echo ready
	while :; do wait; done')" \
	'\[stopped\].*on.*\[exited .*terminal as before' '^Z stops, fg goes on'
like "$(on_tty 'size=41x97,wait=ready,send=stty size\n,wait=41 97,size=30x80,send=stty size\n,wait=30 80,send=exit 9\n,exit' \
	-it -- sh -c 'echo ready; exec sh -i')" '\[exited 9\].*as before' \
	"-t: the terminal's size, and its changes"
like "$(on_tty 'wait=yes,exit' -t -- sh -c \
	'test -t 0 && test -t 1 && test -t 2 && tty && echo yes')" \
	'/dev/.*yes' '-t: a terminal with a name'
# With -t the keys go to the terminal inside, where ^Z is for a shell to handle:
# the kernel discards it for a session leader's own group, and before the job
# runs, which is when it speaks.
like "$(on_tty 'wait=$,send=sh -c "echo go""ing; exec sleep 50"\n,wait=going,send=^Z,send=\n,send=jobs\n,wait=Stopped,send=kill %1\n,send=exit 4\n,send=exit 4\n,exit' \
	-it -e 'PS1=$ ' -- bash --norc -i)" '\[exited 4\].*as before' \
	'-it: a shell has job control'
leftovers 'signals and terminals'

# Deaths
pod killed -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
wait_port pod 80
for child in $(children "$POD"); do
	kill -KILL "$child"
done
reap "$SUP"
is "$STATUS" 137 'the command is killed: 137'
leftovers 'command killed'

pod killed-init -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
kill -KILL "$POD"
reap "$SUP"
unlike "$STATUS" '^(0|hang)$' "the pod's init is killed: it ends, and says so"
leftovers 'init killed'

# traffic: both ways through a published port, and out of the pod
traffic()
{
	local i
	for i in 1 2 3; do
		spawn "traffic-$i" "${IN_PEER[@]}" "$PY" "$T/net.py" \
			stream "$HOST4" 8080
	done
	spawn traffic-4 nsenter -t "$POD" -n -- "$PY" "$T/net.py" \
		stream "$PEER4" 9000
	STREAM=$PID
	for i in 1 2 3 4; do
		wait_for 20 grep -q running "$T/traffic-$i.out" || return 1
	done
}
pod super -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
wait_port pod 80
check 'traffic runs' traffic
kill -KILL "$SUP"
reap "$SUP"
# a process of ours in the pod's namespace would keep that alive
kill -KILL "$STREAM" 2>/dev/null
leftovers 'supervisor killed under traffic'
ends()
{
	[ "$(cat "$T"/traffic-[123].out | grep -vc running)" = 3 ]
}
check 'its clients are told' wait_for 10 ends
is "$(cat "$T"/traffic-[123].out | grep -v running | sort -u)" ECONNRESET \
	'... by a reset, not by what looks like a complete transfer'

# each of the helper's processes
pod count -p 8080:80 -- sleep 1000 || bail 'no pod'
HELPERS=$(children "$SUP" | wc -w)
pod_end
check 'the helper is several processes' [ "$HELPERS" -ge 3 ]
for i in $(seq 1 "$HELPERS"); do
	pod "child-$i" -p 8080:80 -- sleep 1000 || bail 'no pod'
	child=$(children "$SUP" | tr ' ' '\n' | sed -n "${i}p")
	if [ "$child" = "$POD" ]; then
		pod_end
		continue
	fi
	kill -KILL "$child"
	# it may end, or go on with another one; it may not be half dead
	if wait_for 3 gone "$SUP"; then
		reap "$SUP"
		unlike "$STATUS" '^0$' "helper $i killed: it ends, and not well"
	else
		is "$(pod_net connect "$PEER4" 9000)" OK \
			"helper $i killed: it goes on, egress too"
		pod_end
	fi
	leftovers "helper $i killed"
done

# ... and while the pod starts: it fails in one line, or goes on
cat >"$T/startkill.py" <<'END'
import os, signal, subprocess, sys, time

nth, ms = int(sys.argv[1]), float(sys.argv[2])
p = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
kids = []
while p.poll() is None and len(kids) < nth:
    try:
        kids = open(f'/proc/{p.pid}/task/{p.pid}/children').read().split()
    except OSError:
        pass
time.sleep(ms / 1000)
os.kill(int(kids[nth - 1]), signal.SIGKILL)
out, err = p.communicate()
print(p.returncode, out.decode().strip(), err.decode().strip())
END
nth=0
for role in maker netstack portfwd; do
	nth=$((nth + 1))
	fails="125  podsplice: $role: [^[:cntrl:]]*signal 9[^[:cntrl:]]*"
	goes_on="0 done podsplice: $role: [^[:cntrl:]]*signal 9[^[:cntrl:]]*"
	for ms in 0 1 3 6 10 20; do
		like "$(guard "${AS_USER[@]}" "$PY" "$T/startkill.py" $nth \
			$ms "$PODSPLICE" run -p 8080:80 -- sh -c \
			'sleep 1; echo done')" "^($fails|$goes_on)\$" \
			"$role killed at the start, after $ms ms"
	done
done
leftovers 'killed at the start'

# Idle: nobody wakes up for nothing
pod quiet -p 8080:80 -- sleep 1000 || bail 'no pod'
wakeups()
{
	local p
	for p in "$SUP" $(children "$SUP"); do
		[ "$p" = "$POD" ] || cat "/proc/$p/status"
	done | awk '/ctxt_switches/ { n += $2 } END { print n }'
}
quiet() # for 4 s, but for what the machine does
{
	local before
	before=$(wakeups)
	sleep 4
	[ $(($(wakeups) - before)) -le 2 ]
}
check 'an idle helper sleeps' wait_for 20 quiet
pod_end

# Nothing grows
pod leak -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
wait_port pod 80
# the helper's processes, and the pod's init; not the command
helpers()
{
	echo "$SUP"
	children "$SUP"
}
descriptors()
{
	local p
	for p in $(helpers); do
		find "/proc/$p/fd" -mindepth 1
	done | wc -l
}
# What was written to: a library's clean pages are private to whoever has them
# mapped alone at the moment, which is other processes' doing.
private_kib()
{
	local p
	for p in $(helpers); do
		cat "/proc/$p/smaps_rollup"
	done | awk '/^Private_Dirty/ { n += $2 } END { print n }'
}
# as it is once every path was used
is "$(peer_net many "$HOST4" 8080 500)" 500 '500 at once'
is "$(peer_net churn "$HOST4" 8080 2000)" 2000 'warmed up'
settled()
{
	[ "$(in_host ss -Htn 'sport = :8080' | wc -l)" = 0 ]
}
wait_for 10 settled
FDS=$(descriptors) KIB=$(private_kib)
is "$(peer_net churn "$HOST4" 8080 5000)" 5000 '5000 connections, IPv4'
is "$(peer_net churn "$HOST6" 8080 4500)" 4500 '4500 connections, IPv6'
is "$(peer_net many "$HOST4" 8080 500)" 500 '500 at once'
wait_for 10 settled
# A pool of sockets, two shelves of up to 32 that are filled up when half empty,
# is all that may differ: 1 lost in 300 would show.
same_descriptors()
{
	local now
	now=$(descriptors)
	[ "$now" -le $((FDS + 32)) ] && [ "$now" -ge $((FDS - 32)) ]
}
check "descriptors: $FDS before, as many (but the pool) after 10,000" \
	wait_for 10 same_descriptors
note "descriptors: $FDS before, $(descriptors) after"
note "private memory: $KIB KiB before, $(private_kib) KiB after"
# a sanitizer keeps what is freed
[ "${ASAN_OPTIONS-}" ] || check 'private memory did not grow by more than 128 KiB' \
	[ "$(private_kib)" -le $((KIB + 128)) ]
pod_end
leftovers leak

kill "$PORTS_PEER"
finish
