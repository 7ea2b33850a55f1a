#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hosts that give less than usual: few descriptors, a read-only /proc/sys.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/shortage.sock
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9002 4 || bail 'no UDP server there'

serves() # NAME
{
	is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
		"$1: published, IPv4, with the client's address"
	is "$(peer_net who "$HOST6" 8080)" "$PEER6 same-port" \
		"$1: published, IPv6"
	is "$(peer_net churn "$HOST4" 8080 50)" 50 "$1: 50 connections"
	is "$(pod_net get "$PEER4" 9000 1000000)" OK "$1: egress, IPv4"
	is "$(pod_net put "$PEER6" 9000 1000000)" OK "$1: egress, IPv6"
	is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" "$1: egress, UDP"
}

# A hard limit of descriptors
limited() # N PATH
{
	spawn "nofile-$1" "${AS_USER[@]}" sh -c "ulimit -n $1; exec $PODSPLICE \
		run --datapath $2 --control $SOCK -p 8080:80 -- $PY $T/net.py serve 80"
	SUP=$PID
	pod_waits "nofile-$1"
}
for n in 64 41 40 39 38 37 36; do
	for path in auto slirp; do
		if ! limited $n $path >/dev/null; then
			# fewer than it takes: never a pod that serves nobody
			[ $n -lt 40 ] || bail "the pod did not start with $n"
			like "$(cat "$T/nofile-$n.err")" \
				'^podsplice: [^[:cntrl:]]*$' \
				"$n descriptors, $path: one line says so"
			continue
		fi
		wait_port pod 80
		serves "$n descriptors, $path"
		is "$(peer_net many "$HOST4" 8080 60)" 60 \
			"$n descriptors, $path: more clients take turns"
		is "$(cat "$T/nofile-$n.err")" '' "$n descriptors: nothing is said"
		pod_end
	done
done
# the soft limit is the command's only
# shellcheck disable=SC2016 # for the inner shells
spawn soft "${AS_USER[@]}" sh -c 'ulimit -Sn 64; exec "$0" run -p 8080:80 -- \
	sh -c "ulimit -Sn 1024; exec \"\$0\" \"\$1\" serve 80" "$1" "$2"' \
	"$PODSPLICE" "$PY" "$T/net.py"
SUP=$PID
pod_waits soft || bail 'the pod did not start with a soft limit of 64'
wait_port pod 80
is "$(peer_net many "$HOST4" 8080 300)" 300 'a soft limit of 64: 300 at once'
is "$(pod_net many "$PEER4" 9000 300)" 300 '... and out of the pod'
pod_end
# libslirp keeps some back: while connections wait, others get through
limited 64 slirp || bail 'the pod did not start'
wait_port pod 80
# shellcheck disable=SC2016 # for the inner shell
nsenter -t "$POD" -n -- "$PY" -c "
import socket, time
all = []
for i in range(100):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(('$PEER4', 9000))
    all.append(s)
time.sleep(1)
print('open', flush=True)
time.sleep(1000)" >"$T/flood.out" 2>&1 </dev/null &
SPAWNED+=("$!")
FLOOD=$!
check '100 connections through 64 descriptors of libslirp' \
	wait_for 20 grep -q open "$T/flood.out"
is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" '... leave room for UDP'
like "$(stat_of 's["errors"]["emfile"]')" '^[1-9]' '... and show in the counters'
kill "$FLOOD"
is "$(pod_net get "$PEER4" 9000 100000)" OK '... and TCP works when they are gone'
pod_end

# fewer than it takes: one line, or it works
timeout "$GUARD" "${AS_USER[@]}" sh -c "ulimit -n 20; exec $PODSPLICE run \
	-p 8080:80 -- true" >"$T/fg.out" 2>"$T/fg.log" </dev/null
like "$? $(cat "$T/fg.log")" '^(0 |125 podsplice: [^[:cntrl:]]*)$' \
	'20 descriptors: works, or says so in one line'

# /proc/sys as in a container
# shellcheck disable=SC2016 # for the inner shell
spawn read-only "${IN_HOST[@]}" unshare --mount --propagation private sh -c '
	mount --bind /proc/sys /proc/sys
	mount -o remount,bind,ro /proc/sys
	exec "$@"' sh "${AS_USER[@]:4}" "$PODSPLICE" run -p 8080:80 -- \
	"$PY" "$T/net.py" serve 80
SUP=$PID
pod_waits read-only || bail 'a read-only /proc/sys keeps it from starting'
wait_port pod 80
serves 'a read-only /proc/sys'
unlike "$(cat "$T/read-only.err")" '/proc/sys' '... which is no trouble'
pod_end

stop_spawned
leftovers shortage
finish
