#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The pod's network is the pod's: its own routes, rules, marks and NAT are
# respected, and break neither published ports nor egress.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9002 4

# works NAME [SOURCE4 SOURCE6]: published both ways, egress both families
works()
{
	is "$(peer_net get "$HOST4" 8080 3000000)" OK "$1: published, IPv4"
	is "$(peer_net put "$HOST6" 8080 3000000)" OK "$1: published, IPv6"
	is "$(host_net get 127.0.0.1 8080 3000000)" OK "$1: from loopback"
	is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
		"$1: the client's address is kept"
	is "$(pod_net get "$FAR4" 9000 3000000)" OK "$1: egress, IPv4"
	is "$(pod_net put "$FAR6" 9000 3000000)" OK "$1: egress, IPv6"
	is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" "$1: egress, UDP"
}
pod firewalled -p 8080:80 -p 8000:8000 -- "$PY" "$T/net.py" serve 80 ||
	bail 'the pod did not start'
wait_port pod 80 || bail 'no server in the pod'
is "$(in_pod nft list ruleset)" '' 'no rule of ours is in the pod'
is "$(in_pod ip rule | wc -l) $(in_pod ip -6 rule | wc -l)" '3 2' \
	'... nor a routing rule'
is "$(in_pod ip -o link | wc -l)" 2 '... nor a device but lo and tap0'
works 'as it is'

# Drop policies, with what is needed let through
in_pod nft -f - <<'END' || bail 'nft in the pod'
table inet strict {
	chain input {
		type filter hook input priority 0; policy drop;
		iif lo accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 80 ct state new accept
	}
	chain forward {
		type filter hook forward priority 0; policy drop;
	}
	chain output {
		type filter hook output priority 0; policy drop;
		oif lo accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 9000 accept
		udp dport 9002 accept
	}
}
END
works 'drop policies'
is "$(timeout 3 nsenter -t "$POD" -n "$PY" "$T/net.py" \
	connect "$PEER4" 9 2>&1)" '' "... and they are the pod's own: it can't leave"
in_pod nft flush ruleset

# Masquerade and marks with a routing rule of their own
in_pod sh -ec "
	nft -f - <<'END'
table inet nat {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname tap0 masquerade
	}
}
table inet marks {
	chain output {
		type route hook output priority mangle;
		meta mark set 0x1
	}
	chain prerouting {
		type filter hook prerouting priority mangle;
		meta mark set 0x2
		ct mark set 0x2
	}
}
END
	ip route add default via $GW4 table 100
	ip -6 route add default via $GW6 table 100
	ip rule add fwmark 1 lookup 100
	ip -6 rule add fwmark 1 lookup 100"
works 'masquerade and marks'
in_pod sh -ec 'nft flush ruleset
	ip rule del fwmark 1
	ip -6 rule del fwmark 1'

# Strict reverse path, cookies always, no loopback
in_pod sh -ec '
	echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter
	echo 1 >/proc/sys/net/ipv4/conf/tap0/rp_filter
	echo 2 >/proc/sys/net/ipv4/tcp_syncookies
	nft -f - <<"END"
table inet rpf {
	chain prerouting {
		type filter hook prerouting priority raw;
		fib saddr . iif oif missing drop
	}
}
END
	ip link set lo down'
works 'reverse path filters, syncookies, no lo'
in_pod sh -ec 'nft flush ruleset
	ip link set lo up'

# Docker in the pod: a bridge, a container on it, NAT, a published port
C=psc$$
EXTRA_NS+=("$C")
ip netns add "$C"
in_pod sh -ec '
	echo 1 >/proc/sys/net/ipv4/ip_forward
	ip link add docker0 type bridge
	ip addr add 172.17.0.1/16 dev docker0
	ip link set docker0 up
	nft -f - <<"END"
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat;
		fib daddr type local tcp dport 8000 dnat to 172.17.0.2:80
	}
	chain output {
		type nat hook output priority -100;
		ip daddr != 127.0.0.0/8 fib daddr type local tcp dport 8000 dnat to 172.17.0.2:80
	}
	chain postrouting {
		type nat hook postrouting priority srcnat;
		ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
	}
}
table ip filter {
	chain forward {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "docker0" accept
		oifname "docker0" tcp dport 80 accept
	}
}
END'
ip link add "pst$$" type veth peer name eth0 netns "$C"
ip link set "pst$$" netns "$POD" name veth0
in_pod ip link set veth0 master docker0 up
ip netns exec "$C" sh -ec '
	ip addr add 172.17.0.2/16 dev eth0
	ip link set eth0 up
	ip route add default via 172.17.0.1'
spawn docked ip netns exec "$C" "$PY" "$T/net.py" serve 80 4
works "Docker's NAT"
docked()
{
	[ "$(peer_net connect "$HOST4" 8000)" = OK ]
}
wait_for 10 docked
is "$(peer_net who "$HOST4" 8000)" "$PEER4 same-port" \
	"Docker's published port behind ours, with the client's address"
is "$(peer_net put "$HOST4" 8000 3000000)" OK '... carries data'
is "$(guard ip netns exec "$C" "$PY" "$T/net.py" put "$FAR4" 9000 3000000)" \
	OK "from Docker's container to the world"
in_pod sh -ec 'nft flush ruleset; ip link del docker0; ip link del veth0
	echo 0 >/proc/sys/net/ipv4/ip_forward'

# A VPN: the default route is another device's, and is respected
ip link add vpn1 netns "$C" type veth peer name "pst$$"
ip link set "pst$$" netns "$POD" name vpn0
ip netns exec "$C" ip link set vpn1 up
in_pod sh -ec '
	ip addr add 10.99.0.1/24 dev vpn0
	ip link set vpn0 up
	ip route replace default via 10.99.0.2
	ip neigh replace 10.99.0.2 lladdr 02:00:00:00:99:02 dev vpn0
	ip -6 addr add 2001:db8:99::1/64 dev vpn0 nodad
	ip -6 route replace default via 2001:db8:99::2 metric 1
	ip -6 neigh replace 2001:db8:99::2 lladdr 02:00:00:00:99:02 dev vpn0' ||
	bail 'no VPN'
received() # packets the VPN's other end got
{
	ip netns exec "$C" cat /proc/net/dev |
		awk '$1 == "vpn1:" { print $3 }'
}
GOT=$(received) SEEN=$(wc -l <"$T/peer-udp-90024.out")
for target in "$FAR4" "$FAR6"; do
	is "$(timeout 3 nsenter -t "$POD" -n "$PY" "$T/net.py" \
		who "$target" 9000 2>&1)" '' \
		"with a VPN up, $target is not reached past it"
done
timeout 2 nsenter -t "$POD" -n "$PY" "$T/net.py" udp "$PEER4" 9002 >/dev/null
is "$(wc -l <"$T/peer-udp-90024.out")" "$SEEN" '... nor over UDP'
check '... the packets went into the VPN' [ "$(received)" -ge $((GOT + 3)) ]
is "$(host_net get 127.0.0.1 8080 3000000)" OK \
	'a published port works from loopback with a VPN up'
in_pod sh -ec "ip link del vpn0
	ip route replace default via $GW4"
works 'after the VPN'

pod_end
stop_spawned
leftovers pod_firewall
finish
