#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever the pod's root does to the pod's network: spliced egress is as with
# a real network, and the flow that was open goes on.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_splice 9000 || bail 'no server on the other host'
cat >"$WORK/servers.sh" <<END
exec $PY $T/net.py serve 80
END

# works NAME: new flows of both families
works()
{
	is "$(podded transfer "$FAR4" 9000 1000000)" OK "$PATHNAME, $1: IPv4"
	is "$(podded transfer "$FAR6" 9000 1000000)" OK "$PATHNAME, $1: IPv6"
	is "$(podded fail "$FAR4" 9 | cut -d' ' -f3-4,7)" \
		'blocking ECONNREFUSED ECONNREFUSED' "$PATHNAME, $1: refused"
}

# times_out HOST: nothing comes back, nothing is refused
times_out()
{
	like "$(podded fail "$1" 9000)" 'blocking EINPROGRESS .*no error' "$2"
}

gso_is() # BYTES: of p0, the hop's end of the pod's device
{
	[ "$(in_hop "$PY" "$T/net.py" gso p0)" = "$1" ]
}

# packets_of BYTES TITLE: how large TCP's packets to the pod may be
packets_of()
{
	if gso_is 0; then
		skip "$2" 'a kernel before 6.3'
	else
		check "$2" wait_for 20 gso_is "$1"
	fi
}

for PATHNAME in splice slirp; do
	pod "$PATHNAME" --datapath "$PATHNAME" -p 8080:80 -p 8000:8000 -- \
		sh "$WORK/servers.sh" || bail 'no pod'
	helper || bail "the helper's processes"
	wait_port pod 80 || bail 'no server in the pod'
	GWMAC=$(in_pod ip neigh show "$GW4" |
		grep -o 'lladdr [^ ]*' | cut -d' ' -f2)
	steady through "$FAR4" 9000
	works 'as it is'
	packets_of 196608 "$PATHNAME: in large packets"

	in_pod nft -f - <<'END'
table inet strict {
	chain pre { type filter hook prerouting priority -100; ct state invalid drop; }
	chain input { type filter hook input priority 0; policy drop;
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 80 accept
		# what was open before is new to conntrack
		tcp sport 9000 accept
	}
	chain output { type filter hook output priority 0; policy drop;
		ct state invalid drop
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport { 9, 9000 } accept
	}
	chain nat { type nat hook postrouting priority srcnat;
		oifname tap0 masquerade
	}
}
END
	works 'drop policies, no invalid, masquerade'
	like "$(podded fail "$FAR4" 9101)" 'EINPROGRESS|EPERM' \
		"$PATHNAME, drop policies: they are the pod's own"
	in_pod nft flush ruleset
	works 'nft flush ruleset'

	in_pod sh -ec "
		nft -f - <<'END'
table inet marks {
	chain output { type route hook output priority mangle;
		meta mark set 0x64
	}
	chain pre { type filter hook prerouting priority mangle;
		meta mark set 0x65
	}
}
END
		ip rule add fwmark 0x64 lookup 100
		ip rule add fwmark 0x65 lookup 100
		ip -6 rule add fwmark 0x64 lookup 100
		ip route add default via $GW4 table 100
		ip -6 route add default via $GW6 dev tap0 table 100"
	works 'user marks and their tables'
	in_pod sh -ec 'nft flush ruleset
		ip rule del fwmark 0x64; ip rule del fwmark 0x65
		ip -6 rule del fwmark 0x64
		ip route flush table 100; ip -6 route flush table 100'

	# a port and an address of the pod's choice lead to the real server
	in_pod nft -f - <<END
