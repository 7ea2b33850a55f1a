#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our rootlessport alone, beside the distribution's slirp4netns, or its pasta
# where podman knows that: all that has to be done is to have it in a folder
# that podman looks into.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs podman runc slirp4netns iptables

# beside BACKEND NETWORK: a container there
beside()
{
	local name="beside $1, $2" in
	works "$name: run" podman run -d --name web --network "$2" -p 8080:80 \
		-p 8081:81 -p 5353:53/udp "${VOLUMES[@]}" box "${SERVE[@]}" ||
		return
	served "$HOST4" 8080 || return
	like "$(helpers_here)" "^$PODSPLICE /usr/bin/$1(\.avx2)?\$" \
		"$name: who serves it"
	incoming "$name" "$PEER4 same-port"
	like "$(peer_net who "$HOST6" 8080)" '(same|other)-port$' \
		"$name: a client of IPv6"
	sees "$HOST4 other-port" "$name: out" who "$FAR4" 9000
	in=$(speed "${IN_PEER[@]}" "${LOAD[@]}" "$HOST4" 8081)
	unlike "$in" none "$name: streams"
	note "Gbit/s, $name: in $in"
	works "$name: rm" podman rm -f -t 0 web
	deserted "$name"
}

mkdir "$T/ports"
ln -s "$PODSPLICE" "$T/ports/rootlessport"
world stock
CONF=$WORK/stock/.config/containers/containers.conf.d/ports.conf
HELPER_DIRS="helper_binaries_dir = [\"$T/ports\", \"/usr/libexec/podman\", \"/usr/lib/podman\"]"
printf '[engine]\n%s\n' "$HELPER_DIRS" >"$CONF"
box
works 'a network' podman network create --subnet 10.77.1.0/24 one
beside slirp4netns slirp4netns
beside slirp4netns one
if [ "$PODMAN" = 5 ]; then
	printf '%s\n' '[network]' 'default_rootless_network_cmd = "pasta"' \
		'[engine]' "$HELPER_DIRS" >"$CONF"
	beside pasta one
fi
world_end
finish
