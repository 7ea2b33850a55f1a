#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Others of the same account have taken all the memory for pipes that a user may
# have: up to the soft limit (pipes are small then), up to the hard one (there
# are none: data is copied). It ends by itself when they give it back.
#
# The limits are of users, and not of namespaces: the account is this test's
# alone. It is there for good, like that of the other tests.
PODSPLICE_TEST_ACCOUNT=podsplice-pipes
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

SOCK=$WORK/pipes.sock
serve_peer 9001 || bail 'no server on the other host'
PORTS_BEFORE=$(ports_of_host)
HARD=/proc/sys/fs/pipe-user-pages-hard
SOFT_PAGES=$(cat /proc/sys/fs/pipe-user-pages-soft)
HARD_BEFORE=$(cat "$HARD")
if [ "$SOFT_PAGES" = 0 ] || [ "$SOFT_PAGES" -gt 100000 ]; then
	skip_all "the soft limit of pages in pipes is $SOFT_PAGES"
fi

put_back()
{
	local rc=$?
	echo "$HARD_BEFORE" >"$HARD"
	return "$rc"
}
trap 'put_back; cleanup' EXIT

cat >"$T/pipes.py" <<'END'
"""pipes.py take soft|hard: as many pages of pipes as that limit leaves.
pipes.py size PID: bytes that the pipe of that process has room for, 0: none"""
import fcntl
import os
import resource
import sys
import time

SET, GET = 1031, 1032  # F_SETPIPE_SZ, F_GETPIPE_SZ


def take(limit):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held, full = [], None
    while not full or limit == 'hard':
        try:
            held.append(os.pipe())
            if not full:
                fcntl.fcntl(held[-1][1], SET, 1 << 20)
        except PermissionError as e:  # the soft one: small ones may be made
            full = e
        except OSError as e:
            full = e
            break
    print('taken', len(held), full, flush=True)
    time.sleep(1000)


def size(pid):
    sizes = [0]
    for fd in os.listdir(f'/proc/{pid}/fd'):
        path = f'/proc/{pid}/fd/{fd}'
        if os.readlink(path).startswith('pipe:'):
            end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            sizes.append(fcntl.fcntl(end, GET))
            os.close(end)
    print(max(sizes))


{'take': take, 'size': size}[sys.argv[1]](sys.argv[2])
END

start() # NAME
{
	pod "$1" --control "$SOCK" -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
		bail 'no pod'
	wait_port pod 80
	helper || bail 'a process is missing'
}

taken() # soft|hard: by somebody else; PIPES
{
	spawn "taken-$1" "${AS_USER[@]}" "$PY" "$T/pipes.py" take "$1"
	PIPES=$PID
	check "all pipes up to the $1 limit are taken" \
		wait_for 20 grep -q taken "$T/taken-$1.out"
	note "$(cat "$T/taken-$1.out")"
}

given_back()
{
	kill "$PIPES"
	wait_for 10 gone "$PIPES"
}

serves() # NAME
{
	is "$(peer_net get "$HOST4" 8080 1000000)" OK "$1: published, IPv4"
	is "$(peer_net put "$HOST6" 8080 1000000)" OK "$1: published, IPv6"
	is "$(pod_net get "$PEER4" 9001 1000000)" OK "$1: egress, IPv4"
	is "$(peer_net many "$HOST4" 8080 100)" 100 "$1: 100 at once"
}

# a flow moves bytes, and the pipe is N bytes large then
pipe_is() # N
{
	peer_net get "$HOST4" 8080 100000 >/dev/null
	[ "$("$PY" "$T/pipes.py" size "$PORTFWD")" = "$1" ]
}

told()
{
	stat_of 's["errors"]["pipe_quota"]'
}

# Small pipes

taken soft
start soft
serves 'the soft limit'
check '... the pipe is small' eval '! pipe_is 1048576'
is "$(told)" 1 '... which is counted'
spawn stream "${IN_PEER[@]}" "$PY" "$T/net.py" stream "$HOST4" 8080
STREAM=$PID
wait_for 20 grep -q running "$T/stream.out"
given_back
check 'given back: the pipe is large, soon' wait_for 20 pipe_is 1048576
serves 'given back'
is "$(told)" 1 '... the counter has not moved'
is "$(cat "$T/stream.out")" running '... a flow has lived through it'
kill "$STREAM"
is "$(cat "$T/soft.err")" '' '... and nothing was said'
pod_end

# None

echo $((SOFT_PAGES + 1000)) >"$HARD" 2>/dev/null
if [ "$(cat "$HARD")" = $((SOFT_PAGES + 1000)) ]; then
	start hard
	is "$(stat_of 's["flows"]["copy"]["total"]')" 0 'with a pipe: no copies'
	OLD=$PORTFWD
	kill -STOP "$SUP"
	kill -KILL "$OLD"
	wait_for 10 gone "$OLD"
	taken hard
	run_user -- true
	like "$STATUS ${ERR##*$'\n'}" \
		'^(0 |125 podsplice: pipe: Too many open files in system)$' \
		'another pod: it works, or says why'
	kill -CONT "$SUP"
	new_portfwd()
	{
		helper && [ "$PORTFWD" != "$OLD" ]
	}
	check 'a portfwd that is started now' wait_for 20 new_portfwd
	serves '... the hard limit'
	check '... it has no pipe' pipe_is 0
	is "$(told)" 1 '... which is counted'
	like "$(stat_of 's["flows"]["splice"]["total"],
		s["flows"]["copy"]["total"]')" '^0 1[0-9][0-9]$' \
		'... its flows are told as copied'
	like "$(grep -c 'relay: no pipe .*: data is copied, slower' "$T/hard.err")" \
		'^1$' '... in one line'
	COPIED=$(stat_of 's["flows"]["copy"]["total"]')
	given_back
	check 'given back: there is a pipe, soon' wait_for 20 pipe_is 1048576
	serves 'given back'
	is "$(told)" 1 '... the counter has not moved'
	like "$(stat_of 's["flows"]["splice"]["total"]')" '^1[0-9]+$' \
		'... new flows are spliced'
	check '... and those told as copied still are' test \
		"$(stat_of 's["flows"]["copy"]["total"]')" -ge "$COPIED"
	pod_end
else
	skip 'no pipes at all' "$HARD can't be written"
fi

stop_spawned
leftovers pipes
finish
