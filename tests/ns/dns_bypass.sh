#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The host's resolver on its loopback is not the pod's to talk to, only to ask
# through the DNS service: not with fragments, whose ports nobody sees, and not
# with --no-dns, when nobody answers for the DNS address.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer_udp 9002 4 || bail 'no UDP server on the other host'
resolv 'nameserver 127.0.0.1'
# they tell whom they met
for bind in 127.0.0.1 ::1; do
	family=4
	[ "$bind" = 127.0.0.1 ] || family=6
	spawn "lo-udp-$family" "${IN_HOST[@]}" "$PY" "$T/net.py" udp-serve \
		53 "$family" "$bind"
	spawn "lo-tcp-$family" "${IN_HOST[@]}" "$PY" "$T/net.py" serve \
		53 "$family" "$bind"
done
all_four()
{
	[ "$(in_host ss -Hlntu 'sport = :53' | wc -l)" = 4 ]
}
wait_for "$GUARD" all_four || bail 'no servers on the loopback'
is "$(host_net udp 127.0.0.1 53 3000)" 'OK 127.0.0.1' 'the host reaches it'
is "$(host_net who ::1 53 | cut -d' ' -f1)" ::1 '... over TCP and IPv6'

REFUSED='^E(NETUNREACH|CONNREFUSED)$'
reached()
{
	cat "$T"/lo-*.out
}

# in the pod: a datagram, or one TCP connection; no answer is wanted
shoot()
{
	timeout 1 nsenter -t "$POD" -n -- "$PY" "$T/net.py" "$@" 2>&1
}

fragments() # NAME
{
	local before
	before=$(reached)
	shoot udp-send "$DNS4" 53 3000 >/dev/null
	shoot udp-send "$DNS6" 53 3000 >/dev/null
	shoot udp-send "$GW4" 53 3000 >/dev/null
	shoot udp-send "$GW6" 53 3000 >/dev/null
	# behind them in every queue
	is "$(pod_net udp "$PEER4" 9002 3000)" "OK $HOST4" \
		"$1: fragments go to the world"
	is "$(reached)" "$before" "$1: none came to the host's loopback"
}

for path in auto slirp; do
	pod "dns-$path" --datapath "$path" --mtu 1500 -- sleep 1000 ||
		bail 'the pod did not start'
	fragments "--datapath $path"
	pod_end

	pod "no-dns-$path" --datapath "$path" --mtu 1500 --no-dns -- \
		sleep 1000 || bail 'the pod did not start'
	fragments "--no-dns, --datapath $path"
	before=$(reached)
	for target in "$DNS4" "$DNS6"; do
		like "$(shoot connect "$target" 53)" "$REFUSED" \
			"--no-dns, $path: no TCP to $target"
		shoot udp-send "$target" 53 >/dev/null
	done
	is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" '... while the world is there'
	is "$(reached)" "$before" "--no-dns, $path: nothing reached the host's"
	pod_end
done

# open to the gateway, still not by the DNS address
pod loopback --host-loopback --no-dns --mtu 1500 -- sleep 1000 ||
	bail 'the pod did not start'
is "$(pod_net udp "$GW4" 53 3000)" 'OK 127.0.0.1' \
	'--host-loopback: fragments to the gateway'
before=$(reached)
for target in "$DNS4" "$DNS6"; do
	shoot udp-send "$target" 53 3000 >/dev/null
	shoot udp-send "$target" 53 >/dev/null
	like "$(shoot connect "$target" 53)" "$REFUSED" \
		"--host-loopback --no-dns: no TCP to $target"
done
is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" '... while the world is there'
is "$(reached)" "$before" '... and no UDP'
pod_end
stop_spawned
leftovers dns_bypass
finish
