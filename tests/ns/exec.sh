#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# exec: what another command in a running container finds, its exit status,
# signals, terminal and stdin; whose end is whose; and what it can't reach.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ns/rootfs_lib.sh
. "$(dirname "$0")/rootfs_lib.sh"

PORTS_BEFORE=$(ports_of_host)
ROOT=$WORK/rootfs
make_rootfs "$ROOT"
echo 'web:x:33:34:web:/srv:/bin/sh' >>"$ROOT/etc/passwd"
echo 'web:x:34:' >"$ROOT/etc/group"
CTL=$WORK/ctl

# box NAME RUN-ARGS...: a pod that exec finds at $CTL
box()
{
	pod "$1" --control "$CTL" "${@:2}"
}

# x ARGS...: `podsplice exec` there, guarded. OUT, ERR, STATUS.
x()
{
	timeout -k 5 "$GUARD" "${AS_USER[@]}" "$PODSPLICE" exec \
		--control "$CTL" "$@" >"$T/x.out" 2>"$T/x.log" </dev/null
	STATUS=$?
	OUT=$(cat "$T/x.out") ERR=$(cat "$T/x.log")
	[ "$STATUS" != 124 ] || note "hung: podsplice exec $*"
}

# xs NAME ARGS...: the same in the background, as spawn
xs()
{
	spawn "$1" "${AS_USER[@]}" "$PODSPLICE" exec --control "$CTL" "${@:2}"
}

# one_line STATUS REGEX NAME: of what x left
one_line()
{
	is "$STATUS:$(printf '%s\n' "$ERR" | wc -l)" "$1:1" "$3: one line, $1"
	like "$ERR" "^podsplice: .*$2" '... that says why'
}

# in_the_pod PATTERN: the pod's processes with such a command line
in_the_pod()
{
	pgrep -c --ns "$POD" --nslist pid -f "$1"
}

nobody_in_the_pod()
{
	[ "$(in_the_pod "$1")" = 0 ]
}

box first --rootfs "$ROOT" --hostname box -e A=run -e B=run -w /data \
	--cap-drop chown --cap-add net_raw -- \
	sh -c 'echo up; exec sleep 1000' || bail 'no pod'

# What it finds
x cat /etc/issue
is "$STATUS $OUT$ERR" '0 the image' "exec: the container's files"
x sh -c 'echo "$A|$B|$HOME|$container|$(hostname)|$(pwd)|$(id -u)"'
is "$OUT" 'run|run|/root|podsplice|box|/data|0' \
	'... its environment, host name, directory, user'
x -e B=exec --env C=new -w /etc sh -c 'echo "$A|$B|$C|$(pwd)"'
is "$OUT" 'run|exec|new|/etc' '... -e and -w'
x -u web sh -c 'id -u; id -g; echo $HOME; grep CapEff /proc/self/status'
is "$OUT" $'33\n34\n/srv\nCapEff:\t0000000000002000' '... -u'
x -u web:0 -- id -g
is "$OUT" 0 '... -u USER:GROUP'
x grep -E '^(Cap|NoNewPrivs|SigBlk|SigIgn|Seccomp:)' /proc/self/status
MINE=$OUT
THEIRS=$(in_pod_all grep -E '^(Cap|NoNewPrivs|SigBlk|SigIgn|Seccomp:)' \
	/proc/2/status)
