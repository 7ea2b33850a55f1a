#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Flows through libslirp: how the kernel remembers which they are, and what is
# left of them when they are over.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'

pod slirp --datapath slirp -- sleep 1000 || bail 'the pod did not start'

# The helper's processes by what they have: netstack the TAP, the maker the
# hop's network.
NETSTACK='' MAKER=''
for p in $(children "$SUP"); do
	[ "$(find "/proc/$p/fd" -lname /dev/net/tun)" ] && NETSTACK=$p
	nsenter -t "$p" -n ip link show p0 >/dev/null 2>&1 && MAKER=$p
done
check 'netstack is found' [ "$NETSTACK" ]
check 'the hop is found' [ "$MAKER" ]

# members SET PORT: how many flows from the pod to that port it has
members()
{
	nsenter -t "$MAKER" -n nft list set netdev hop "$1" |
		grep -o "$POD4 \. [0-9]* \. $PEER4 \. $2 " | wc -l
}
is_in() # SET PORT
{
	[ "$(members "$1" "$2")" = 1 ]
}
is_out()
{
	[ "$(members "$1" "$2")" = 0 ]
}

# A connection that is half-closed when its standard input, a FIFO, ends
cat >"$T/steps.py" <<'END'
import socket, sys

s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
print('open', flush=True)
sys.stdin.read()
s.shutdown(socket.SHUT_WR)
s.settimeout(None)
print('answer', s.recv(1000).decode().strip(), flush=True)
END
flow() # NAME PORT: a client in the pod, steered by descriptor 9
{
	mkfifo "$T/$1.in"
	nsenter -t "$POD" -n -- "$PY" "$T/steps.py" "$PEER4" "$2" \
		<"$T/$1.in" >"$T/$1.out" 2>"$T/$1.err" &
	SPAWNED+=("$!")
	exec 9>"$T/$1.in"
	wait_for "$GUARD" grep -q open "$T/$1.out"
}
# a server that gets the end of file and then waits to be told to answer
cat >"$T/patient.py" <<'END'
import os, socket, sys, time

ls = socket.create_server(('', int(sys.argv[1])))
while True:
    c, _ = ls.accept()
    while c.recv(65536):
        pass
    print('eof', flush=True)
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.05)
    c.sendall(b'late\n')
    c.close()
END
spawn patient "${IN_PEER[@]}" "$PY" "$T/patient.py" 9001 "$T/answer"
wait_port peer 9001
check 'a flow' flow half 9001
check '... is in slow4' wait_for 5 is_in slow4 9001
exec 9>&- # its standard input ends: it half-closes
check '... the server gets its FIN' wait_for "$GUARD" \
	grep -q eof "$T/patient.out"
check '... with one FIN it still is' is_in slow4 9001
check '... and not in closing4' is_out closing4 9001
is "$(members fin_pod4 9001) $(members fin_tap4 9001)" '1 0' \
	'... which end is closed is known'
if [ "${PODSPLICE_LONG-}" ]; then
	# silent for longer than closing4 remembers
	sleep 75
	check '... after 75 s, too' is_in slow4 9001
fi
: >"$T/answer"
check '... the answer comes' wait_for 20 grep -q 'answer late' "$T/half.out"
check '... with both FINs it is in closing4' wait_for 5 is_in closing4 9001
check '... and no longer in slow4' is_out slow4 9001
rm -f "$T/answer"

# The same from the other end, and a reset
nsenter -t "$POD" -n -- "$PY" "$T/net.py" be-reset "$PEER4" 9000 \
	>"$T/reset.out"
is "$(cat "$T/reset.out")" ECONNRESET 'a flow that the server resets'
check '... is in closing4' wait_for 5 is_in closing4 9000
check '... and no longer in slow4' is_out slow4 9000

# The server ends first, and reads what the pod sends long after its end: by
# then the pod's kernel knows no such flow, and answers each word of it
cat >"$T/late.py" <<'END'
import os, socket, sys, time

if sys.argv[1] == 'serve':
    c, _ = socket.create_server(('', int(sys.argv[2]))).accept()
    c.shutdown(socket.SHUT_WR)
    while not os.path.exists(sys.argv[3]):
        time.sleep(0.05)
    n = 0
    try:
        while data := c.recv(4096):
            n += len(data)
            time.sleep(0.002)
        print('end', n, flush=True)
    except OSError as e:
        print(e, n, flush=True)
else:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
    s.recv(1)  # the end
    s.setblocking(False)
    n = 0
    last = time.monotonic()
    # until nothing more fits anywhere
    while time.monotonic() < last + 0.5:
        try:
            n += s.send(b'x' * 65536)
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    s.close()
    print('sent', n, flush=True)
END
# in small steps
in_host_net sysctl -qw net.ipv4.tcp_wmem='4096 16384 16384'
spawn late "${IN_PEER[@]}" "$PY" "$T/late.py" serve 9002 "$T/read"
LATE=$PID
wait_port peer 9002
SENT=$(guard nsenter -t "$POD" -n -- "$PY" "$T/late.py" "$PEER4" 9002)
: >"$T/read"
reap "$LATE"
is "$(cat "$T/late.out")" "end ${SENT#sent }" \
	'what is read late, after both ends, is whole'

# What the pod resets, and what dies with netstack, is reset for the server,
# never ended as if it were complete
held_by_server() # N: so many have told it what they want, ever
{
	[ "$(grep -c '^hold' "$T/peer-9000.out")" = "$1" ]
}
resets_seen() # N
{
	[ "$(grep -c '^end ECONNRESET' "$T/peer-9000.out")" = "$1" ]
}
is "$(pod_net do-reset "$PEER4" 9000)" OK 'a flow that the pod resets'
check '... is reset for the server' wait_for 20 resets_seen 1
check 'a flow that the pod half-closes' flow cut 9001
exec 9>&-
check '... and the server keeps open' wait_for 5 is_in slow4 9001
spawn held nsenter -t "$POD" -n -- "$PY" "$T/net.py" hold "$PEER4" 9000 3
check 'flows that go on' wait_for "$GUARD" held_by_server 4
OLD=$NETSTACK
kill -KILL "$NETSTACK"
check '... are reset for the server when netstack dies' \
	wait_for 20 resets_seen 4
netstack_again()
{
	NETSTACK=
	for p in $(children "$SUP"); do
		[ "$(find "/proc/$p/fd" -lname /dev/net/tun 2>/dev/null)" ] &&
			[ "$p" != "$OLD" ] && NETSTACK=$p
	done
	[ "$NETSTACK" ]
}
check '... its flows are forgotten' wait_for 5 is_out slow4 9001
is "$(members fin_pod4 9001) $(members slow4 9000)" '0 0' '... all of them'
check '... and it is started again' wait_for 20 netstack_again

# Memory: each connection has buffers of 256 KiB, and they go back
private_kib()
{
	awk '/^Private_/ { n += $2 } END { print n }' \
		"/proc/$NETSTACK/smaps_rollup"
}
is "$(pod_net churn "$PEER4" 9000 100)" 100 'warmed up'
KIB=$(private_kib)
is "$(pod_net churn "$PEER4" 9000 2000)" 2000 '2000 short connections'
is "$(pod_net many "$PEER4" 9000 200)" 200 '200 at once'
small()
{
	[ "$(private_kib)" -le $((KIB + 65536)) ]
}
check 'their memory goes back to the kernel' wait_for 20 small
note "netstack's private memory: $KIB KiB before, $(private_kib) after"
pod_end

stop_spawned
leftovers slow_flows
finish
