#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ports that are published through one interface, which is deleted and made
# again meanwhile: sockets are bound to its number, SPECs to its name.
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

stop_spawned
leftovers links
finish
