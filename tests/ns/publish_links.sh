#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ports that are published through one interface, which is deleted and made
# again meanwhile: sockets are bound to its number, SPECs to its name. And an
# interface that takes no packet for a while.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

install -m 644 "$LIB/udp.py" "$T/udp.py"
PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/links.sock
OURS=198.18.9.1 THEIRS=198.18.9.2
serve_peer 9000 || bail 'no server on the other host'

link9() # a second link between the two hosts
{
	ip link add eth9 netns "$HOSTNS" type veth peer name eth9 netns "$PEERNS"
	in_peer_net sh -ec "ip addr add $THEIRS/24 dev eth9; ip link set eth9 up"
	in_host_net sh -ec "ip addr add $OURS/24 dev eth9; ip link set eth9 up"
}

unlink9()
{
	in_host_net ip link del eth9
}

ids()
{
	as_user "$PODSPLICE" port --json --control "$SOCK" |
		"$PY" -c 'import json, sys
print(*[p["id"] for p in json.load(sys.stdin)["ports"]])'
}

udp_who()
{
	guard "${IN_PEER[@]}" "$PY" "$T/udp.py" who "$OURS" 7000 2>&1
}

who_is()
{
	[ "$(peer_net who "$OURS" "$1")" = "$THEIRS same-port" ]
}

# serves NAME: soon, and what is bound elsewhere at once
serves()
{
	is "$(peer_net who "$HOST4" 8090)" "$PEER4 same-port" \
		"$1: a port without an interface"
	for port in 8080 8081; do
		check "$1: TCP, $port" wait_for 20 who_is "$port"
	done
	is "$(udp_who)" "$THEIRS own port" "$1: UDP"
}

link9
pod links --control "$SOCK" -p '%eth9:8080-8081:80-81' -p 8090:80 \
	-p '%eth9:7000:7000/udp' -- sh -c "$PY $T/udp.py serve 7000 &
	$PY $T/net.py serve 81 & exec $PY $T/net.py serve 80" ||
	bail 'the pod did not start'
wait_port pod 80
wait_port pod 81
wait_port pod 7000 u
serves 'at first'
IDS=$(ids) FDS=$(fds "$SUP")

spawn steady "${IN_PEER[@]}" "$PY" "$T/udp.py" steady "$OURS" 7000 "$T/stop"
STEADY=$PID
check 'a client of UDP that goes on' wait_for 20 \
	eval '[ "$(stat_of "s[\"flows\"][\"udp\"][\"open\"]")" = 2 ]'
for what in 'made again' 'once more'; do
	unlink9
	is "$(peer_net who "$HOST4" 8090)" "$PEER4 same-port" \
		'deleted: other ports are served'
	link9
	serves "$what"
done
: >"$T/stop"
reap "$STEADY"
is "$STATUS $(cat "$T/steady.out")" '0 1 True' \
	'... the client of UDP has noticed nothing, nor has the pod'
is "$(ids)" "$IDS" '... the ports have the ids they had'
is "$(fds "$SUP")" "$FDS" '... and no more descriptors'

# another one gets the name
in_host_net ip link set eth9 down
in_host_net ip link set eth9 name eth8
in_peer_net ip link set eth9 down
in_peer_net ip link set eth9 name eth8
link9
serves 'another has its name now'
in_host_net ip link del eth8

# a portfwd that knows nothing of all that
helper || bail 'no helper'
OLD=$PORTFWD
kill -KILL "$OLD"
new_portfwd()
{
	helper && [ "$PORTFWD" != "$OLD" ]
}
check 'portfwd is started again' wait_for 20 new_portfwd
serves '... and has the new sockets'
unlink9
link9
serves '... which are bound anew again'

# removed and added while the interface is away
unlink9
as_user "$PODSPLICE" port rm --control "$SOCK" '%eth9:8080-8081:80-81' \
	>"$T/rm.out" 2>&1
