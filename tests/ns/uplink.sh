#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hosts without an uplink, with one that comes, goes and changes, and with
# IPv6 only: the pod starts, and works whenever the host does.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'
for a in "$PEER4:192.0.2.101" "$FAR4:192.0.2.102" "$PEER6|192.0.2.106"; do
	at=${a%[:|]*}
	spawn "dnsmasq-$at" "${IN_PEER[@]}" dnsmasq --keep-in-foreground \
		--no-resolv --no-hosts --conf-file=/dev/null --user=root \
		--pid-file= --bind-interfaces "--listen-address=$at" \
		"--address=/test/${a##*[:|]}"
done
wait_port peer 53 u

pod_reaches() # ADDRESS WANT
{
	[ "$(timeout 5 nsenter -t "$POD" -n "$PY" "$T/net.py" who "$1" 9000 \
		2>&1 | cut -d' ' -f1)" = "$2" ]
}
pod_resolves() # WANT
{
	[ "$(timeout 10 nsenter -t "$POD" -n dig +short +time=3 +tries=1 \
		"@$DNS4" a.test A 2>/dev/null)" = "$1" ]
}
loopback_works()
{
	is "$(host_net get 127.0.0.1 8080 1000000)" OK "$1: published on loopback"
}

# No uplink at all
in_host_net ip link set eth0 down
in_host_net ip addr flush dev eth0
resolv '# nothing yet'
pod roaming -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'the pod did not start without an uplink'
ok 'a pod starts without an uplink'
wait_port pod 80
loopback_works 'no uplink'
is "$(pod_net connect "$FAR4" 9000)" "$(host_net connect "$FAR4" 9000)" \
	'no uplink: connect() fails as on the host'

# It comes
link_up
resolv "nameserver $PEER4"
check 'the uplink came: IPv4' wait_for 20 pod_reaches "$FAR4" "$HOST4"
check 'the uplink came: IPv6' wait_for 20 pod_reaches "$FAR6" "$HOST6"
check 'the uplink came: DNS' wait_for 20 pod_resolves 192.0.2.101
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
	'the uplink came: published, IPv4'
is "$(peer_net who "$HOST6" 8080)" "$PEER6 same-port" \
	'the uplink came: published, IPv6'

# Neighbours have IPv6, the world hasn't: so the pod has no route to them
in_host_net ip -6 route del default
seen_as() # ADDRESS: of an IPv6 neighbour, in the pod
{
	[ "$(peer_net who "$HOST6" 8080 | cut -d' ' -f1)" = "$1" ]
}
check 'no default route: IPv6 neighbours come from the gateway' \
	wait_for 20 seen_as "$GW6"
in_host_net ip -6 route add default via "$PEER6"
check '... and with it from their addresses' wait_for 20 seen_as "$PEER6"

# It goes, and comes back with other addresses and another resolver
in_host_net ip link set eth0 down
in_host_net ip addr flush dev eth0
loopback_works 'the uplink went'
in_host_net sh -ec "
	ip link set eth0 up
	ip addr add 192.0.2.11/24 dev eth0
	ip addr add 2001:db8:1::11/64 dev eth0 nodad
	ip route add default via $PEER4
	ip -6 route add default via $PEER6"
resolv "nameserver $FAR4"
check 'other addresses: IPv4' wait_for 20 pod_reaches "$FAR4" 192.0.2.11
check 'other addresses: IPv6' wait_for 20 pod_reaches "$FAR6" 2001:db8:1::11
check 'another resolver' wait_for 20 pod_resolves 192.0.2.102
is "$(peer_net who 192.0.2.11 8080)" "$PEER4 same-port" \
	'other addresses: published, IPv4'
is "$(peer_net who 2001:db8:1::11 8080)" "$PEER6 same-port" \
	'other addresses: published, IPv6'