table inet redirects {
	chain output { type nat hook output priority -100;
		ip daddr 192.0.2.200 tcp dport 7 dnat ip to $FAR4:9000
		ip6 daddr 2001:db8:1::200 tcp dport 7 dnat ip6 to [$FAR6]:9000
	}
}
END
	is "$(podded transfer 192.0.2.200 7 1000000)" OK \
		"$PATHNAME, OUTPUT DNAT: IPv4"
	is "$(podded transfer 2001:db8:1::200 7 1000000)" OK \
		"$PATHNAME, OUTPUT DNAT: IPv6"
	works 'OUTPUT DNAT'
	in_pod nft flush ruleset

	in_pod sysctl -qw net.ipv4.tcp_syncookies=2 \
		net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.tap0.rp_filter=1
	in_pod ip link set lo down
	works 'syncookies=2, rp_filter, lo down'
	is "$(peer_net put "$HOST4" 8080 1000000)" OK \
		"$PATHNAME, syncookies=2: published"
	in_pod ip link set lo up

	# servers in the pod on the very ports that flows go to
	spawn same nsenter -t "$POD" -n -- "$PY" "$T/splice.py" serve 9000
	wait_port pod 9000
	works 'a server of its own on the port a flow goes to'
	is "$(podded run "$FAR4" 9000 names)" "$(native run "$FAR4" 9000 names)" \
		"$PATHNAME, the same: it is the other host's"
	kill "$PID"

	# ports: the pod has few, the hop has few, ingress holds many flows
	in_pod sysctl -qw net.ipv4.ip_local_port_range='40000 40049'
	in_hop sysctl -qw net.ipv4.ip_local_port_range='50000 50019'
	mkfifo "$T/fifo.$PATHNAME"
	spawn holders sh -c 'exec "$@" <"$0"' "$T/fifo.$PATHNAME" \
		"${IN_PEER[@]}" "$PY" "$T/net.py" hold "$HOST4" 8080 300
	exec {HOLD_FD}>"$T/fifo.$PATHNAME"
	wait_for "$GUARD" grep -q 'open 300' "$T/holders.out"
	spawn holders-lo sh -c 'exec "$@" <"$0"' "$T/fifo.$PATHNAME" \
		"${IN_HOST[@]}" "$PY" "$T/net.py" hold 127.0.0.1 8080 18
	wait_for "$GUARD" grep -q 'open 18' "$T/holders-lo.out"
	is "$(cat "$T/holders.out") $(cat "$T/holders-lo.out")" \
		'open 300 open 18' "$PATHNAME: 318 clients are held"
	works "ingress holds more ports than there are"
	is "$(podded transfers "$FAR4" 9000 20 100000)" OK \
		"$PATHNAME, the same: 20 flows at once"
	exec {HOLD_FD}>&-
	in_pod sysctl -qw net.ipv4.ip_local_port_range='32768 60999'
	in_hop sysctl -qw net.ipv4.ip_local_port_range='1024 65535'

	# Docker: a bridge, NAT, a published port
	C=psc$$$PATHNAME
	EXTRA_NS+=("$C")
	ip netns add "$C"
	ip link add "pst$$" type veth peer name eth0 netns "$C"
	ip link set "pst$$" netns "$POD" name veth0
	in_pod sh -ec '
		echo 1 >/proc/sys/net/ipv4/ip_forward
		ip link add docker0 type bridge
		ip addr add 172.17.0.1/16 dev docker0
		ip link set docker0 up
		ip link set veth0 master docker0 up
		nft -f - <<"END"
table ip nat {
	chain prerouting { type nat hook prerouting priority dstnat;
		fib daddr type local tcp dport 8000 dnat to 172.17.0.2:80
	}
	chain postrouting { type nat hook postrouting priority srcnat;
		ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
	}
}
table ip filter {
	chain forward { type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "docker0" accept
		oifname "docker0" tcp dport 80 accept
	}
}
END'
	ip netns exec "$C" sh -ec '
		ip link set lo up
		ip addr add 172.17.0.2/16 dev eth0
		ip link set eth0 up
		ip route add default via 172.17.0.1'
	spawn docked ip netns exec "$C" "$PY" "$T/net.py" serve 80 4
	works "Docker's rules"
	docked()
	{
		[ "$(peer_net connect "$HOST4" 8000)" = OK ]
	}
	wait_for 10 docked
	is "$(guard ip netns exec "$C" "$PY" "$T/splice.py" transfer "$FAR4" \
		9000 10000000)" OK "$PATHNAME: from Docker's container"
	is "$(guard ip netns exec "$C" "$PY" "$T/splice.py" fail "$FAR4" 9 |
		cut -d' ' -f3-4)" 'blocking ECONNREFUSED' \
		"$PATHNAME: refused to Docker's container"
	[ "$PATHNAME" = slirp ] ||
		is "$(guard ip netns exec "$C" env DEVICE=eth0 "$PY" \
			"$T/splice.py" run "$FAR4" 9000 reset_by_us poll \
			half_close_by_them linger_0)" \
			"$(native run "$FAR4" 9000 reset_by_us poll \
				half_close_by_them linger_0)" \
			"$PATHNAME: Docker's container sees what is native"
	is "$(peer_net put "$HOST4" 8000 3000000)" OK \
		"$PATHNAME: to Docker's published port"
	packets_of 65536 "$PATHNAME: smaller for other devices to pass on"
	in_pod sh -ec 'nft flush ruleset; ip link del docker0
		ip link del veth0; echo 0 >/proc/sys/net/ipv4/ip_forward'
	ip netns del "$C"

	# A VPN takes the default route and gives it back, live
	in_pod sh -ec '
		ip link add vpn0 type veth peer name vpn1
		ip addr add 10.99.0.1/24 dev vpn0
		ip link set vpn0 up
		ip link set vpn1 up
		ip route add 198.51.100.0/25 via 10.99.0.2 dev vpn0
		ip neigh replace 10.99.0.2 lladdr 02:00:00:00:99:02 dev vpn0
		ip route replace default via 10.99.0.2 dev vpn0' ||
		bail 'no VPN'
	times_out "$FAR4" "$PATHNAME, a VPN: new flows go into it"
	in_pod ip link del vpn0
	in_pod ip route add default via "$GW4" || bail 'no route'
	works 'the VPN is gone'

	in_pod ip link set tap0 down
	in_pod ip link set tap0 up
	in_pod sh -ec "
		ip addr replace $POD6/64 dev tap0 nodad
		ip route replace default via $GW4 dev tap0
		ip neigh replace $GW4 dev tap0 nud permanent lladdr $GWMAC
		ip -6 neigh replace $GW6 dev tap0 nud permanent \
			lladdr $GWMAC
		ip -6 route replace default via $GW6 dev tap0"
	works 'its device down and up'
	steady_ends through \
		"$PATHNAME: the flow that was open through all of it goes on"
	pod_end
done

stop_spawned
leftovers splice_pod
finish
