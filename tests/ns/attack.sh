#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From inside a pod, as its root with every capability there is, with a pid
# namespace of its own and without: against each process, the hop, and another
# pod of the same user. Each attempt must fail; with the powers that the
# attacker lacks the same attempts work, or they would prove nothing.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

install -m 644 "$LIB/attack.py" "$T/"
pod other -p 8081:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
helper || bail 'a process is missing'
OTHERS="$SUP $NETSTACK $PORTFWD $MAKER $POD $(children "$POD")"
OTHER_SUP=$SUP OTHER_MAKER=$MAKER
pod victim -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no second pod'
helper || bail 'a process is missing'
wait_port pod 80
HELPERS="$SUP $NETSTACK $PORTFWD $MAKER"

# Nothing of ours is in a namespace of the pod's
shared()
{
	local pid ns
	for pid in $HELPERS; do
		for ns in user net mnt pid ipc uts; do
			[ "$(readlink "/proc/$pid/ns/$ns")" != \
				"$(readlink "/proc/$POD/ns/$ns")" ] ||
				echo "$pid: $ns"
		done
	done
}
is "$(shared)" '' 'none of our processes is in a namespace of the pod'

# From the network, by the pod's own addresses, and a host that forwards
in_host sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
in_peer ip route add "$POD4/32" via "$HOST4"
in_peer ip -6 route add "$POD6/128" via "$HOST6"
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
	'the published port is served'
for at in "$POD4" "$POD6"; do
	unlike "$(timeout 5 "${IN_PEER[@]}" "$PY" "$T/net.py" connect "$at" \
		80 2>&1)" '^OK' "$at is not reached from outside"
done
is "$(peer_net connect "$HOST4" 80)" ECONNREFUSED \
	'nor is a port that is not published'

# The pod's root: all of its namespaces; or those that a network's root needs,
# and the host's processes to see
inside()
{
	nsenter -t "$POD" -U -m -n -p -i -u -- "$PY" "$T/attack.py" "$@" \
		2>&1 </dev/null
}
outside()
{
	nsenter -t "$POD" -U -n -i -u -- "$PY" "$T/attack.py" "$@" \
		2>&1 </dev/null
}

# shellcheck disable=SC2016 # for the inner shell
like "$(nsenter -t "$POD" -U -n -i -u -- sh -c 'cat /proc/$$/status')" \
	'CapEff:.000001ffffffffff' 'the attacker has every capability there'
for pid in $HELPERS; do
	like "$(outside processes "$pid")" '^tried [1-9][0-9]+$' \
		"no way into process $(tr '\0' ' ' <"/proc/$pid/cmdline" |
			cut -d' ' -f1) $pid of its own pod"
done
for pid in $OTHERS; do
	like "$(outside processes "$pid")" '^tried [1-9][0-9]+$' \
		"no way into process $pid of another pod"
done
# the same, of its own command: here it has the power
COMMAND=$(children "$POD" | tr -d ' ')
like "$(outside processes "$COMMAND")" \
	'ptrace works.*process_vm_readv works.*environ works.*pidfd_getfd [0-9]+ works.*pidfd, net works' \
	'such attempts do work where they may'

# with a pid namespace of its own it doesn't even see them
SEEN=$(inside sees)
like "$SEEN" '^1 ' 'in its pid namespace it sees its own first process'
for pid in $HELPERS; do
	unlike " $SEEN " " $pid " '... and none of ours'
	like "$(inside processes "$pid")" '^tried [1-9][0-9]+$' \
		'... nor is there a way in by its number'
done

# The hop, by rtnetlink
like "$(outside hop "$MAKER")" '^tried 6$' 'no way into the hop'
like "$(inside hop "$MAKER")" '^tried 6$' '... from its own pid namespace'
like "$(outside hop "$SUP")" '^tried 6$' '... nor the host by the same means'
like "$(outside hop "$OTHER_MAKER")" '^tried 6$' "... nor another pod's hop"
like "$(nsenter -t "$MAKER" -U -- nsenter -t "$COMMAND" -n -- "$PY" \
	"$T/attack.py" hop "$MAKER" 2>&1)" \
	'look at.*make a device there works.*a process works.*on top of.*move our' \
	"they do work for the hop's owner"
pod_end

# What the pod's first process holds, should its root have taken it over: no
# socket of any network
pod first -p 8080:80 -- sleep 1000 || bail 'no pod'
"$PY" - "$POD" >"$T/first" 2>&1 <<'END'
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
pidfd = os.pidfd_open(int(sys.argv[1]))
n = 0
for fd in range(256):
    got = libc.syscall(438, pidfd, fd, 0)
    if got < 0:
        continue
    n += 1
    try:
        with socket.socket(fileno=got) as s:
            print(socket.AddressFamily(s.family).name)
    except OSError:
        pass  # no socket
print('some' if n > 3 else n)
END
is "$(cat "$T/first")" "$(printf 'AF_UNIX\nsome')" \
	"the pod's first process holds one socket, to the supervisor"
pod_end
kill -TERM "$OTHER_SUP"
reap "$OTHER_SUP"
leftovers attack
finish