# Another uplink (Wi-Fi for cable)
ip link add wlan0 netns "$HOSTNS" type veth peer name wlan0 netns "$PEERNS"
in_peer_net sh -ec 'ip link set wlan0 up
	ip addr add 198.51.100.129/25 dev wlan0
	ip addr add 2001:db8:2::1/64 dev wlan0 nodad'
in_host_net sh -ec 'ip link set eth0 down
	ip link set wlan0 up
	ip addr add 198.51.100.130/25 dev wlan0
	ip addr add 2001:db8:2::130/64 dev wlan0 nodad
	ip route replace default via 198.51.100.129
	ip -6 route replace default via 2001:db8:2::1'
check 'another uplink: IPv4' wait_for 20 pod_reaches "$FAR4" 198.51.100.130
check 'another uplink: IPv6' wait_for 20 pod_reaches "$FAR6" 2001:db8:2::130
check 'another uplink: DNS' wait_for 20 pod_resolves 192.0.2.102
is "$(peer_net who 198.51.100.130 8080)" "198.51.100.129 same-port" \
	'another uplink: published'
in_host_net ip link del wlan0
pod_end
is "$STATUS" 143 'the pod ends as asked'

# IPv6 only
link_up
in_host_net ip -4 addr flush dev eth0
resolv "nameserver $PEER6"
pod six -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'the pod did not start on a host with IPv6 only'
wait_port pod 80
check 'IPv6 only: TCP' pod_reaches "$FAR6" "$HOST6"
check 'IPv6 only: DNS' pod_resolves 192.0.2.106
is "$(peer_net who "$HOST6" 8080)" "$PEER6 same-port" 'IPv6 only: published'
is "$(pod_net connect "$FAR4" 9000)" "$(host_net connect "$FAR4" 9000)" \
	'IPv6 only: IPv4 fails as on the host'
link_up
check 'IPv4 came: TCP' wait_for 20 pod_reaches "$FAR4" "$HOST4"
pod_end

# IPv4 only: nothing hangs on IPv6
in_host_net sh -c 'ip -6 route flush default; ip -6 addr flush dev eth0'
resolv "nameserver $PEER4"
pod four -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'the pod did not start on a host with IPv4 only'
wait_port pod 80
check 'IPv4 only: TCP' pod_reaches "$FAR4" "$HOST4"
is "$(pod_net connect "$FAR6" 9000)" "$(host_net connect "$FAR6" 9000)" \
	'IPv4 only: IPv6 fails as on the host'
is "$(in_pod ip -6 route show default)" '' \
	'IPv4 only: no IPv6 default route in the pod'
pod_end
link_up

# What the pod's root does with the IPv6 default route is its own business
pod own --name own -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'the pod did not start'
wait_port pod 80
in_pod ip -6 route add "$PEER6" via "$GW6" dev tap0
flaps() # CMD...: the host's, with CMD in between; the pod has followed it
{
	in_host_net ip -6 route del default
	wait_for 20 seen_as "$GW6" || return
	as_user "$PODSPLICE" stats own >/dev/null
	"$@"
	in_host_net ip -6 route add default via "$PEER6"
	wait_for 20 seen_as "$PEER6" || return
	as_user "$PODSPLICE" stats own >/dev/null
}
default6()
{
	in_pod ip -6 route show default | awk '{ print $3, $5 }'
}
in_pod sh -c 'ip link add vpn0 type veth peer name vpn1
	ip link set vpn0 up
	ip link set vpn1 up' || bail 'no VPN'
check 'IPv6 goes and comes back' flaps true
is "$(default6)" "$GW6 tap0" "... with the pod's default route"
check '... a VPN takes it meanwhile' \
	flaps in_pod ip -6 route add default dev vpn0
is "$(default6)" 'vpn0 1024' '... whose default route stays'
check '... also when it comes another time' flaps true
is "$(default6)" 'vpn0 1024' '... whose default route stays'
in_pod ip -6 route del default
check '... without any' flaps true
is "$(default6)" '' '... none comes'
is "$(cat "$T/own.err")" '' '... and no word is lost about it'
pod_end

stop_spawned
leftovers uplink
finish
