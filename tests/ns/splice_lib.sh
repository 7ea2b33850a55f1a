# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For the tests of spliced egress: splice.py's clients run natively and in the
# pod, what they saw is compared line by line. Sourced by splice_*.sh.

# the runner of all tests takes this for one, too
[ "${BASH_SOURCE[0]}" != "$0" ] || {
	echo 1..0
	exit 0
}

# shellcheck source=tests/ns/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install -m 644 "$LIB/net.py" "$LIB/splice.py" "$T/"
# shellcheck disable=SC2034 # for the tests
LONG=${PODSPLICE_LONG:-}
# what a single command may take; many share this machine's processors
GUARD=120
ulimit -n "$(ulimit -Hn)"

# native, podded ARGS: splice.py in the host's network, in the pod's
native()
{
	guard "${IN_HOST[@]}" env DEVICE=eth0 "$PY" "$T/splice.py" "$@" \
		2>&1 </dev/null
}

podded()
{
	guard nsenter -t "$POD" -n -- env DEVICE=tap0 "$PY" "$T/splice.py" \
		"$@" 2>&1 </dev/null
}

# same NAME WANT GOT: texts of "what: observations" lines, a test each
same()
{
	local line what got
	while IFS= read -r line; do
		what=${line%%: *}
		got=$(grep -F -m 1 "$what: " <<<"$3")
		is "$got" "$line" "$1: $what"
	done <<<"$2"
	[ "$(wc -l <<<"$2")" = "$(wc -l <<<"$3")" ] || {
		not_ok "$1: as many observations as natively"
		note "$3"
	}
}

# serve_splice PORT [ARGS]: splice.py's server at the peer
serve_splice()
{
	spawn "splice-$1" "${IN_PEER[@]}" "$PY" "$T/splice.py" serve "$@"
	wait_port peer "$1"
}

netns_of()
{
	readlink "/proc/$1/ns/net"
}

has_tap()
{
	[ "$(find "/proc/$1/fd" -lname /dev/net/tun -print -quit)" ]
}

# helper: MAKER, NETSTACK, PORTFWD: the helper's processes of the pod at SUP
helper()
{
	local p host
	host=$(netns_of "$SUP")
	MAKER='' NETSTACK='' PORTFWD=''
	for p in $(children "$SUP"); do
		[ "$p" != "$POD" ] || continue
		if [ "$(netns_of "$p")" != "$host" ]; then
			MAKER=$p
		elif has_tap "$p"; then
			NETSTACK=$p
		else
			PORTFWD=$p
		fi
	done
	[ "$MAKER" ] && [ "$NETSTACK" ] && [ "$PORTFWD" ]
}

in_hop()
{
	nsenter -t "$MAKER" -n -- "$@"
}

# spliced FILTER...: how many flows the hop's TCP has (filter of ss)
spliced()
{
	in_hop ss -Htn state established "$@" | wc -l
}

# fds PID: how many are open
fds()
{
	find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

# private_kib PID...: what only they have, together
private_kib()
{
	local p
	for p; do
		cat "/proc/$p/smaps_rollup"
	done 2>/dev/null | awk '/^Private_/ { n += $2 } END { print n + 0 }'
}

# A flow that goes on, and checks every byte, while something else happens.
# steady NAME HOST PORT; steady_ends NAME TEXT
steady()
{
	rm -f "$T/$1.stop"
	spawn "$1" nsenter -t "$POD" -n -- "$PY" "$T/splice.py" steady "$2" \
		"$3" "$T/$1.stop"
	printf -v "STEADY_${1//-/_}" %s "$PID"
	wait_for 30 grep -q running "$T/$1.out"
}

steady_ends()
{
	local pid=STEADY_${1//-/_}
	: >"$T/$1.stop"
	reap "${!pid}"
	is "$(tail -n 1 "$T/$1.out")" OK "$2"
}
