#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From the pod to the world: TCP, UDP and ping, the errno of what fails, and
# the host's own loopback, which is out of reach unless asked for.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9002 4 || bail 'no UDP server there'
serve_peer_udp 9003 6 || bail 'no UDP server there'

# a client in the pod, as the pod's own command
pod_says()
{
	run_user -- "$PY" "$T/net.py" "$@"
	echo "$OUT${ERR:+ [$ERR]}"
}

# Ready means ready: the very first thing a command does works.
is "$(pod_says who "$PEER4" 9000 | cut -d' ' -f1)" "$HOST4" \
	'TCP at once, IPv4, from the host'\''s address'
is "$(pod_says who "$PEER6" 9000 | cut -d' ' -f1)" "$HOST6" \
	'TCP at once, IPv6'
is "$(pod_says udp "$PEER4" 9002)" "OK $HOST4" 'UDP at once, IPv4'
is "$(pod_says udp "$PEER6" 9003)" "OK $HOST6" 'UDP at once, IPv6'

# One pod for the rest; everything in it is an ordinary client's doing.
pod idle -- sleep 1000 || bail 'the pod did not start'
is "$(timeout 20 nsenter -t "$POD" -n "$PY" -c "
import socket, sys
sys.path.insert(0, '$T')
import net
net.HANG = 5
net.put('$FAR4', 9000, 10485760)")" OK 'a first upload of 10 MiB has no stall'
is "$(pod_net get "$FAR4" 9000 50000000)" OK 'download, IPv4, beyond the link'
is "$(pod_net get "$FAR6" 9000 50000000)" OK 'download, IPv6, beyond the link'
is "$(pod_net put "$FAR6" 9000 50000000)" OK 'upload, IPv6'
is "$(pod_net many "$FAR4" 9000 200)" 200 '200 connections at once'
is "$(pod_net be-reset "$FAR4" 9000)" ECONNRESET 'reset by the server'
for size in 1 1400 5000 20000; do
	is "$(pod_net udp "$PEER4" 9002 $size)" "OK $HOST4" \
		"a datagram of $size bytes, IPv4"
done
for size in 1 1400; do
	is "$(pod_net udp "$PEER6" 9003 $size)" "OK $HOST6" \
		"a datagram of $size bytes, IPv6"
done

# errno
is "$(pod_net connect "$PEER4" 9)" ECONNREFUSED 'refused, IPv4'
is "$(pod_net connect "$PEER6" 9)" ECONNREFUSED 'refused, IPv6'
is "$(pod_net connect 203.0.113.1 9)" \
	"$(host_net connect 203.0.113.1 9)" 'unreachable, IPv4, as for the host'
is "$(pod_net connect 2001:db8:dead::1 9)" \
	"$(host_net connect 2001:db8:dead::1 9)" \
	'unreachable, IPv6, as for the host'
in_host ip route add unreachable 198.51.100.77
is "$(pod_net connect 198.51.100.77 9)" \
	"$(host_net connect 198.51.100.77 9)" \
	"unreachable by the host's own routes"

# ping, with the pod's own means
run_user -- ping -c 1 -W 5 "$GW4"
is "$STATUS" 0 'ping of the gateway'
run_user -- ping -c 1 -W 5 "$GW6"
is "$STATUS" 0 '... over IPv6'
# from addresses whose MAC libslirp has to ask for: its answer waits
in_pod ip addr add 10.0.2.101/24 dev tap0
in_pod ip addr add fd00::101/64 dev tap0 nodad
like "$(in_pod ping -q -c 1 -W 5 -I 10.0.2.101 "$GW4" 2>&1)" ' 0% packet loss' \
	'... from a second address of the pod'
like "$(in_pod ping -q -c 1 -W 5 -I fd00::101 "$GW6" 2>&1)" ' 0% packet loss' \
	'... over IPv6'
