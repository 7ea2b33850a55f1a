#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rootlesskit, as Docker and others are started by it: it makes the TAP, sets
# the addresses and asks for ports; the helper's sandbox and seccomp; both
# drivers of ports; ports that come and go.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs rootlesskit rootlessctl slirp4netns

# kit NAME ARGS...: a rootlesskit with SERVE in it. KIT: its process, INSIDE
# and CTL: how to talk to it
kit()
{
	local state=$WORK/state-$WORLD name=$1
	shift
	spawn "$WORLD-$name" "${AS_USER[@]}" rootlesskit --state-dir "$state" \
		--net=slirp4netns --copy-up=/etc --pidns "$@" "${SERVE[@]}"
	served "$HOST4" 8080 || return
	KIT_JOB=$PID
	KIT=$(children "$PID" | tr -d ' ')
	INSIDE=(nsenter -t "$(cat "$state/child_pid")" -U -m -n
		--preserve-credentials --)
	CTL=(rootlessctl --socket "$state/api.sock")
	is "$(helpers_here)" "$(by_world /usr/bin/slirp4netns "$PODSPLICE")" \
		"$WORLD: $name: who serves it"
}

# kit_end NAME SIGNAL
kit_end()
{
	kill "-$2" "$KIT"
	reap "$KIT_JOB"
	deserted "$1"
}

PORTS=(-p 0.0.0.0:8080:80/tcp -p 0.0.0.0:8081:81/tcp -p 0.0.0.0:5353:53/udp)

# rootlesskit's own ports: we give it the way out only
builtin_driver()
{
	kit builtin --port-driver builtin "${PORTS[@]}" || return
	incoming builtin '127.0.0.1 other-port'
	outgoing builtin
	figures builtin 8081
	# it is nobody's child that could be told: the helper has to notice
	kit_end builtin KILL
}

# the helper's ports, by its API; its sandbox and seccomp; all that can be set
slirp4netns_driver()
{
	kit slirp4netns --port-driver slirp4netns --slirp4netns-sandbox=true \
		--slirp4netns-seccomp=true --ipv6 --disable-host-loopback \
		--mtu 1500 --cidr 10.5.0.0/24 --ifname eth7 "${PORTS[@]}" ||
		return
	like "$(others_here)" '--cidr 10.5.0.0/24.*--enable-sandbox --enable-seccomp' \
		"$WORLD: slirp4netns: the helper was told so"
	incoming slirp4netns "$PEER4 same-port"
	outgoing slirp4netns
	engine "${INSIDE[@]}" ip -o addr show dev eth7
	like "$OUT" 'inet 10\.5\.0\.100/24' "$WORLD: slirp4netns: the address"
	outgoing6 slirp4netns
	figures slirp4netns 8081
	works 'a port more' "${CTL[@]}" add-ports 0.0.0.0:8082:80/tcp
	is "$(peer_net who "$HOST4" 8082)" "$PEER4 same-port" \
		"$WORLD: ... is served"
	works 'a port less' "${CTL[@]}" remove-ports "$OUT"
	is "$(peer_net connect "$HOST4" 8082)" ECONNREFUSED "$WORLD: ... is not"
	is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
		"$WORLD: ... but the others are"
	kit_end slirp4netns TERM
}

for w in $WORLDS; do
	world "$w"
	builtin_driver
	slirp4netns_driver
	world_end
done
finish
