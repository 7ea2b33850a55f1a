#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every form of ADDR in a SPEC, with a host port and with a free one, TCP and
# UDP: who is served, whom the pod sees, what is in the way of what. The table
# is publish_matrix.py's; the pod publishes all of it at once.
. "$(dirname "$0")/lib.sh"

install -m 755 "$LIB/publish_matrix.py" "$T/matrix.py"
OTHER4=192.0.2.11 OTHER6=2001:db8:1::11 NEW4=192.0.2.12
PORTS_BEFORE=$(ports_of_host)
in_host_net sh -ec "
	ip addr add $OTHER4/32 dev eth0
	ip addr add $OTHER6/128 dev eth0 nodad"
ADDRS=("host4=$HOST4" "host6=$HOST6" "peer4=$PEER4" "peer6=$PEER6"
	"other4=$OTHER4" "other6=$OTHER6" "gw4=$GW4" "gw6=$GW6")

matrix()
{
	"$PY" "$T/matrix.py" "$@" "${ADDRS[@]}"
}

SOCK=$WORK/matrix.sock
matrix specs >"$T/specs"
# a line each, without spaces
mapfile -t SPECS < <(sed 's/^/--publish=/' "$T/specs")
pod matrix --log-level debug --control "$SOCK" "${SPECS[@]}" -p 7999:9 -- sh -c "
	$PY $T/net.py udp-serve 80 4 $POD4 &
	$PY $T/net.py udp-serve 80 6 $POD6 &
	exec $PY $T/net.py serve 80" || bail 'the pod did not start'
wait_port pod 80
wait_port pod 80 u
wait_for "$GUARD" eval '[ "$(in_pod ss -Hlnu "sport = :80" | wc -l)" = 2 ]'

ports()
{
	guard "${AS_USER[@]}" "$PODSPLICE" port --json --control "$SOCK"
}
ports >"$T/ports"

# one program for each place asks all of its questions
probe() # PLACE
{
	local in=("${IN_PEER[@]}")
	[ "$1" = peer ] || in=("${IN_HOST[@]}")
	timeout -k 5 100 "${in[@]}" "$PY" "$T/matrix.py" probe "$1" "$T/ports" \
		"${ADDRS[@]}" >"$T/probed-$1" 2>&1 </dev/null
}
probe peer
probe host
while IFS='|' read -r name got want; do
	is "$got" "$want" "$name"
done < <(cat "$T/probed-peer" "$T/probed-host")
is "$(cat "$T/probed-peer" "$T/probed-host" | wc -l)" \
	"$(($(wc -l <"$T/specs") * 8))" 'all of the table was asked'

# what names clients
like "$(peer_net connect "$HOST4" 7999)" 'ECONNRESET' \
	'a port of the pod that nobody listens on'
spawn flow "${IN_PEER[@]}" "$PY" "$T/net.py" slow "$HOST4" "$(head -n 1 "$T/specs" |
	cut -d: -f1)" 10 600
flows()
{
	guard "${AS_USER[@]}" "$PODSPLICE" flows --json --control "$SOCK"
}
has_flow()
{
	[[ $(flows) == *'"remote":"'"$PEER4"* ]]
}
check 'a flow is listed with its client' wait_for 20 has_flow
unlike "$(flows)" '::ffff:' '... and unmapped addresses'
check 'the log names a client' grep -q "$PEER4" "$T/matrix.err"
unlike "$(cat "$T/matrix.err" "$T/matrix.out")" '::ffff:' \
	'no mapped address is in the log, nor did the pod see one'

# an interface that loses its address, and gets another, and the first again
port_of() # SPEC: its host port
{
	"$PY" - "$T/ports" "$(grep -nxF -- "$1" "$T/specs" | cut -d: -f1)" <<-'END'
		import json, sys
		for p in json.load(open(sys.argv[1]))['ports']:
		    if p['id'] == int(sys.argv[2]):
		        print(p['host_port'])
	END
}
DEV_TCP=$(port_of '%eth0::80/tcp') DEV_UDP=$(port_of '%eth0::80/udp')
ONE_TCP=$(port_of "$HOST4::80/tcp") ONE_UDP=$(port_of "$HOST4::80/udp")
in_host_net sh -ec "
	ip addr del $HOST4/24 dev eth0
	ip addr add $NEW4/24 dev eth0
	ip route replace default via $PEER4"
is "$(peer_net who "$NEW4" "$DEV_TCP")" "$PEER4 same-port" \
	'another address of the interface is served at once (TCP)'
is "$(peer_net udp "$NEW4" "$DEV_UDP")" "OK $PEER4" '... and UDP'
is "$(peer_net connect "$NEW4" "$ONE_TCP")" ECONNREFUSED \
	'... but not by who named the old one'
in_host_net ip addr del "$NEW4/24" dev eth0
link_up
is "$(peer_net who "$HOST4" "$ONE_TCP")" "$PEER4 same-port" \
	'an address that comes back is served again (TCP)'
is "$(peer_net udp "$HOST4" "$ONE_UDP")" "OK $PEER4" '... and UDP'
is "$(peer_net who "$HOST4" "$DEV_TCP")" "$PEER4 same-port" \
	'... and by who named the interface'
pod_end
leftovers matrix

# Conflicts: one process that holds each form of address on a port of its own;
# whether another form is in its way the kernel says.
spawn holder "${AS_USER[@]}" "$PY" "$T/matrix.py" hold "${ADDRS[@]}"
HOLDER=$PID
wait_for "$GUARD" grep -q ready "$T/holder.out" || bail 'no holder'
while IFS='|' read -r spec busy what; do
	run_user -p "$spec" -- true
	if [ "$busy" = free ]; then
		is "$STATUS $ERR" '0 ' "-p $spec: not in the way"
	else
		is "$STATUS $ERR" "125 podsplice: $what: address already in use (by $HOLDER python3)" \
			"-p $spec: in use, by whom"
	fi
done < <(guard "${AS_USER[@]}" "$PY" "$T/matrix.py" conflicts "${ADDRS[@]}")
stop_spawned
in_host_net ip addr del "$OTHER4/32" dev eth0
leftovers conflicts
finish