# libslirp can't forward it, complains, and must not die of the complaint
in_pod ping -q -c 3 -i 0.2 -W 1 "$FAR6" >"$T/ping" 2>&1
like "$(cat "$T/ping")" '3 packets transmitted' 'a ping over IPv6, further off'
is "$(cat "$T/idle.err")" '' '... is no error'
in_pod ip addr del 10.0.2.101/24 dev tap0
in_pod ip addr del fd00::101/64 dev tap0

# The host's loopback. The servers there tell whom they met.
for bind in 127.0.0.1 ::1; do
	family=4
	[ "$bind" = 127.0.0.1 ] || family=6
	spawn "lo-$family" "${IN_HOST[@]}" "$PY" "$T/net.py" serve 9100 \
		"$family" "$bind" "loopback"
	spawn "lo-udp-$family" "${IN_HOST[@]}" "$PY" "$T/net.py" udp-serve \
		9100 "$family" "$bind"
	spawn "lo-udp53-$family" "${IN_HOST[@]}" "$PY" "$T/net.py" udp-serve \
		53 "$family" "$bind"
done
wait_port host 9100 && wait_port host 9100 u && wait_port host 53 u
is "$(host_net banner 127.0.0.1 9100)" loopback 'the host reaches its loopback'
is "$(host_net banner ::1 9100)" loopback '... over IPv6'
is "$(host_net udp 127.0.0.1 9100)" 'OK 127.0.0.1' '... over UDP'

# where any byte that reaches those servers shows
reached()
{
	cat "$T"/lo-*.out
}
BEFORE=$(reached)
TARGETS="127.0.0.1 127.0.0.2 127.255.255.254 0.0.0.0 0.0.0.1 $GW4 $DNS4
10.0.2.77 10.0.2.255 10.0.2.0 255.255.255.255 224.0.0.1 :: ::1 $GW6 $DNS6
fd00::77 ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:$GW4 ::127.0.0.1
64:ff9b::7f00:1 fe80::2 ff02::1%tap0"
ASKED=()
for target in $TARGETS; do
	spawn "to-$target" timeout 3 nsenter -t "$POD" -n "$PY" "$T/net.py" \
		connect "$target" 9100
	ASKED+=("$PID")
	pod_net udp-send "$target" 9100 >/dev/null
done
for target in $TARGETS; do
	reap "${ASKED[0]}"
	ASKED=("${ASKED[@]:1}")
	unlike "$(cat "$T/to-$target.out")" '^(OK|EOF)' \
		"no TCP to the host's loopback by $target"
done
# The same as frames, past the routes of the pod's kernel. Some addresses are
# then really on the wire: to the gateway's MAC, from the pod's address.
GWMAC=$(in_pod ip neigh show "$GW4" | grep -o 'lladdr [^ ]*' | cut -d' ' -f2)
like "$GWMAC" '^([0-9a-f]{2}:){5}[0-9a-f]{2}$' "the gateway's neighbour entry"
is "$(in_pod "$PY" "$T/net.py" raw-syn tap0 "$GWMAC" "$POD4,$POD6" \
	9100 127.0.0.1 127.0.0.2 0.0.0.0 0.0.0.1 "$GW4" "$DNS4" 10.0.2.77 \
	10.0.2.255 255.255.255.255 :: ::1 "$GW6" "$DNS6" fd00::77 \
	::ffff:127.0.0.1 ::ffff:0.0.0.0 "::ffff:$GW4" fe80::2)" 36 \
	'the same in raw frames'
# ... and as if from the loopback itself
in_pod "$PY" "$T/net.py" raw-syn tap0 "$GWMAC" "127.0.0.1,::1" 9100 \
	127.0.0.1 "$GW4" ::1 "$GW6" >/dev/null
in_pod "$PY" "$T/net.py" raw-syn tap0 "$GWMAC" "$POD4,$POD6" 53 \
	127.0.0.1 0.0.0.0 ::1 "$GW4" "$GW6" >/dev/null
