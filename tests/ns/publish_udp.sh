#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Published UDP ports with real servers and clients: who is seen as whom, sizes
# and boundaries of datagrams, what a DNS server does, ICMP, the life of flows.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
install -m 644 "$LIB/udp.py" "$T/udp.py"
SOCK=$WORK/control.sock
GUARD=60

peer_udp()
{
	guard "${IN_PEER[@]}" "$PY" "$T/udp.py" "$@" 2>&1 </dev/null
}

host_udp()
{
	guard "${IN_HOST[@]}" "$PY" "$T/udp.py" "$@" 2>&1 </dev/null
}

# serving NAME PORT BIND RUN-ARGS...: a pod with udp.py's server
serving()
{
	local name=$1 port=$2 bind=$3
	shift 3
	rm -f "$SOCK"
	pod "$name" --control "$SOCK" "$@" -- "$PY" "$T/udp.py" serve "$port" \
		"$bind" log || bail "$name: no pod"
	wait_port pod "$port" u || bail "$name: no server"
	helper || bail "$name: no helper"
}

# what both ways of steering are to do
everybody()
{
	local via host
	for host in "$HOST4 $PEER4" "$HOST6 $PEER6"; do
		# shellcheck disable=SC2086 # two words
		set -- "$1" $host
		is "$(peer_udp who "$2" 7000)" "$3 own port" \
			"$1: the pod sees the other host's address, $2"
	done
	for host in "127.0.0.1 $GW4" "::1 $GW6"; do
		# shellcheck disable=SC2086 # two words
		set -- "$1" $host
		like "$(host_udp who "$2" 7000)" "^$3 " \
			"$1: a client on loopback is the gateway, $2"
	done
	for via in "peer $HOST4" "peer $HOST6" "host 127.0.0.1" "host ::1"; do
		host=${via#* }
		is "$("${via% *}_udp" sizes "$host" 7000 0 1 100 1452 1472 1473 \
			2000 8900 40000 65507 | grep -c OK)" 10 \
			"$1: datagrams of all sizes, $via"
		is "$("${via% *}_udp" mix "$host" 7000 2000)" '2000 OK' \
			"$1: a mix of sizes, $via"
		is "$("${via% *}_udp" mix "$host" 7000 4000 gso)" '4000 OK' \
			"$1: a mix, some sent together, $via"
		is "$("${via% *}_udp" burst "$host" 7000 1200 40)" '40 short' \
			"$1: what the pod sends together, $via"
	done
	# a server that asks from the port that it serves
	for host in "$PEER4 $HOST4" "$PEER6 $HOST6"; do
		# shellcheck disable=SC2086 # two words
		set -- "$1" $host
		is "$(peer_udp ask "$3" 7000 out "$2" 9053)" \
			"$2 said question" \
			"$1: the server asks others from its own port, $2"
	done
}

spawn upstream "${IN_PEER[@]}" "$PY" "$T/udp.py" serve 9053
wait_port peer 9053 u || bail 'no server on the other host'

# a range, TCP beside UDP, a server for all addresses

serving wildcard 7000 :: -p 7000-7010:7000-7010/udp -p 7000:7000 \
	-p 7100:7000/udp,source=off -p 7101:7000/udp,max=2 -p 7102:7000/udp,idle=2
everybody 'in the kernel'
is "$(peer_udp gro "$HOST4" 7000 1200 40)" 'OK together' \
	'datagrams that are sent together stay so'
like "$(peer_udp who "$HOST4" 7100)" "^$GW4 " 'source=off: the gateway'

# the address that was asked
in_host ip addr add 192.0.2.11/24 dev eth0
in_host ip addr add 2001:db8:1::11/64 dev eth0 nodad
is "$(peer_udp asked 7000 "$HOST4" 192.0.2.11 "$HOST4")" "True True $PEER4
True True $PEER4
True True $PEER4
2 ports" 'answers come from the address that was asked (IPv4)'
is "$(peer_udp asked 7000 2001:db8:1::11 "$HOST6")" "True True $PEER6
True True $PEER6
2 ports" '... IPv6'
in_host ip addr del 192.0.2.11/24 dev eth0
in_host ip addr del 2001:db8:1::11/64 dev eth0

# a limit of flows
is "$(peer_udp who "$HOST4" 7101 2 | wc -l)" 2 'max=2: two clients'
HANG_OK=$(timeout 2 "${IN_PEER[@]}" "$PY" "$T/udp.py" who "$HOST4" 7101 2>&1)
is "$HANG_OK" '' '... and not a third'

# what is told
like "$(stat_of 's["flows"]["udp"]["open"], s["traffic"]["udp"]["packets_in"]')" \
	'^[1-9][0-9]* [1-9][0-9]*$' 'stats: flows and packets of UDP'
like "$(stat_of 's["errors"]["source_lost"]')" '^[1-9]' \
	'stats: addresses that were not kept'
is "$(stat_of 's["errors"]["policy"]')" 1 'stats: one over the limit'
like "$(as_user "$PODSPLICE" flows --json --control "$SOCK")" \
	"\"path\": *\"udp\"" 'flows: their path is udp'

# idle=: the set is left first, then the socket goes
in_set() # PORT: of the client
{
	nsenter -t "$MAKER" -n nft list set netdev hop udp4 |
		grep -q "10.0.2.100 . 7000 . $PEER4 . $1 "
}
sockets_of_hop()
{
	nsenter -t "$MAKER" -n ss -Hnu state established | grep -c ":$1 "
}
flow_is()
{
	[ "$(sockets_of_hop "$1")" = "$2" ]
}
cat >"$T/bound.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', int(sys.argv[3])))
s.settimeout(20)
s.sendto(b'who', (sys.argv[1], int(sys.argv[2])))
print(s.recv(100).decode())
END
is "$(in_peer "$PY" "$T/bound.py" "$HOST4" 7102 4321)" "$PEER4 4321" \
	'idle=2: a client'
in_peer "$PY" "$T/bound.py" "$HOST4" 7000 4322 >"$T/bound"
check '... is in the set of the hop' in_set 4321
check '... and goes' wait_for 20 flow_is 4321 0
check '... from the set, too' eval '! in_set 4321'
check 'one of an ordinary port stays' in_set 4322
is "$(sockets_of_hop 4322)" 1 '... with its socket'

# restarts: flows come back by themselves
for who in PORTFWD NETSTACK MAKER; do
	helper
	old=${!who}
	rm -f "$T/stop"
	spawn "steady-$who" "${IN_PEER[@]}" "$PY" "$T/udp.py" steady "$HOST4" \
		7000 "$T/stop"
	STEADY=$PID
	kill -KILL "$old"
	new_one()
	{
		helper && [ "${!who}" != "$old" ]
	}
	check "$who is started again" wait_for 20 new_one
	touch "$T/stop"
	reap "$STEADY"
	is "$STATUS $(cat "$T/steady-$who.out")" '0 1 True' \
		'... and the client goes on, seen as itself'
done
pod_end
is "$STATUS" 143 'the pod ends in order'
leftovers wildcard

# servers bound to one address; only one family in the pod
serving bound4 7000 "$POD4" -p 7000:7000/udp
is "$(peer_udp who "$HOST4" 7000)" "$PEER4 own port" 'a server of one address'
like "$(peer_udp who "$HOST6" 7000)" "^$GW4 " \
	'a client of the other family is served by the gateway'
like "$(host_udp who ::1 7000)" "^$GW4 " '... on loopback, too'
is "$(in_pod ss -Hnu state established | wc -l)" 0 'no socket of ours in the pod'
pod_end
serving bound6 7000 "$POD6" -p 7000:7000/udp
is "$(peer_udp who "$HOST6" 7000)" "$PEER6 own port" '... of IPv6'
like "$(peer_udp who "$HOST4" 7000)" "^$GW6 " '... and its other family'
like "$(host_udp who 127.0.0.1 7000)" "^$GW6 " '... on loopback, too'
is "$(stat_of 's["errors"]["source_lost"]')" 2 \
	'... each of these clients is counted once, whatever was tried'
pod_end
leftovers bound

# addresses of the host, conflicts
serving one4 7000 :: -p "$HOST4:7000:7000/udp" -p "[::1]:7001:7000/udp" \
	-p 7000:7000
is "$(in_host ss -Hlnu | awk '{ print $4 }' | sort | tr '\n' ' ')" \
	"$HOST4:7000 [::1]:7001 " 'what is bound'
is "$(peer_udp who "$HOST4" 7000)" "$PEER4 own port" 'one address of the host'
like "$(host_udp who ::1 7001)" "^$GW6 " '... and loopback'
run_user -p 7000:7000/udp -- true
like "$STATUS $ERR" "^125 podsplice: \*:7000/udp: address already in use \(by $SUP " \
	'a port that is taken: by whom'
pod_end

# ICMP
rm -f "$T/gone"
pod icmp -p 7000:7000/udp -- "$PY" "$T/udp.py" answer-gone 7000 ||
	bail 'no pod'
wait_port pod 7000 u
peer_udp tell "$HOST4" 7000 hello
reap "$SUP"
is "$(cat "$T/icmp.out")" ECONNREFUSED 'a client that is gone: IPv4'
pod icmp -p 7000:7000/udp -- "$PY" "$T/udp.py" answer-gone 7000 ||
	bail 'no pod'
wait_port pod 7000 u
peer_udp tell "$HOST6" 7000 hello
reap "$SUP"
is "$(cat "$T/icmp.out")" ECONNREFUSED '... IPv6'

# more errors than are taken in one turn, all there at once
in_peer_net sysctl -qw net.ipv4.icmp_ratelimit=0
rm -f "$SOCK" "$WORK/go"
pod gone --control "$SOCK" -p 7000:7000/udp -- "$PY" "$T/udp.py" \
	answer-all-gone 7000 40 "$WORK/go" || bail 'no pod'
wait_port pod 7000 u
helper || bail 'no helper'
is "$(peer_udp leave "$HOST4" 7000 40)" 40 '40 clients come and go'
kill -STOP "$PORTFWD"
touch "$WORK/go"
wait_for 20 grep -q answered "$T/gone.out"
kill -CONT "$PORTFWD"
reap "$SUP"
is "$(tail -n 1 "$T/gone.out")" 'refused 40' '... the server is told of each'

# while portfwd has no processor, datagrams wait
if [ "$(sysctl -n net.core.rmem_max)" -ge $((4 << 20)) ]; then
	serving waits 7000 :: -p 7000:7000/udp
	peer_udp who "$HOST4" 7000 >/dev/null
	kill -STOP "$PORTFWD"
	spawn waiting "${IN_PEER[@]}" "$PY" "$T/udp.py" queue "$HOST4" 7000 \
		1200 1500
	wait_for 20 grep -q sent "$T/waiting.out"
	kill -CONT "$PORTFWD"
	reap "$PID"
	is "$(tail -n 1 "$T/waiting.out")" 1500 '1500 datagrams in one go wait'
	like "$(nsenter -t "$MAKER" -n ss -Hunm)" ',rb8388608,' \
		'... and as many answers can'
	pod_end
else
	skip '1500 datagrams in one go wait' 'net.core.rmem_max is less'
	skip '... and as many answers can' 'net.core.rmem_max is less'
fi

in_host ip route replace "$FAR4" via "$PEER4" mtu 1300
in_host ip -6 route replace "$FAR6" via "$PEER6" mtu 1300
serving df 7000 :: -p 7000:7000/udp
is "$(peer_udp reply-to "$FAR4" "$HOST4" 7000 frag 1400)" 1400 \
	'what may be fragmented is, IPv4'
is "$(peer_udp reply-to "$FAR4" "$HOST4" 7000 df 1400)" EMSGSIZE \
	'what must not be is too big, and the pod knows, IPv4'
is "$(peer_udp reply-to "$FAR6" "$HOST6" 7000 df 1400)" EMSGSIZE '... IPv6'
is "$(peer_udp reply-to "$FAR6" "$HOST6" 7000 frag 1400)" 1400 \
	'IPv6 is fragmented by the pod, which knows the path now'
pod_end
in_host ip route del "$FAR4"
in_host ip -6 route del "$FAR6"
leftovers icmp

# a cap: few descriptors, more clients
FEW=("${AS_USER[@]}")
AS_USER=(prlimit --nofile=256:256 "${AS_USER[@]}")
serving few 7000 :: -p 7000:7000/udp
AS_USER=("${FEW[@]}")
is "$(peer_udp many "$HOST4" 7000 200)" 20 'more clients than there may be flows'
is "$(stat_of 's["flows"]["udp"]["open"], s["errors"]["evicted"]')" '64 136' \
	'... those who were idle for longest made room'
pod_end
leftovers few

# dnsmasq, which logs its clients
cat >"$WORK/dnsmasq.conf" <<END
port=53
no-resolv
no-hosts
user=root
pid-file=$WORK/dns.pid
address=/pod.test/203.0.113.7
log-queries=extra
log-facility=-
END
pod dns -p 5353:53/udp -p 5353:53 -- dnsmasq -k -C "$WORK/dnsmasq.conf" ||
	bail 'no pod with dnsmasq'
wait_port pod 53 u
for host in "$HOST4" "$HOST6"; do
	for how in +notcp +tcp; do
		is "$(guard "${IN_PEER[@]}" dig +short $how -p 5353 "@$host" \
			a.pod.test)" 203.0.113.7 "dig $how @$host"
	done
done
like "$(cat "$T/dns.err")" " $PEER4/[0-9]+ query\[A\] a.pod.test from $PEER4" \
	'dnsmasq knows its client, IPv4'
like "$(cat "$T/dns.err")" "from $PEER6" '... IPv6'
pod_end

# iperf3: at a moderate rate nothing is lost but what a receiver that has to wait
# for a processor can't take
full() # NSENTER...: datagrams that didn't fit in the buffer of their receiver
{
	"$@" nstat -asz UdpRcvbufErrors Udp6RcvbufErrors |
		awk '/RcvbufErrors/ { n += $2 } END { print n }'
}
pod iperf -p 5201:5201 -p 5201:5201/udp -- iperf3 -s --forceflush ||
	bail 'no pod: iperf3'
n=0
for via in "peer $HOST4" "peer $HOST6" "host 127.0.0.1"; do
	from=("${IN_PEER[@]}")
	[ "${via% *}" = peer ] || from=("${IN_HOST[@]}")
	for way in '' -R; do
		to=(in_pod)
		[ ! "$way" ] || to=("${from[@]}")
		iperf3_waits iperf $((n += 1))
		before=$(full "${to[@]}")
		guard "${from[@]}" iperf3 -J -u -b 10M -l 1200 -n 3M $way \
			-c "${via#* }" >"$T/iperf.json" 2>&1
		is "$("$PY" -c 'import json, sys
end = json.load(open(sys.argv[1]))["end"]["sum"]
print(end["lost_packets"] - int(sys.argv[2]), end["packets"] > 2000)' \
			"$T/iperf.json" $(($(full "${to[@]}") - before)) 2>&1)" \
			'0 True' "iperf3 -u $way, $via: nothing is lost"
	done
done
pod_end
leftovers iperf

# the same where user space steers
AS_USER+=(PODSPLICE_FAIL_HOP=1)
serving user 7000 :: -p 7000:7000/udp
everybody 'in user space'
pod_end
leftovers 'user space'
finish
