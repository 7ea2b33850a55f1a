#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a relay can get wrong about TCP: ends, resets, urgent data, refusals,
# who speaks first, families, ranges, many at once.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)

# One pod: 9000 both families, 9004 IPv4 only, 9006 IPv6 only, 9010 speaks
# first. 9001 and 9020-9022 are published, but nobody listens.
cat >"$WORK/servers.sh" <<END
$PY $T/net.py serve 9004 4 &
$PY $T/net.py serve 9006 6 &
$PY $T/net.py serve 9010 both '' 'welcome, stranger' &
$PY $T/net.py serve 9012 4 &
exec $PY $T/net.py serve 9000
END
pod servers -p 9000:9000 -p 9001:9001 -p 7004:9004 -p 7006:9006 -p 9010:9010 \
	-p 7010-7013:9010-9013 -p 0.0.0.0:7100:9000 -p "[::]:7200:9000" \
	-p 127.0.0.1:7300:9000 -p "[::1]:7400:9000" -p "$HOST4:7500:9000" \
	-p "[$HOST6]:7600:9000" -p %eth0:7700:9000 -p 7800:9000,source=off \
	-- sh "$WORK/servers.sh" || bail 'the pod did not start'
for port in 9000 9004 9006 9010 9012; do
	wait_port pod "$port" || bail "no server on $port"
done

for host in "$HOST4" "$HOST6"; do
	is "$(peer_net get "$host" 9000 30000000)" OK "download, $host"
	is "$(peer_net put "$host" 9000 30000000)" OK \
		"upload, then half-close, then the answer, $host"
	like "$(peer_net late "$host" 9000 5000000)" '^OK' \
		"the server is first to half-close, $host"
	is "$(peer_net slow "$host" 9000 20000000 1)" OK \
		"a server that reads late gets all of it, $host"
	is "$(peer_net be-reset "$host" 9000)" ECONNRESET \
		"a reset by the server is one for the client, $host"
	is "$(peer_net do-reset "$host" 9000)" OK "the client resets, $host"
	is "$(peer_net urgent "$host" 9000)" 'abc ! def' \
		"urgent data keeps its place, $host"
	is "$(peer_net banner "$host" 9010)" 'welcome, stranger' \
		"the server may speak first, $host"
	like "$(peer_net connect "$host" 9001)" '^(then )?ECONNRESET$' \
		"nobody listens: the client is reset at once, $host"
done
two_resets()
{
	[ "$(grep -c '^end ECONNRESET' "$T/servers.out")" = 2 ]
}
check "the server saw the clients' resets, and no clean ends" \
	wait_for 5 two_resets
check 'no end of file where there was a reset' \
	eval '! grep -q "^end eof" "$T/servers.out"'
like "$(grep -c '^send-sum 5000000 ' "$T/servers.out")" '^2$' \
	'what came after the half-close arrived'
is "$(grep '^send-sum' "$T/servers.out" | sort -u | wc -l)" 1 '... unchanged'
is "$(host_net be-reset 127.0.0.1 9000)" ECONNRESET 'resets on loopback'
is "$(host_net urgent ::1 9000)" 'abc ! def' 'urgent data on loopback'

# Who is seen
is "$(peer_net who "$HOST4" 9000)" "$PEER4 same-port" \
	"the client's own address and port, IPv4"
is "$(peer_net who "$HOST6" 9000)" "$PEER6 same-port" \
	"the client's own address and port, IPv6"
is "$(host_net who 127.0.0.1 9000 | cut -d' ' -f1)" "$GW4" 'loopback, IPv4'
is "$(host_net who ::1 9000 | cut -d' ' -f1)" "$GW6" 'loopback, IPv6'
is "$(host_net who "$HOST4" 9000)" "$HOST4 same-port" \
	"the host's own address is kept"
is "$(peer_net who "$HOST4" 7800 | cut -d' ' -f1)" "$GW4" 'source=off'
LL=$(in_host ip -6 -o addr show dev eth0 scope link |
	awk '{ sub("/.*", "", $4); print $4 }')
