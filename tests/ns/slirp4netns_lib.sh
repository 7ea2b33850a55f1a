# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# podsplice by slirp4netns' name, and the original where it is installed: what
# holds for both is tested with both. Sourced by slirp4netns*.sh.

# the runner of all tests takes this for one, too
[ "${BASH_SOURCE[0]}" != "$0" ] || {
	echo 1..0
	exit 0
}

# shellcheck source=tests/ns/uplink_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/uplink_lib.sh"

ln -s "$PODSPLICE" "$T/slirp4netns"
OURS=$T/slirp4netns
ORIGINAL=$(command -v slirp4netns) || ORIGINAL=
# What is under test: S4 is its path, WHO its name in the tests' names.
S4=$OURS WHO=ours

# both FUNCTION: for us, and for the original
both()
{
	"$1"
	if [ "$ORIGINAL" ]; then
		S4=$ORIGINAL WHO=original
		"$1"
		S4=$OURS WHO=ours
	else
		skip "$1 of the original" 'slirp4netns is not installed'
	fi
}

# s4 NAME ARG...: in the background, as run_up; ARG... without -r
s4()
{
	local name=$1
	shift
	run_up "$name" "$S4" -r 3 "$@" && return
	note "$WHO $name: '$READY' instead of readiness"
	note "$(cat "$T/$name.err")"
	return 1
}

# s4_end: as most engines do it
s4_end()
{
	kill -TERM "$SUP" 2>/dev/null
	reap "$SUP"
}

# s4_fg ARG...: in the foreground; OUT, ERR, STATUS
s4_fg()
{
	caught "${AS_USER[@]}" "$S4" "$@"
}

has_route()
{
	[ "$(in_pod ip route show default)" ]
}