# behind all of it in every queue: a datagram that must get through
is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" 'the pod still works'
is "$(pod_net who "$PEER4" 9000 | cut -d' ' -f1)" "$HOST4" '... over TCP'
is "$(reached)" "$BEFORE" "nothing came to the host's loopback"
# while an address of the host's that is no loopback is reached
serve_host()
{
	spawn hosted "${IN_HOST[@]}" "$PY" "$T/net.py" serve 9101
	wait_port host 9101
}
serve_host
is "$(pod_net connect "$HOST4" 9101)" OK "the host's own address, IPv4"
is "$(pod_net connect "$HOST6" 9101)" OK "the host's own address, IPv6"
pod_end

# --host-loopback opens the gateway, and nothing else
pod loopback --host-loopback -- sleep 1000 || bail 'the pod did not start'
is "$(pod_net banner "$GW4" 9100)" loopback '--host-loopback: the gateway, IPv4'
is "$(pod_net banner "$GW6" 9100)" loopback '--host-loopback: the gateway, IPv6'
is "$(pod_net udp "$GW4" 9100)" 'OK 127.0.0.1' '--host-loopback: UDP'
is "$(pod_net connect 127.0.0.1 9100)" ECONNREFUSED \
	"--host-loopback: the pod's own loopback stays its own"
BEFORE=$(reached)
GWMAC=$(in_pod ip neigh show "$GW4" | grep -o 'lladdr [^ ]*' | cut -d' ' -f2)
in_pod "$PY" "$T/net.py" raw-syn tap0 "$GWMAC" "$POD4,$POD6" 9100 127.0.0.1 \
	0.0.0.0 10.0.2.77 "$DNS4" ::1 :: "$DNS6" >/dev/null
is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" '--host-loopback: works'
is "$(reached)" "$BEFORE" '--host-loopback: no other address opens it'
pod_end

# what only means something on one of the host's links is none of the pod's
in_peer ip addr add 169.254.7.7/16 dev eth0
in_host ip addr add 169.254.7.1/16 dev eth0
is "$(host_net udp 169.254.7.7 9002)" 'OK 169.254.7.1' \
	'the host reaches a link-local address'
no_link_local() # PATH
{
	is "$(pod_net connect 169.254.7.7 9000)" ENETUNREACH \
		"link-local, $1: no TCP"
	unlike "$(pod_net udp 169.254.7.7 9002)" '^OK' "link-local, $1: no UDP"
	unlike "$(in_pod ping -q -c 1 -W 1 169.254.7.7 2>&1)" \
		' 0% packet loss' "link-local, $1: no ping"
}

# --host-port opens one port of it, under another number, too
for path in auto slirp; do
	pod "host-port-$path" --datapath "$path" --host-port 9100 \
		--host-port 9100:80 -- sleep 1000 || bail 'the pod did not start'
	is "$(pod_net banner "$GW4" 9100)" loopback "--host-port, $path: IPv4"
	is "$(pod_net banner "$GW6" 9100)" loopback "--host-port, $path: IPv6"
	is "$(pod_net udp "$GW4" 9100)" 'OK 127.0.0.1' "--host-port, $path: UDP"
	is "$(pod_net connect "$GW4" 9101)" ENETUNREACH \
		"--host-port, $path: no other port"
	want='^loopback$'
	[ "$path" = slirp ] && want='ENETUNREACH'
	like "$(pod_net banner "$GW4" 80)" "$want" \
		"--host-port 9100:80, $path"
	BEFORE=$(reached)
	pod_net udp-send "$GW4" 9101 >/dev/null
	is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" "--host-port, $path: works"
	is "$(reached)" "$BEFORE" "--host-port, $path: no other UDP port"
	no_link_local "$path"
	pod_end
done

stop_spawned
in_host ip addr del 169.254.7.1/16 dev eth0
in_host ip route del unreachable 198.51.100.77
leftovers egress
finish
