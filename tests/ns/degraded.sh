#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What can't be mended by starting a process again is told: once in the log,
# and as the state "degraded" to whoever asks.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

serve_peer 9000 || bail 'no server on the other host'
SOCK=$WORK/control.sock

start() # NAME [OPTION...]
{
	NAME=$1
	shift
	pod "$NAME" --control "$SOCK" -p 8080:80 "$@" -- \
		"$PY" "$T/net.py" serve 80 || bail 'no pod'
	wait_port pod 80
}

state()
{
	stat_of 's["state"], s["state_reason"]'
}

state_is() # REGEX
{
	[[ $(state) =~ $1 ]]
}

told() # REGEX: how often in the pod's log
{
	grep -cE "$1" "$T/$NAME.err"
}

# A process that dies again and again
start loop
is "$(state)" 'running None' 'a pod that runs'
for _ in 1 2 3 4; do
	helper || bail 'a process is missing'
	OLD=$NETSTACK
	kill -KILL "$OLD"
	successor()
	{
		helper && [ "$NETSTACK" != "$OLD" ]
	}
	check 'netstack has a successor' wait_for 20 successor
done
like "$(state)" '^degraded netstack: ended 4 times in a row, last by signal 9' \
	'four deaths in a row are told'
is "$(told 'netstack: ended 4 times')" 1 '... in the log, once'
is "$(told 'it is started again')" 3 '... after those that were mended'
like "$(as_user "$PODSPLICE" stats --control "$SOCK" | head -n 1)" \
	'^degraded: netstack: ended 4 times' '... and first in the table'
is "$(pod_net get "$PEER4" 9000 100000)" OK 'what works goes on'
check 'a stable life ends it' wait_for 30 state_is '^running None'
is "$(told 'all processes are stable again')" 1 '... told, once'
pod_end
leftovers loop

# The pod's root deletes its device; nothing can mend that.
for how in splice fallback; do
	[ $how = splice ] || AS_USER+=(PODSPLICE_FAIL_HOP=1)
	start "tap_$how"
	in_pod ip link set tap0 down
	in_pod ip link set tap0 up
	is "$(state)" 'running None' "$how: a device that was down is no reason"
	in_pod ip link del tap0
	check "$how: a deleted device is told" wait_for 20 state_is \
		'^degraded TAP device tap0: it was deleted in the pod'
	is "$(told 'tap0: it was deleted')" 1 '... in the log, once'
	is "$(told 'started again')" 0 '... and nothing is restarted for it'
	check '... the command lives' kill -0 "$POD"
	pod_end
	leftovers "tap_$how"
done

stop_spawned
finish