is "$MINE" "$THEIRS" "its capabilities and the like are the container's"
like "$MINE" 'CapBnd:.00000000800425fa' '... which were asked for'
x sh -c 'for n in net ipc uts pid mnt user; do readlink /proc/self/ns/$n; done'
WANT=$(for n in net ipc uts pid mnt user; do readlink "/proc/$POD/ns/$n"; done)
is "$OUT" "$WANT" 'all of its namespaces'
x sh -c 'echo $PPID; ulimit -n; umask'
is "$OUT" "1
$(in_pod_all sh -c 'prlimit -n -o SOFT --noheadings -p 2 2>/dev/null ||
	awk "/open files/ { print \$4 }" /proc/2/limits' | tr -d ' ')
0022" 'its parent is pid 1; its limits and umask'
x ls /proc/self/fd
is "$(echo "$OUT" | tr '\n' ' ')" '0 1 2 3 ' 'no descriptor but its own'
x sh -c 'cat; echo end'
is "$OUT" end 'without -i stdin is empty'
LONG=$(head -c 100000 /dev/zero | tr '\0' x)
x sh -c 'echo ${#1} ${#L} "$2" "$3"' sh "$LONG" '' 'a b' -e L=no
is "$OUT" '100000 0  a b' 'long words, empty ones, and those with blanks'
x -e "L=$LONG" -- sh -c 'echo ${#L}'
is "$OUT" 100000 '... and long variables'

# Exit status
x true
is "$STATUS$OUT$ERR" 0 'true is 0, and nothing is said'
x sh -c 'exit 42'
is "$STATUS" 42 'exit 42 is 42'
x sh -c 'kill -TERM $$'
is "$STATUS" 143 'a command that SIGTERM ends is 143'
x sh -c 'kill -KILL $$'
is "$STATUS" 137 '... SIGKILL: 137'
x /nonexistent
one_line 127 '/nonexistent: not found' 'a command that is not there'
x nosuch
one_line 127 'nosuch: not found' '... in PATH'
x /etc/issue
one_line 126 '/etc/issue: permission denied' 'no program'
x -w /nonexistent true
one_line 125 'workdir /nonexistent' '-w of what is not there'
x -u nobody true
one_line 125 '--user nobody: no such user' '-u nobody knows'
x -u 200000 true
one_line 125 'user 200000 is not mapped' '-u of no id here'
x sh -c 'echo out; echo err >&2'
is "$OUT|$ERR" 'out|err' 'stdout and stderr are apart'

# stdin, much data
OUT=$(printf 'one\ntwo\n' | guard "${AS_USER[@]}" "$PODSPLICE" exec \
	--control "$CTL" -i sort -r 2>&1)
is "$OUT" $'two\none' '-i: stdin, and its end'
OUT=$(head -c 10000000 /dev/zero | guard "${AS_USER[@]}" "$PODSPLICE" exec \
	--control "$CTL" -i wc -c 2>&1)
is "$OUT" 10000000 '-i: 10 MB'
OUT=$(guard "${AS_USER[@]}" "$PODSPLICE" exec --control "$CTL" \
	head -c 10000000 /dev/zero 2>/dev/null </dev/null | wc -c)
is "$OUT" 10000000 'stdout: 10 MB'

# Signals
for sig in TERM INT HUP QUIT USR1 USR2; do
	xs "sig-$sig" sh -c "trap 'echo got-$sig; exit 42' $sig
		echo ready
		while :; do sleep 0.1; done"
	wait_for 10 grep -qs ready "$T/sig-$sig.out"
	kill -"$sig" "$PID"
	reap "$PID"
	is "$STATUS $(tail -n 1 "$T/sig-$sig.out")" "42 got-$sig" \
		"SIG$sig reaches the command"
done
xs unheard sleep 999
wait_for 10 eval '[ "$(in_the_pod "sleep 999")" = 1 ]'
kill -TERM "$PID"
reap "$PID"
is "$STATUS" 143 '... and ends it where it is not caught'

# A terminal
x_tty() # STEPS EXEC-ARGS...
{
	local steps=$1
	shift
	guard "${AS_USER[@]}" "$PY" "$T/net.py" pty "$steps" \
		"$PODSPLICE" exec --control "$CTL" "$@" 2>&1 </dev/null
}

like "$(x_tty 'size=41x97,wait=ready,send=stty size\n,wait=41 97,size=30x80,send=stty size\n,wait=30 80,send=exit 9\n,exit' \
	-it -- sh -c 'echo ready; exec sh')" 'exited 9.*as before' \
	"-it: the terminal's size, and its changes"
like "$(x_tty 'wait=yes,exit' -t -- sh -c \
	'test -t 0 && test -t 1 && test -t 2 && tty && echo yes')" '/dev/pts/' \
	'-t: a terminal of its own'
like "$(x_tty 'wait=web,exit' -t -u web -- sh -c \
	'stat -c "%u of web" "$(tty)"; echo web')" '33 of web' \
	"... which is its user's"
like "$(x_tty 'wait=ready,send=^C,exit' -it -- sh -c \
	'trap "exit 7" INT; echo ready; while :; do sleep 0.1; done')" 'exited 7.*as before' \
	'-it: ^C'
like "$(x_tty 'wait=ready,send=^C,exit' -- sh -c \
	'trap "exit 7" INT; echo ready; while :; do sleep 0.1; done')" 'exited 7.*as before' \
	'^C without a terminal of its own'
like "$(x_tty 'wait=ready,send=^Z,stopped,fg,wait=on,send=^C,exit' -- sh -c \
	'trap "echo on" CONT; trap "exit 8" INT; echo ready
	while :; do sleep 0.1; done')" 'exited 8.*as before' '^Z, fg'
like "$(x_tty 'wait=nosuch,exit' -it nosuch)" 'exited 127.*as before' \
	'-it: what is not there'

# Several at once, and they see each other
for i in 1 2 3 4 5 6 7 8; do
	xs "many-$i" sh -c "echo $i >/tmp/many-$i; until [ -e /tmp/many-go ]; do
		sleep 0.1; done; exit $i"
	MANY[i]=$PID
done
all_are_there()
{
	[ "$(in_pod_all sh -c 'ls /tmp/many-[1-8] 2>/dev/null' | wc -l)" = 8 ]
}
check 'eight at once' wait_for "$GUARD" all_are_there
x touch /tmp/many-go
GOT=
for i in 1 2 3 4 5 6 7 8; do
	reap "${MANY[i]}"
	GOT="$GOT $STATUS"
done
is "$GOT" ' 1 2 3 4 5 6 7 8' '... each with its own exit status'
x sh -c 'rm /tmp/many-*; (sleep 0.2 &) ; (sleep 0.2 &) ; exit 0'
no_zombie()
{
	! grep -qs '^State:.Z' /proc/"$POD"/root/proc/[0-9]*/status
}
check 'orphans are reaped' wait_for 10 no_zombie

# Who goes takes what with it
xs killed sh -c 'sleep 998 & sleep 998'
wait_for 10 eval '[ "$(in_the_pod "^sleep 998$")" = 2 ]' ||
	not_ok 'exec: two processes in the pod'
kill -KILL "$PID"
check 'exec killed: its process group in the pod is gone' \
	wait_for 10 nobody_in_the_pod 'sleep 998'
spawn killed-tty "${AS_USER[@]}" "$PY" "$T/net.py" pty \
	'wait=never' "$PODSPLICE" exec --control "$CTL" -it sleep 997
wait_for 10 eval '[ "$(in_the_pod "^sleep 997$")" = 1 ]' ||
	not_ok '... and one with a terminal'
for p in $(family "$PID"); do kill -KILL "$p" 2>/dev/null; done
check '... with a terminal, too' wait_for 10 nobody_in_the_pod 'sleep 997'
check 'the container runs on' in_pod_all test -d /proc/2
xs longer sh -c 'trap "" TERM; while :; do sleep 1; done'
LONGER=$PID
spawn longer-tty "${AS_USER[@]}" "$PY" "$T/net.py" pty 'wait=up,exit' \
	"$PODSPLICE" exec --control "$CTL" -it sh -c 'echo up; sleep 996'
LONGER_TTY=$PID
wait_for 10 eval '[ "$(in_the_pod "sleep 996")" -ge 1 ]'
pod_end
is "$STATUS" 143 'the container ends'
reap "$LONGER"
is "$STATUS" 137 '... exec returns 137'
reap "$LONGER_TTY"
like "$(cat "$T/longer-tty.out")" 'exited 137.*as before' '... with a terminal, too'
x true
one_line 125 "$CTL: no pod listens there" 'exec after the end'

# Without --rootfs: what is hidden stays hidden
as_user sh -c "echo secret >$RUNTIME/secret"
box plain -- sh -c 'echo up; exec sleep 1000' || bail 'no pod'
x sh -c "cat $RUNTIME/secret 2>/dev/null; ls -A $RUNTIME; echo \${XDG_RUNTIME_DIR-none}"
is "$OUT" none "the runtime directory and the agents' variables are hidden"
as_user rm -f "$RUNTIME/secret"
x sh -c "grep nameserver /etc/resolv.conf; ls $T/net.py"
like "$OUT" "$DNS4"$'\n'".*net.py" "the pod's resolv.conf, the user's files"
cp "$(command -v ping)" "$WORK/ping"
setcap cap_net_raw,cap_net_admin+ep "$WORK/ping"
x "$WORK/ping" -c 1 -W 5 "$GW4"
is "$STATUS" 0 'a program with capabilities of its own runs'
rm -f "$WORK/ping"
pod_end

# Power over pid 1, with all capabilities
box power --rootfs "$ROOT" --cap-add ALL -- sleep 1000 || bail 'no pod'
x sh -c 'for f in exe root cwd ns/net fd/0 fd/3; do readlink /proc/1/$f; done
	cat /proc/1/environ /proc/1/mem' 2>/dev/null
is "$OUT" '' 'pid 1 is out of reach, even with --cap-add ALL'
# what is between fork and execution is, too: a FIFO for /etc/passwd would hold
# it there, if it were waited for
in_pod_all sh -c 'rm /etc/passwd; mkfifo /etc/passwd'
x -u web true
one_line 125 'no such user' 'a fifo for /etc/passwd holds nobody up'
rm -f "$ROOT/etc/passwd"
in_pod_all sh -c 'rm /dev/ptmx; mkfifo /dev/ptmx'
x -t true
one_line 125 "can't start it" '... nor one for /dev/ptmx'
x true
is "$STATUS" 0 '... the container runs on'
pod_end

# Nobody else's
box other -- sleep 1000 || bail 'no pod'
OUT=$(guard "${IN_HOST[@]}" setpriv --reuid=65534 --regid=65534 --clear-groups \
	-- "$PODSPLICE" exec --control "$CTL" id 2>&1)
like "$OUT" '^podsplice: .*Permission denied$' "not another user's"
pod_end
is "$(stat -c %a "$CTL" 2>/dev/null)" '' 'the socket is gone'

# Bad requests
box bad -- sleep 1000 || bail 'no pod'
"${AS_USER[@]}" "$PY" - "$CTL" >"$T/bad.out" 2>&1 <<'END'
import array, json, os, socket, struct, sys

def control(fds):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendmsg([b'{"execute":"exec"}\n'],
              [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))]
              if fds else [])
    reply = json.loads(s.makefile().readline())
    s.close()
    return reply

