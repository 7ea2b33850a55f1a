#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podman's networks of several containers: netavark in a namespace of podman's
# ("rootless-netns"), whose uplink is the helper. Names, networks that come and
# go while containers run, and their end.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs podman runc slirp4netns iptables

# who sees whom on networks of 10.77.N.0/24
containers()
{
	works 'web: run' podman run -d --name web --network one -p 8080:80 \
		-p 8081:81 -p 5353:53/udp "${VOLUMES[@]}" box "${SERVE[@]}" ||
		return
	works 'client: run' podman run -d --name client --network one \
		"${VOLUMES[@]}" box "${SERVE[@]}" || return
	served "$HOST4" 8080 || return
	is "$(helpers_here)" "$HELPERS" "$WORLD: who serves it"
	incoming networks "$SEEN"
	like "$(peer_net who "$HOST6" 8080)" '(same|other)-port$' \
		"$WORLD: a client of IPv6"
	INSIDE=(podman exec client)
	outgoing networks
	sees '10.77.1.3 same-port' 'a container asks another by its name' who web 80
	INSIDE=(podman exec web)
	figures networks 8081
}

# reloaded: the network is made anew, as when its rules were lost
reloaded()
{
	works 'network reload' podman network reload web
	is "$(peer_net who "$HOST4" 8080)" "$SEEN" "$WORLD: ... it is served"
	INSIDE=(podman exec web)
	sees "$HOST4 other-port" '... and has its way out' who "$FAR4" 9000
}

# moved: the server goes from one network to the other, as it runs
moved()
{
	works 'network connect' podman network connect two web
	is "$(peer_net who "$HOST4" 8080)" "$SEEN" "$WORLD: ... it is served"
	works 'network disconnect' podman network disconnect one web
	is "$(peer_net who "$HOST4" 8080)" "$SEEN_MOVED" \
		"$WORLD: ... it is served on the other network"
	sees "$HOST4 other-port" '... which has the same way out' who "$FAR4" 9000
	works 'rm of one' podman rm -f -t 0 client
	is "$(peer_net who "$HOST4" 8080)" "$SEEN_MOVED" \
		"$WORLD: ... the other is served"
	works 'rm of all' podman rm -f -t 0 web
	deserted networks
}

for w in $WORLDS; do
	world "$w"
	box
	works 'a network' podman network create --subnet 10.77.1.0/24 one
	works 'another' podman network create --subnet 10.77.2.0/24 two
	SEEN=$(by_world '10.77.1.2 other-port' "$PEER4 same-port")
	SEEN_MOVED=$(by_world '10.77.2.2 other-port' "$PEER4 same-port")
	containers
	reloaded
	moved
	# and the same from nothing
	INSIDE=(podman run --rm --network one "${VOLUMES[@]}" box)
	sees "$HOST4 other-port" 'once more: out' who "$FAR4" 9000
	deserted 'once more'
	world_end
done
finish
