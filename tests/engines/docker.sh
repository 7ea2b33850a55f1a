#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Docker without root: dockerd in a rootlesskit, whose network is the helper's
# and whose containers are behind a bridge of their own in there.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

CONTRIB=/usr/share/docker.io/contrib
needs dockerd docker rootlesskit slirp4netns iptables "$CONTRIB/dockerd-rootless.sh"

# daemon: DOCKERD, its process; DOCKER, how it is asked
daemon()
{
	spawn "dockerd-$WORLD" "${AS_USER[@]}" env \
		DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns \
		DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns \
		DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=65520 \
		DOCKERD_ROOTLESS_ROOTLESSKIT_SLIRP4NETNS_SANDBOX=auto \
		DOCKERD_ROOTLESS_ROOTLESSKIT_SLIRP4NETNS_SECCOMP=auto \
		sh "$CONTRIB/dockerd-rootless.sh" --storage-driver vfs
	DOCKERD=$PID
	DOCKER=(docker --host "unix://$T/${WORLD:0:1}/docker.sock")
	wait_for "$GUARD" as_user "${DOCKER[@]}" version >"$T/version.out" 2>&1
	works 'dockerd' "${DOCKER[@]}" info -f '{{.SecurityOptions}}' || return
	like "$OUT" rootless "$WORLD: ... has no root"
	is "$(helpers_here)" "$(by_world /usr/bin/slirp4netns "$PODSPLICE")" \
		"$WORLD: who serves it"
}

# containers: two that meet on a network of their own, one is published
containers()
{
	works 'an image' "${DOCKER[@]}" import "$T/box.tar" box || return
	works 'a network' "${DOCKER[@]}" network create one
	works 'run' "${DOCKER[@]}" run --pull never -d --name web --network one \
		-p 8080:80 -p 8081:81 -p 5353:53/udp "${VOLUMES[@]}" box \
		"${SERVE[@]}"
	works 'run' "${DOCKER[@]}" run --pull never -d --name client --network one \
		"${VOLUMES[@]}" box "${SERVE[@]}"
	served "$HOST4" 8080 || return
	incoming docker "$PEER4 same-port"
	INSIDE=("${DOCKER[@]}" exec client)
	outgoing docker
	works 'a container asks another by its name' "${INSIDE[@]}" \
		python3 "$T/net.py" who web 80
	like "$OUT" ' same-port$' "$WORLD: ... which sees it"
	figures docker 8081
	works 'rm' "${DOCKER[@]}" rm -f web client
	is "$(peer_net connect "$HOST4" 8080)" ECONNREFUSED \
		"$WORLD: the port is gone"
}

for w in $WORLDS; do
	world "$w"
	box_tar
	if daemon; then
		containers
	fi
	kill -TERM "$(children "$DOCKERD" | tr -d ' ')"
	reap "$DOCKERD"
	deserted dockerd
	world_end
done
finish
