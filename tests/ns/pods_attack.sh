#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From inside a pod, as root of one of its containers with every capability:
# against infra, the supervisors of pod and containers, and the first process of
# each container. As attack.sh, for what only pods have.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"

PORTS_BEFORE=$(ports_of_host)
install -m 644 "$LIB/attack.py" "$T/"
verb pod create --name web
verb run -d --pod web --name mine --cap-add ALL -- sleep 1000
verb run -d --pod web --name other -- sleep 1000
is "$STATUS" 0 'a pod with two containers'
MINE=$(container mine 'c["pid"]')

# with the host's processes to see
outside()
{
	nsenter -t "$MINE" -U -n -i -u -- "$PY" "$T/attack.py" "$@" \
		2>&1 </dev/null
}

# shellcheck disable=SC2016 # for the inner shell
like "$(nsenter -t "$MINE" -U -n -i -u -- sh -c 'cat /proc/$$/status')" \
	'CapEff:.000001ffffffffff' 'the attacker has every capability there'
for role in infra supervisor netstack portfwd maker; do
	like "$(outside processes "$(pid_of web $role)")" \
		'^tried [1-9][0-9]+$' "no way into the pod's $role"
done
for name in mine other; do
	like "$(outside processes "$(container $name 'c["supervisor"]')")" \
		'^tried [1-9][0-9]+$' "no way into the supervisor of $name"
	like "$(outside processes "$(container $name 'c["pid"]')")" \
		'^tried [1-9][0-9]+$' "no way into the first process of $name"
done
COMMAND=$(children "$(container other 'c["pid"]')" | tr -d ' ')
like "$(outside processes "$COMMAND")" 'ptrace works' \
	'such attempts do work against the command of another container'

# By the product's own ways, in the pid namespace that infra holds
verb run --pod web --pid pod --cap-add ALL -- "$PY" "$T/attack.py" processes 1
like "$OUT" '^tried [1-9][0-9]+$' 'no way into infra from a container'
verb run --pod web --pid pod --cap-add ALL -- sh -c 'kill -9 1; kill -TERM 1; sleep 0.2'
is "$(about web 'j["state"]')" running '... nor can it be ended'

# In its network: nobody of ours
shared()
{
	local pid ns role
	for role in supervisor netstack portfwd maker; do
		pid=$(pid_of web $role)
		for ns in user net ipc uts pid; do
			[ "$(stat -Lc %i "/proc/$pid/ns/$ns")" != \
				"$(about web "j['namespaces']['$ns']")" ] ||
				echo "$role: $ns"
		done
	done
}
is "$(shared)" '' 'none of our processes is in a namespace of the pod but infra'
for pid in "$(container mine 'c["pid"]')" "$(pid_of web infra)"; do
	is "$(find "/proc/$pid/fd" -lname 'socket:*' | wc -l)" 1 \
		'one socket is all that the first processes have'
done
verb pod rm -f web
leftovers attack
finish