like "$(as_user "$PODSPLICE" port add --control "$SOCK" '%eth9:8080:80' 2>&1)" \
	'%eth9:8080/tcp: no such interface' 'no interface: a port is not added'
link9
is "$(in_host ss -Hlnt 'sport = :8080 or sport = :8081')" '' \
	'... and a removed one stays removed'
pod_end
is "$(grep -v 'portfwd: ended' "$T/links.err")" '' 'nothing was said'

# The first SPEC that names one comes later; and without a pod

pod later --control "$SOCK" -p 8090:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'the pod did not start'
wait_port pod 80
like "$(as_user "$PODSPLICE" port add --control "$SOCK" '%eth9:8080:80')" . \
	'a port that is added live'
check '... is served' who_is 8080
unlink9
link9
check '... when its interface is made again, too' wait_for 20 who_is 8080
pod_end

spawn forward "${AS_USER[@]}" "$PODSPLICE" forward -p '%eth9:8085:9000' "$PEER4"
SUP=$PID
wait_port host 8085
is "$(peer_net get "$OURS" 8085 100000)" OK 'forward'
unlink9
link9
got()
{
	[ "$(peer_net get "$OURS" 8085 100000)" = OK ]
}
check '... when its interface is made again, too' wait_for 20 got
kill "$SUP"
reap "$SUP"
unlink9

# The queue of the device is full: the kernel refuses what is sent (ENOBUFS)

serve_splice 9100 || bail 'no second server on the other host'
pod full --control "$SOCK" -p 8080:80 -p 7000:7000/udp -- sh -c \
	"$PY $T/udp.py serve 7000 :: log & exec $PY $T/net.py serve 80" ||
	bail 'the pod did not start'
wait_port pod 80
wait_port pod 7000 u
in_peer_net ip neigh replace "$HOST4" dev eth0 nud permanent \
	lladdr "$(in_host_net cat /sys/class/net/eth0/address)"
cat >"$T/full.py" <<'END'
import os, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((sys.argv[1], 7000))
def echo(data):
    s.send(data)
    return s.recv(100).decode()
def wait(name):
    while not os.path.exists(sys.argv[2] + name):
        time.sleep(.02)
print(echo(b'before'), flush=True)
wait('.full')
for i in range(20):
    s.send(b'lost %d' % i)
wait('.free')
print(echo(b'after'), echo(b'once more'), flush=True)
END
spawn client "${IN_PEER[@]}" "$PY" "$T/full.py" "$HOST4" "$T/device"
CLIENT=$PID
wait_for 20 grep -q before "$T/client.out"
check 'a flow out of the pod' steady out "$PEER4" 9100
BEFORE=$(stat_of 's["errors"]["unreachable"]')
in_host_net tc qdisc replace dev eth0 root pfifo limit 0
: >"$T/device.full"
counted()
{
	[ "$(stat_of 's["errors"]["unreachable"]')" = $((BEFORE + 20)) ]
}
check 'a full device: each datagram that is lost is counted' \
	wait_for 20 counted
spawn waits "${IN_PEER[@]}" "$PY" "$T/net.py" get "$HOST4" 8080 100000
WAITS=$PID
in_host_net tc qdisc del dev eth0 root
: >"$T/device.free"
reap "$CLIENT"
is "$STATUS $(tail -n 1 "$T/client.out")" '0 after once more' \
	'... it takes packets again: nothing else was lost'
is "$(cut -d' ' -f2 "$T/full.out" | sort -u | wc -l)" 1 \
	'... the client was one flow all the time'
reap "$WAITS"
is "$(cat "$T/waits.out")" OK '... who connected meanwhile is served'
steady_ends out '... every byte of a flow of TCP was right'
is "$(stat_of 's["errors"]["unreachable"]')" $((BEFORE + 20)) \
	'... and no more was counted'
pod_end
is "$(cat "$T/full.err")" '' '... nor said'

stop_spawned
leftovers links
finish