def session():
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    assert 'return' in control([b.fileno()]), 'exec is refused'
    b.close()
    a.settimeout(30)
    return a

EXEC, GO, SIGNAL = 5, 1, 2
print('none', 'error' in control([]))
print('many', 'return' in control([0] * 50))
r, w = os.pipe()
print('pipe', 'return' in control([r]))
# what is no request: the session ends, and nothing else does
junk = [b'', b'x', b'\xff' * 4096, struct.pack('<I', EXEC),
        struct.pack('<I', GO), struct.pack('<I', SIGNAL) + b'\xff' * 8]
for j in junk:
    a = session()
    try:
        a.send(j)
        a.shutdown(socket.SHUT_WR)
        while a.recv(4096):
            pass
    except OSError:
        pass
    a.close()
print('junk', 'ok')
# as many as there may be, then one more; all gone again
many = [session() for i in range(256)]
last = session()
print('too many', last.recv(10) == b'')
for a in many:
    a.close()
END
is "$(cat "$T/bad.out")" 'none True
many True
pipe True
junk ok
too many True' 'bad requests end themselves only'
served()
{
	x true
	[ "$STATUS" = 0 ]
}
check '... and exec goes on' wait_for 10 served
pod_end

# By name, in the background
timeout 60 "${AS_USER[@]}" "$PODSPLICE" run -d --name web --rootfs "$ROOT" \
	-e A=run -- sh -c 'echo up; exec sleep 1000' >"$T/fg.out" 2>&1 </dev/null
