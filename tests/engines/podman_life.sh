#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podman's options for slirp4netns, its own restarts, and ends that nobody had
# a part in.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs podman runc slirp4netns

# options: what podman hands on to the helper, and an error of the helper's
options()
{
	local host_port=$((7000 + $$ % 1000))
	spawn "loopback-$WORLD" "${IN_HOST[@]}" "$PY" "$T/net.py" serve \
		"$host_port" 4 127.0.0.1
	wait_port host "$host_port"
	in_host ip addr add 192.0.2.11/24 dev eth0
	works 'options: run' podman run -d --name web --network \
		slirp4netns:cidr=10.9.0.0/24,mtu=1400,outbound_addr=192.0.2.11,allow_host_loopback=true,enable_ipv6=false \
		"${VOLUMES[@]}" box "${SERVE[@]}"
	INSIDE=(podman exec web)
	works 'options: addresses' podman exec web ip addr show dev tap0
	like "$OUT" 'mtu 1400 .*inet 10\.9\.0\.100/24' "$WORLD: cidr, mtu"
	unlike "$OUT" 'fd00:' "$WORLD: enable_ipv6"
	sees '192.0.2.11 other-port' outbound_addr who "$FAR4" 9000
	works allow_host_loopback "${INSIDE[@]}" \
		python3 "$T/net.py" who 10.9.0.2 "$host_port"
	like "$OUT" ' other-port$' "$WORLD: ... it is answered"
	works 'options: rm' podman rm -f -t 0 web
	in_host ip addr del 192.0.2.11/24 dev eth0
	kill "$PID"
	reap "$PID"
	engine podman run --rm --network slirp4netns:mtu=70000 box true
	is "$STATUS" 126 "$WORLD: an option that the helper refuses"
	like "$ERR" 'slirp4netns failed: .*MTU must be a positive integer \(< 65522\)' \
		"$WORLD: ... podman shows why"
	deserted options
}

# restarts: of a container that ends by itself, by the process that conmon
# starts then, which has not all of podman's environment
restarts()
{
	local was
	works 'restarts: run' podman run -d --name web --restart always --network \
		slirp4netns:port_handler=slirp4netns -p 8080:80 -p 5353:53/udp \
		"${VOLUMES[@]}" box "${SERVE[@]}"
	served "$HOST4" 8080
	was=$(server_pid)
	engine podman exec web kill 1 # which may end with it
	served_anew "$was" || return
	served "$HOST4" 8080
	is "$(helpers_here)" "${HELPERS%% *}" "$WORLD: restarts: who serves it"
	incoming restarts "$PEER4 same-port"
	outgoing restarts
	works 'restarts: rm' podman rm -f -t 0 web
	deserted restarts
}

# no_conmon: nobody is left to clean up, and still nothing stays
no_conmon()
{
	works 'no conmon: run' podman run -d --name web --network \
		slirp4netns:port_handler=slirp4netns -p 8080:80 \
		"${VOLUMES[@]}" box "${SERVE[@]}"
	served "$HOST4" 8080
	works 'no conmon: inspect' podman inspect -f \
		'{{.State.ConmonPid}} {{.State.Pid}}' web
	# shellcheck disable=SC2086 # two words
	in_world kill -KILL $OUT
	deserted 'no conmon'
	engine podman rm -f -t 0 web # for which conmon is missing, too
}

for w in $WORLDS; do
	world "$w"
	box
	options
	restarts
	no_conmon
	world_end
done
finish
