#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podman's containers with a network of their own: both handlers of ports, -P,
# user namespaces, restarts, and what podman makes of our errors.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs podman runc slirp4netns

# asked NAME SEEN: the container's server, from outside. SEEN: the other host
# as the server sees it
asked()
{
	is "$(peer_net who "$HOST4" 8080)" "$2" "$WORLD: $1: the client's address"
	is "$(peer_net udp "$HOST4" 5353)" "OK ${2% *}" "$WORLD: $1: UDP"
	is "$(peer_net get "$HOST4" 8080 3000000)" OK "$WORLD: $1: a download"
	is "$(peer_net put "$HOST4" 8080 3000000)" OK "$WORLD: $1: an upload"
	like "$(host_net who 127.0.0.1 8080)" '^10\.0\.2\.' \
		"$WORLD: $1: a client on the host"
}

# inside NAME: what a container reaches, by its exec
inside()
{
	local addr
	for addr in "$HOST4 $FAR4" "$HOST6 $FAR6"; do
		prints "${addr% *} other-port" "$1: out to ${addr#* }" \
			podman exec web python3 /t/net.py who "${addr#* }" 9000
	done
	prints OK "$1: a long way out" \
		podman exec web python3 /t/net.py put "$FAR4" 9000 3000000
	prints ECONNREFUSED "$1: refused" \
		podman exec web python3 /t/net.py connect "$PEER4" 9
	works "$1: resolv.conf" podman exec web cat /etc/resolv.conf
	like "$OUT" "^(search .*)?nameserver $DNS4" "$WORLD: $1: name service"
	prints "$HOST4 other-port" "$1: ... which knows a name" \
		podman exec web python3 /t/net.py who far.example 9000
	works "$1: addresses" podman exec web ip -o addr show dev tap0
	like "$OUT" "inet $POD4/24 .*inet6 fd00::" "$WORLD: $1: addresses"
}

# handler NAME SEEN HELPERS
handler()
{
	works "$1: run" podman run -d --name web --network \
		"slirp4netns:port_handler=$1" -p 8080:80 -p 8081:81 \
		-p 5353:53/udp "${VOLUMES[@]}" box "${SERVE[@]}" || return
	served "$HOST4" 8080 || return
	is "$(helpers_here)" "$3" "$WORLD: $1: who serves it"
	asked "$1" "$2"
	inside "$1"
	prints '53/udp -> 0.0.0.0:5353
80/tcp -> 0.0.0.0:8080
81/tcp -> 0.0.0.0:8081' "$1: port" sh -c 'podman port web | sort'
	figures "$1" "$HOST4" 8081 "${AS_USER[@]}" podman exec web
	works "$1: restart" podman restart -t 0 web
	served "$HOST4" 8080
	asked "$1, again" "$2"
	works "$1: rm" podman rm -f -t 0 web
	deserted "$1"
}

# dual_stack: rootlesskit's ports are IPv6, too
dual_stack()
{
	works '-P: run' podman run -d --name web --network slirp4netns -P \
		-p 8090-8092:90-92 "${VOLUMES[@]}" box "${SERVE[@]}"
	prints '90/tcp -> 0.0.0.0:8090
91/tcp -> 0.0.0.0:8091
92/tcp -> 0.0.0.0:8092' 'a range' sh -c 'podman port web | grep ^9 | sort'
	engine podman port web 80
	like "$OUT" '^0\.0\.0\.0:[0-9]+$' "$WORLD: -P: port"
	served "$HOST4" "${OUT#*:}" || return
	like "$(peer_net who "$HOST6" "${OUT#*:}")" '(same|other)-port$' \
		"$WORLD: -P: a client of IPv6"
	engine podman run --rm --network slirp4netns -p 8091:80 box true
	is "$STATUS" 126 "$WORLD: a port that is taken"
	like "$ERR" 'rootlessport .*8091: bind: address already in use' \
		"$WORLD: ... is told"
	works '-P: rm' podman rm -f -t 0 web
	deserted '-P'
}

# keep_id SEEN: a container with a user namespace of its own
keep_id()
{
	works 'keep-id: run' podman run -d --name web --userns keep-id --network \
		slirp4netns -p 8080:80 -p 8081:81 -p 5353:53/udp \
		--sysctl net.ipv4.ip_unprivileged_port_start=0 \
		"${VOLUMES[@]}" box "${SERVE[@]}" || return
	served "$HOST4" 8080 || return
	prints "$ACCOUNT_UID" 'keep-id: who it is' podman exec web id -u
	asked keep-id "$1"
	inside keep-id
	works 'keep-id: rm' podman rm -f -t 0 web
	deserted keep-id
}

for w in $WORLDS; do
	world "$w"
	box
	handler slirp4netns "$PEER4 same-port" \
		"$(by_world /usr/bin/slirp4netns "$PODSPLICE")"
	SEEN=$(by_ports "$POD4 other-port" "$PEER4 same-port")
	handler rootlesskit "$SEEN" "$HELPERS"
	dual_stack
	keep_id "$SEEN"
	world_end
done
finish