is "$(cat "$T/fg.out")" web 'a container in the background'
named()
{
	timeout -k 5 "$GUARD" "${AS_USER[@]}" "$PODSPLICE" exec "$@" \
		>"$T/x.out" 2>"$T/x.log" </dev/null
	STATUS=$?
	OUT=$(cat "$T/x.out") ERR=$(cat "$T/x.log")
}
named web -- sh -c 'echo "$A"; echo err >&2; ls /proc/self/fd | wc -l; exit 4'
is "$STATUS:$OUT:$ERR" $'4:run\n4:err' 'exec NAME: its own output, its own status'
like "$(guard "${AS_USER[@]}" "$PY" "$T/net.py" pty 'wait=yes,exit' \
	"$PODSPLICE" exec -it web sh -c 'tty; echo yes' 2>&1 </dev/null)" \
	'/dev/pts/.*exited 0' '... with a terminal'
is "$(as_user "$PODSPLICE" logs web 2>&1)" up \
	"nothing of it is in the container's log"
spawn web-long "${AS_USER[@]}" "$PODSPLICE" exec web sleep 995
WEB_LONG=$PID
named web sh -c 'until ps | grep -q "[s]leep 995"; do sleep 0.1; done'
as_user "$PODSPLICE" rm -f web >/dev/null 2>&1
reap "$WEB_LONG"
is "$STATUS" 137 'rm -f ends what is executed'
named web true
one_line 125 'web: no such container' 'exec after rm'

