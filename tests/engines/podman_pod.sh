#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podman's pods: a front end and a back end that meet on localhost, pods that
# meet at the host's port, kube files, and what is left of them.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs podman runc slirp4netns

# The back end is SERVE; the front end hands each connection on to it, and is
# what the world sees at 8080. The back end alone is at 8090.
FRONT=(busybox nc -ll -p 8080 -e /bin/busybox nc 127.0.0.1 80)

# site NAME FRONT SEEN: what the pod serves. FRONT: the front end's container,
# SEEN: (a pattern) the other host as the back end sees it
site()
{
	served "$HOST4" 8080 || return
	is "$(peer_net who "$HOST4" 8080)" '127.0.0.1 other-port' \
		"$WORLD: $1: the front end meets the back end on localhost"
	like "$(peer_net who "$HOST4" 8090)" "^$3\$" \
		"$WORLD: $1: the client's address"
	is "$(peer_net get "$HOST4" 8090 3000000)" OK "$WORLD: $1: a download"
	INSIDE=(podman exec "$2")
	sees "$HOST4 other-port" "$1: out" who "$FAR4" 9000
}

pod_of_two()
{
	works 'a pod' podman pod create --name site -p 8080:8080 -p 8090:80 \
		-p 8091:81
	works 'its back end' podman run -d --pod site --name site-back \
		"${VOLUMES[@]}" box "${SERVE[@]}"
	works 'its front end' podman run -d --pod site --name site-front \
		"${VOLUMES[@]}" box "${FRONT[@]}" || return
	site pod site-front "$SEEN"
	is "$(helpers_here)" "$HELPERS" "$WORLD: pod: who serves it"
	figures pod 8091
}

# neighbour: a pod beside it, which asks it by the host's address
neighbour()
{
	works 'another pod' podman pod create --name other -p 8081:80
	works 'its container' podman run -d --pod other --name other-1 \
		"${VOLUMES[@]}" box "${SERVE[@]}"
	served "$HOST4" 8081
	INSIDE=(podman exec other-1)
	sees "$NEIGHBOUR" "a pod asks its neighbour at the host's port" \
		who "$HOST4" 8090
	INSIDE=(podman exec site-front)
	sees "$NEIGHBOUR" '... and the neighbour asks back' who "$HOST4" 8081
	sees OK '... and much' get "$HOST4" 8081 3000000
	works 'pod rm' podman pod rm -f -t 0 other
	is "$(peer_net who "$HOST4" 8090)" "$SEEN" \
		"$WORLD: the pod that stays is served"
}

# kube: the pod once more, by its kube file
kube()
{
	works 'generate kube' podman generate kube -f "$HOME_HERE/site.yaml" site
	works 'pod rm' podman pod rm -f -t 0 site
	deserted 'pod'
	works 'kube play' podman kube play "$HOME_HERE/site.yaml" || return
	site kube site-site-front "$KUBE_SEEN"
	works 'pod stop' podman pod stop -t 0 site
	deserted 'stop'
	works 'pod start' podman pod start site
	site 'pod start' site-site-front "$KUBE_SEEN"
	works 'kube down' podman kube down "$HOME_HERE/site.yaml"
	deserted 'kube'
}

for w in $WORLDS; do
	world "$w"
	HOME_HERE=$WORK/$w
	box
	SEEN=$(by_world "$POD4 other-port" "$PEER4 same-port")
	# kube play makes a network of netavark's for its pods
	KUBE_SEEN=$(by_world '10\.89\.0\.[0-9]* other-port' "$PEER4 same-port")
	NEIGHBOUR=$(by_world "$POD4 other-port" "$HOST4 other-port")
	pod_of_two
	neighbour
	kube
	world_end
done
finish