is "$(peer_net who "$LL%eth0" 9000 | cut -d' ' -f1)" "$GW6" \
	'a link-local client is seen as the gateway'
# addresses that are the pod's own on the client's side
in_peer ip addr add 10.0.2.100/32 dev lo
in_peer ip addr add 10.0.2.55/32 dev lo
in_host ip route add 10.0.2.0/24 via "$PEER4"
for own in 10.0.2.100 10.0.2.55; do
	is "$(guard "${IN_PEER[@]}" "$PY" -c "
import socket
s = socket.create_connection(('$HOST4', 9000), 10, ('$own', 0))
s.sendall(b'who\n')
print(s.makefile().readline().split()[0])" 2>&1)" "$GW4" \
		"a client that has $own, an address of the pod's subnet"
done
in_host ip route del 10.0.2.0/24

# Families
is "$(peer_net who "$HOST6" 7004 | cut -d' ' -f1)" "$GW4" \
	'an IPv6 client of a server that has IPv4 only'
is "$(peer_net who "$HOST4" 7006 | cut -d' ' -f1)" "$GW6" \
	'an IPv4 client of a server that has IPv6 only'
is "$(peer_net who "$HOST4" 7004)" "$PEER4 same-port" '... IPv4 is kept there'

# Addresses a SPEC can name
expect() # PORT, then HOST WANT...: "-" is refused
{
	local port=$1 from
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		127.* | ::1) from=host_net ;;
		*) from=peer_net ;;
		esac
		if [ "$2" = - ]; then
			is "$($from connect "$1" "$port")" ECONNREFUSED \
				"$port is not there for $1"
		else
			is "$($from get "$1" "$port" 1000)" OK \
				"$port is there for $1"
		fi
		shift 2
	done
}
expect 7100 "$HOST4" + "$HOST6" - 127.0.0.1 + ::1 -
expect 7200 "$HOST4" - "$HOST6" + 127.0.0.1 - ::1 +
expect 7300 "$HOST4" - "$HOST6" - 127.0.0.1 + ::1 -
expect 7400 "$HOST4" - "$HOST6" - 127.0.0.1 - ::1 +
expect 7500 "$HOST4" + "$HOST6" - 127.0.0.1 - ::1 -
expect 7600 "$HOST4" - "$HOST6" + 127.0.0.1 - ::1 -
expect 7700 "$HOST4" + "$HOST6" + 127.0.0.1 - ::1 -

# Ranges: 7010-7013 are 9010-9013; 9010 speaks first, 9012 has IPv4 only
is "$(peer_net banner "$HOST4" 7010)" 'welcome, stranger' 'first of a range'
is "$(peer_net who "$HOST4" 7012)" "$PEER4 same-port" 'third of a range'
like "$(peer_net connect "$HOST4" 7011)" '^(then )?ECONNRESET$' 'a refusing one'
is "$(peer_net connect "$HOST4" 7014)" ECONNREFUSED 'nothing behind the range'

# Many
is "$(peer_net many "$HOST4" 9000 500)" 500 '500 connections at once, IPv4'
is "$(peer_net many "$HOST6" 9000 500)" 500 '500 connections at once, IPv6'
is "$(host_net many 127.0.0.1 9000 500)" 500 '500 at once from loopback'
is "$(peer_net churn "$HOST4" 9000 1000)" 1000 '1000 one after the other'

# A client that doesn't read stops nobody else
spawn stuck "${IN_PEER[@]}" "$PY" -c "
import socket, time
s = [socket.create_connection(('$HOST4', 9000)) for _ in range(20)]
for c in s:
    c.sendall(b'send 100000000 1\n')
print('stuck', flush=True)
time.sleep(100)"
STUCK=$PID
wait_for 20 grep -q stuck "$T/stuck.out"
is "$(peer_net get "$HOST4" 9000 20000000)" OK \
	'twenty clients that do not read stop nobody else'
kill -KILL "$STUCK"

pod_end
leftovers relay
finish
