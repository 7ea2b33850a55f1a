#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What configures itself in the pod: a DHCP client, router advertisements.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
pod idle -- sleep 1000 || bail 'the pod did not start'

# DHCP
cat >"$T/lease.sh" <<'END'
#!/bin/sh
[ "$1" = bound ] && echo "$ip $mask $router $dns"
exit 0
END
chmod 755 "$T/lease.sh"
is "$(guard nsenter -t "$POD" -n busybox udhcpc -i tap0 -n -q -f -t 5 -T 3 \
	-s "$T/lease.sh" 2>"$T/udhcpc.err" | tail -n 1)" \
	"$POD4 24 $GW4 $DNS4" 'udhcpc gets the lease the pod already has'

# Router advertisements, in answer to a solicitation
serve_peer 9000
in_pod sh -ec 'cd /proc/sys/net/ipv6/conf/tap0
	echo 2 >accept_ra
	echo 1 >accept_ra_defrtr
	echo 1 >accept_ra_pinfo
	echo 1 >autoconf
	echo 0 >accept_dad
	ip -6 route del default 2>/dev/null || :'
solicit()
{
	in_pod "$PY" -c "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([133, 0, 0, 0, 0, 0, 0, 0]),
         ('ff02::2', 0, 0, socket.if_nametoindex('tap0')))"
	sleep 0.2
	in_pod ip -6 route show default proto ra | grep -q .
}
check 'a router advertisement gives the default route' wait_for 20 solicit
like "$(in_pod ip -6 addr show dev tap0 dynamic)" 'inet6 fd00::' \
	'... and an address of its prefix'
is "$(pod_net connect "$PEER6" 9000)" OK '... with which IPv6 works'
pod_end
stop_spawned
leftovers dhcp_ra
finish
