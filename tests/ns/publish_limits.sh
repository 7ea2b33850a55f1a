#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients and servers at which a published port could be used up. Meanwhile
# another published port and the way out of the pod work; the counters tell;
# afterwards no descriptor and no memory is missing.
. "$(dirname "$0")/lib.sh"

install -m 755 "$LIB/publish_limits.py" "$T/limits.py"
PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/limits.sock
serve_peer 9000 || bail 'no server on the other host'
pod limits --control "$SOCK" -p 8080:80 -p 8081:81 -p 8082:82 -p 8083:83/udp \
	-- sh -c "
	$PY $T/limits.py never 4 81 &
	$PY $T/limits.py keep 4 82 &
	$PY $T/net.py udp-serve 83 &
	exec $PY $T/net.py serve 80" || bail 'the pod did not start'
for port in 80 81 82; do
	wait_port pod $port
done
wait_port pod 83 u

counted() # CAUSE N: more than N errors of that kind
{
	[ "$(stat_of "s['errors']['$1']")" -gt "$2" ]
}

open_flows()
{
	stat_of 's["flows"]["splice"]["open"] + s["flows"]["copy"]["open"]'
}

serves() # NAME: everything but the port that is under attack
{
	is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
		"$1: another port, with the client's address"
	is "$(peer_net get "$HOST6" 8080 3000000)" OK "$1: its data, IPv6"
	is "$(peer_net udp "$HOST4" 8083)" "OK $PEER4" "$1: UDP"
	is "$(pod_net put "$PEER4" 9000 1000000)" OK "$1: out of the pod"
}

portfwd() # its pid
{
	PORTFWD=$("$PY" -c "import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect('$SOCK')
s.sendall(b'{\"execute\": \"info\"}\n')
print(json.loads(s.makefile().readline())['return']['pids']['portfwd'])")
}
portfwd

fds_of()
{
	find "/proc/$PORTFWD/fd" -mindepth 1 | wc -l
}

# the pool of sockets for the hop may be anywhere between half and full
as_before()
{
	[ "$(open_flows)" = 0 ] && [ "$(fds_of)" -le $((FDS + 40)) ]
}

recovered() # NAME
{
	check "$1: all descriptors come back" wait_for 20 as_before
	check "$1: and memory" test \
		"$(stat_of 's["memory"]["portfwd"]["private"]')" -le \
		$((MEMORY + 1048576))
}

hold() # WORDS: publish_limits.py there; HOLDER, when all of it is open
{
	spawn "$1" "${IN_PEER[@]}" "$PY" "$T/limits.py" "$@"
	HOLDER=$PID
	wait_for "$GUARD" grep -qs open "$T/$1.out" ||
		note "$1: $(cat "$T/$1.out" "$T/$1.err")"
}

let_all_go()
{
	kill "$HOLDER"
	reap "$HOLDER"
}

serves 'at first'
is "$(peer_net many "$HOST4" 8080 300)" 300 '300 at once'
wait_for 20 eval '[ "$(open_flows)" = 0 ]'
FDS=$(fds_of) MEMORY=$(stat_of 's["memory"]["portfwd"]["private"]')

# opened and dropped without a byte
spawn drop "${IN_PEER[@]}" "$PY" "$T/limits.py" drop "$HOST4" 8080 5000
DROP=$PID
serves '5,000 dropped without a byte'
reap "$DROP"
is "$STATUS $(cat "$T/drop.out")" '0 OK' '... all of them were accepted'
recovered '5,000 dropped'

# half a request, and nothing more
hold loris "$HOST4" 8082 2000
is "$(cat "$T/loris.out")" 'open 2000' '2,000 half requests are accepted'
check '... and relayed' wait_for 20 eval '[ "$(open_flows)" -ge 2000 ]'
serves '2,000 half requests'
let_all_go
recovered '2,000 half requests'

# a server that never accepts: clients wait in the listener's backlog
BEFORE=$(stat_of 's["errors"]["timeout"]')
hold pending "$HOST4" 8081 2000
check 'a pod that never accepts: counted' wait_for 20 \
	counted timeout "$BEFORE"
check '... and costs few descriptors' test "$(fds_of)" -le $((FDS + 700))
serves 'a pod that never accepts'
let_all_go
NEVER=$(in_pod ss -Hlntp 'sport = :81' | sed 's/.*pid=\([0-9]*\).*/\1/')
kill "$NEVER"
recovered 'a pod that never accepts, when its server has ended'
like "$(peer_net connect "$HOST4" 8081)" 'ECONNRESET' \
	'... whose port is refused from now on'

# SYNs of clients that never answer
in_peer_net ip route add blackhole 198.18.0.0/15
spawn syns "${IN_PEER[@]}" "$PY" "$T/limits.py" syns "$HOST4" 8080 50000
SYNS=$PID
serves 'a burst of 50,000 SYNs'
reap "$SYNS"
is "$STATUS $(cat "$T/syns.out")" '0 OK' '... all were sent'
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
	'... and the port is there behind them'
recovered 'a burst of 50,000 SYNs'

no_restarts()
{
	is "$(stat_of 's["restarts"]')" \
		"{'netstack': 0, 'portfwd': 0, 'maker': 0}" \
		"$1: no process had to be started again"
	is "$(cat "$T/$1.err")" '' "$1: nothing was said"
}
no_restarts limits
pod_end

# no descriptors left while serving
spawn few "${AS_USER[@]}" sh -c "ulimit -n 160; exec $PODSPLICE run \
	--control $SOCK -p 8080:80 -p 8082:82 -- sh -c '
	$PY $T/limits.py keep 4 82 & exec $PY $T/net.py serve 80'"
SUP=$PID
pod_waits few || bail 'the pod did not start with 160 descriptors'
wait_port pod 80
wait_port pod 82
portfwd
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" '160 descriptors'
wait_for 20 eval '[ "$(open_flows)" = 0 ]'
FDS=$(fds_of) MEMORY=$(stat_of 's["memory"]["portfwd"]["private"]')
spawn stream "${IN_PEER[@]}" "$PY" "$T/net.py" stream "$HOST4" 8080
STREAM=$PID
wait_for 20 grep -qs running "$T/stream.out"
hold loris "$HOST4" 8082 300
check 'no descriptors: counted' wait_for 20 counted emfile 0
is "$(pod_net put "$PEER4" 9000 1000000)" OK \
	'no descriptors: out of the pod'
check 'no descriptors: what is open goes on' mine "$STREAM"
is "$(cat "$T/stream.out")" running '... without an error'
spawn waits "${IN_PEER[@]}" "$PY" "$T/net.py" who "$HOST4" 8080
WAITS=$PID
let_all_go
reap "$WAITS"
is "$(cat "$T/waits.out")" "$PEER4 same-port" \
	'no descriptors: whoever waited is served when there are some'
kill "$STREAM"
reap "$STREAM"
recovered 'no descriptors'
is "$(peer_net churn "$HOST4" 8080 100)" 100 'no descriptors: 100 more'
no_restarts few
pod_end

stop_spawned
leftovers limits
finish
