# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Namespaces that somebody else made, and uplinks of them. Sourced by
# uplink_*.sh.

# the runner of all tests takes this for one, too
[ "${BASH_SOURCE[0]}" != "$0" ] || {
	echo 1..0
	exit 0
}

# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/splice_lib.sh"

sleeps() # PID: all that is made before it sleeps is made
{
	[ "$(cat "/proc/$1/comm" 2>/dev/null)" = sleep ]
}

# target NAME UNSHARE-ARG...: made by the account; its process in POD
target()
{
	local name=$1
	shift
	spawn "$name" "${AS_USER[@]}" unshare "$@" sleep 1000
	POD=$PID
	wait_for 20 sleeps "$POD" || bail "no namespace for $name"
}

target_end()
{
	kill "$POD" 2>/dev/null
	reap "$POD"
}

# run_up NAME CMD...: an uplink that CMD starts, with descriptor 3 to tell of
# readiness, in the background. SUP: its process; READY: what was written there,
# which was closed then.
run_up()
{
	local name=$1
	shift
	mkfifo "$T/$name.ready"
	chmod 666 "$T/$name.ready"
	# shellcheck disable=SC2016 # for the inner shell
	spawn "$name" "${AS_USER[@]}" sh -c 'f=$1; shift; exec "$@" 3>"$f"' sh \
		"$T/$name.ready" "$@"
	SUP=$PID
	READY=$(timeout "$GUARD" cat "$T/$name.ready")
	rm -f "$T/$name.ready"
	[ "$READY" = 1 ]
}

# up NAME ARG...: the same for podsplice uplink with a descriptor for that
up()
{
	local name=$1
	shift
	run_up "$name" "$PODSPLICE" uplink --ready-fd 3 "$@" && return
	note "$name: '$READY' instead of readiness"
	note "$(cat "$T/$name.err")"
	return 1
}

# up_end: as an engine would; its status in STATUS
up_end()
{
	kill -TERM "$SUP" 2>/dev/null
	reap "$SUP"
}

# fails NAME REGEX ARG...: one line, no more, and the status of failure
fails()
{
	local name=$1 regex=$2
	shift 2
	timeout -k 5 "$GUARD" "${AS_USER[@]}" "$PODSPLICE" uplink "$@" \
		>"$T/fail.out" 2>"$T/fail.log" </dev/null
	STATUS=$?
	like "$STATUS:$(cat "$T/fail.log")" "^125:podsplice: $regex\$" "$name"
	is "$(cat "$T/fail.out"; wc -l <"$T/fail.log")" 1 '... in one line'
}

links_of_pod()
{
	in_pod ip -o link | awk -F'[ :@]+' '{ print $2 }' | paste -sd' '
}

links_are() # NAMES
{
	[ "$(links_of_pod)" = "$1" ]
}

# flow_path CONTROL HOST PORT: by which a connection of the pod goes
flow_path()
{
	local path
	spawn "slow$3" nsenter -t "$POD" -n -- "$PY" "$T/net.py" slow "$2" \
		"$3" 50000000 100
	wait_for 20 flow_is_listed "$1" "$3"
	path=$(as_user "$PODSPLICE" flows --json --control "$1" | "$PY" -c '
import json, sys
print(*{f["path"] for f in json.load(sys.stdin)["flows"]
        if f["remote"].endswith(":" + sys.argv[1])})' "$3")
	kill "$PID"
	reap "$PID"
	echo "$path"
}

flow_is_listed() # CONTROL PORT
{
	as_user "$PODSPLICE" flows --json --control "$1" | grep -q ":$2\""
}

# works [OPTION]: TCP both ways, UDP and names. With -6 over IPv6, too.
works() # NAME [-6]
{
	is "$(pod_net get "$PEER4" 9000 200000)" OK "$1: TCP out of the pod"
	[ "${2-}" != -6 ] ||
		is "$(pod_net get "$PEER6" 9000 200000)" OK '... over IPv6'
	is "$(pod_net udp "$PEER4" 9001)" "OK $HOST4" '... UDP'
}

# published NAME: port 8080 of the host is port 80 of the pod
published()
{
	spawn "server-$1" nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
	wait_port pod 80
	like "$(peer_net who "$HOST4" 8080)" "^$PEER4 " \
		"$1: a published port, with the client's address"
	kill "$PID"
	reap "$PID"
}

# live NAME PORT UDP-PORT PORTFWD: ports of the target that are published and
# withdrawn over SOCKET while it runs
live()
{
	verb port --control "$SOCKET" add "7100:$2"
	is "$STATUS" 0 "$1: a port is added"
	is "$(peer_net get "$HOST4" 7100 20000)" OK '... and served'
	held "live$1" 7100
	verb port --control "$SOCKET" rm "7100:$2"
	is "$STATUS $(peer_net connect "$HOST4" 7100)" '0 ECONNREFUSED' \
		'... and withdrawn'
	let_go "live$1"
	is "$HELD" 'still open' '... its open connection lives on'
	verb port --control "$SOCKET" add "7100:$2"
	verb port --control "$SOCKET" add "7101:$3/udp"
	like "$(peer_net udp "$HOST4" 7101)" '^OK ' '... a UDP port is added'
	kill -KILL "$4"
	live_again()
	{
		[ "$(peer_net get "$HOST4" 7100 20000)" = OK ]
	}
	check '... another portfwd has them, too' wait_for 20 live_again
	like "$(peer_net udp "$HOST4" 7101)" '^OK ' '... UDP as well'
	held "drop$1" 7100
	verb port --control "$SOCKET" rm --drop "7100:$2"
	let_go "drop$1"
	is "$HELD" ECONNRESET '... rm --drop resets'
	verb port --control "$SOCKET" rm "7101:$3/udp"
	is "$STATUS $(in_host ss -Hlntu '( sport = :7100 or sport = :7101 )')" \
		'0 ' '... nothing listens there any more'
}
