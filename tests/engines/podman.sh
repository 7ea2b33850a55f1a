#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podman's containers with a network of their own: both handlers of ports, -P,
# user namespaces, restarts, and a port that is taken.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs podman runc slirp4netns

# configured NAME: what podman and the helper made of the container's network
configured()
{
	works "$1: resolv.conf" podman exec web cat /etc/resolv.conf
	like "$OUT" "^(search .*)?nameserver $DNS4" "$WORLD: $1: name service"
	works "$1: addresses" podman exec web ip -o addr show dev tap0
	like "$OUT" "inet $POD4/24 .*inet6 fd00::" "$WORLD: $1: addresses"
	outgoing6 "$1"
}

# handler NAME SEEN HELPERS
handler()
{
	works "$1: run" podman run -d --name web --network \
		"slirp4netns:port_handler=$1" -p 8080:80 -p 8081:81 \
		-p 5353:53/udp "${VOLUMES[@]}" box "${SERVE[@]}" || return
	served "$HOST4" 8080 || return
	is "$(helpers_here)" "$3" "$WORLD: $1: who serves it"
	incoming "$1" "$2"
	configured "$1"
	outgoing "$1"
	prints '53/udp -> 0.0.0.0:5353
80/tcp -> 0.0.0.0:8080
81/tcp -> 0.0.0.0:8081' "$1: port" sh -c 'podman port web | sort'
	figures "$1" 8081
	works "$1: restart" podman restart -t 0 web
	served "$HOST4" 8080
	incoming "$1, again" "$2"
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
	incoming keep-id "$1"
	configured keep-id
	outgoing keep-id
	works 'keep-id: rm' podman rm -f -t 0 web
	deserted keep-id
}

# beside_stock: rootlessport is ours, slirp4netns the distribution's
beside_stock()
{
	sed -i 's|^network_cmd_path.*|network_cmd_path = "/usr/bin/slirp4netns"|' \
		"$WORK/$WORLD/.config/containers/containers.conf.d/podsplice.conf"
	works 'beside: run' podman run -d --name web --network slirp4netns \
		-p 8080:80 -p 5353:53/udp "${VOLUMES[@]}" box "${SERVE[@]}" ||
		return
	served "$HOST4" 8080 || return
	is "$(helpers_here)" "$PODSPLICE /usr/bin/slirp4netns" \
		"$WORLD: beside: who serves it"
	incoming 'beside the stock slirp4netns' "$PEER4 same-port"
	works 'beside: restart' podman restart -t 0 web
	served "$HOST4" 8080
	incoming 'beside it, again' "$PEER4 same-port"
	works 'beside: rm' podman rm -f -t 0 web
	deserted beside
}

for w in $WORLDS; do
	world "$w"
	box
	handler slirp4netns "$PEER4 same-port" \
		"$(by_world /usr/bin/slirp4netns "$PODSPLICE")"
	SEEN=$(by_world "$POD4 other-port" "$PEER4 same-port")
	handler rootlesskit "$SEEN" "$HELPERS"
	dual_stack
	keep_id "$SEEN"
	[ "$w" = stock ] || beside_stock
	world_end
done
finish