# The command line
bad() # REGEX ARGS...
{
	local want=$1
	shift
	timeout 20 "${AS_USER[@]}" "$PODSPLICE" exec "$@" \
		>"$T/x.out" 2>"$T/x.log" </dev/null
	STATUS=$?
	ERR=$(cat "$T/x.log")
	one_line 125 "$want" "exec $(echo "$*" | cut -c 1-40)"
}
bad 'no container given'
bad 'no command given' name
bad 'no command given' name --
bad 'no command given' --control "$CTL"
bad 'nosuch: no such container' nosuch true
bad 'no such container' ../../etc true
bad 'no pod listens there' --control "$WORK/nosuch" true
bad '--workdir x: not an absolute path' -w x name true
bad '--user : not USER' -u '' name true
bad '--env =x: no name' -e =x name true
bad 'unknown option' --nosuch name true
bad "option '-e' needs a value" -e

# No subordinate ids
in_host sh -c "sed -i '/^$ACCOUNT:/d' /etc/subuid /etc/subgid"
box single --rootfs "$ROOT" -- sleep 1000 || bail 'no pod'
x sh -c 'id -u; id -g; grep CapEff /proc/self/status'
is "$OUT" $'0\n0\nCapEff:\t00000000800405fb' 'no subordinate ids: as ever'
x -u 33 true
one_line 125 'user 33 is not mapped|group 0' '... -u of another'
like "$(x_tty 'wait=yes,exit' -t -- sh -c 'tty && echo yes')" '/dev/pts/' \
	'... and a terminal'
pod_end
leftovers exec
finish
