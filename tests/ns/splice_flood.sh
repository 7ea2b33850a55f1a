#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# More than is spliced, and what nobody asked for: bursts, flows that are
# declined and go through libslirp, a helper without descriptors, forged
# frames. A flow that was there before never notices.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_splice 9000 || bail 'no server on the other host'
spawn many "${IN_PEER[@]}" "$PY" "$T/splice.py" serve-many 9001
wait_port peer 9001 || bail 'no server for many'
in_peer nft -f - <<'END' || bail "the peer's rules"
table inet answers {
	chain input {
		type filter hook input priority 0;
		tcp dport 9101 drop
	}
}
END
# what only the host itself may reach, and tells when it was
for bind in 127.0.0.1 ::1; do
	spawn "lo-$bind" "${IN_HOST[@]}" "$PY" "$T/net.py" serve 9100 \
		"$([ $bind = ::1 ] && echo 6 || echo 4)" $bind 'loopback'
done
wait_port host 9100
BYTES=20000000
[ -z "$LONG" ] || BYTES=100000000

pod flood -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
helper || bail "the helper's processes"
GWMAC=$(in_pod ip neigh show "$GW4" | grep -o 'lladdr [^ ]*' | cut -d' ' -f2)

# A burst: none is lost where they queue, all are answered
dropped() # by the hop's TAP and its listeners, and by the pod's own device
{
	in_hop ip -s link show tap0 | awk '/TX:/ { getline; print $4 }'
	in_hop awk '/^TcpExt:/ && $2 !~ /^[0-9]/ { split($0, k) }
		/^TcpExt:/ && $2 ~ /^[0-9]/ { split($0, v) }
		END { for (i in k) if (k[i] ~ /^Listen(Overflows|Drops)$/)
			print k[i], v[i] }' /proc/net/netstat
}
steady before "$FAR4" 9000
is "$(spliced dport gt 0 | head -c 1)" 1 'a flow is spliced'
BEFORE=$(dropped)
is "$(guard nsenter -t "$POD" -n -- "$PY" "$T/splice.py" burst "$FAR4" 9001 \
	5000 2>&1)" '5000 OK all alive' '5,000 connects in one burst'
is "$(dropped)" "$BEFORE" '... no SYN is lost on the way'
ended()
{
	[ "$(spliced dport gt 0)" -le 1 ]
}
check '... and all end with their client' wait_for 60 ended
is "$(podded transfer "$FAR4" 9000 3000000)" OK '... and then all is as before'

# Sources that aren't the pod's own are libslirp's
in_pod ip addr add 10.0.2.77/24 dev tap0
is "$(podded transfer "$FAR4" 9000 "$BYTES" 10.0.2.77)" OK \
	"a second address of the pod's: $BYTES bytes each way through libslirp"
in_pod ip addr del 10.0.2.77/24 dev tap0

# Forged frames. `reached` is where a byte that came through would show.
forge() # WORDS
{
	guard nsenter -t "$POD" -n -- "$PY" "$T/splice.py" forge dev=tap0 \
		"gw=$GWMAC" "$@" >"$T/forge.out" 2>&1 ||
		note "$(cat "$T/forge.out")"
}
reached()
{
	cat "$T"/lo-*.out
}
REACHED=$(reached)
FDS=$(fds "$PORTFWD") KIB=$(private_kib "$NETSTACK" "$PORTFWD")
for target in 127.0.0.1 127.9.9.9 0.0.0.0 "$GW4" "$DNS4" 10.0.2.77 \
	255.255.255.255; do
	for source in "$POD4" 10.0.2.55 203.0.113.9 127.0.0.1 "$GW4"; do
		forge "src=$source" "dst=$target" dport=9100
		forge "src=$source" "dst=$target" dport=9100 \
			mac=02:00:00:00:00:77
	done
done
for target in ::1 :: "$GW6" "$DNS6" ::ffff:127.0.0.1 ::ffff:0.0.0.0; do
	for source in "$POD6" fd00::55 ::1; do
		forge "src=$source" "dst=$target" dport=9100
		forge "src=$source" "dst=$target" dport=9100 \
			mac=02:00:00:00:00:77
	done
done
# the listener of written-back SYNs: whole, with other flags, in fragments
for flags in 2 3 16 18 194; do
	forge "src=$POD4" "dst=$GW4" dport=1 flags=$flags
	forge "src=$POD6" "dst=$GW6" dport=1 flags=$flags
	forge "src=$POD4" "dst=$GW4" dport=1 flags=$flags cut=8 payload=12
	forge "src=$POD4" "dst=$FAR4" dport=9000 flags=$flags cut=8 payload=12
done
is "$(timeout 20 nsenter -t "$POD" -n -- "$PY" "$T/net.py" connect "$GW4" 1)" \
	ENETUNREACH 'the listener is no address of the pod'\''s world'
# one SYN 100,000 times, to a server that answers and one that doesn't; and as
# many different ones
forge "src=$POD4" "dst=$FAR4" dport=9001 n=100000
forge "src=$POD4" "dst=$FAR4" dport=9001 n=100000 vary=seq
forge "src=$POD4" "dst=$FAR4" dport=9101 n=100000
is "$(podded transfer "$FAR4" 9000 3000000)" OK \
	'after 300,000 SYNs of one flow others are served'
note "descriptors of portfwd: $FDS, then $(fds "$PORTFWD")"
check '... which cost a few descriptors' [ "$(fds "$PORTFWD")" -lt $((FDS + 50)) ]
forge "src=$POD4" "dst=$FAR4" dport=9101 n=60000 vary=sport
is "$(podded transfer "$FAR4" 9000 3000000)" OK \
	'after SYNs of 60,000 flows others are served'
after=$(private_kib "$NETSTACK" "$PORTFWD")
note "private memory: $KIB KiB, then $after KiB;" \
	"descriptors: $(fds "$PORTFWD"), $(fds "$NETSTACK")"
check '... descriptors are bounded' [ "$(fds "$PORTFWD")" -lt 10000 ]
check "... and libslirp's are not used up" [ "$(fds "$NETSTACK")" -lt 1000 ]
check '... memory is bounded' [ "$after" -lt $((KIB + 16384)) ]
# the very flow that goes on, as a SYN of its own
port=$(in_pod ss -Htn state established dport = :9000 |
	awk '{ sub(".*:", "", $3); print $3; exit }')
forge "src=$POD4" "sport=$port" "dst=$FAR4" dport=9000 n=1000 vary=seq
is "$(podded transfer "$FAR4" 9000 3000000)" OK \
	'after 1,000 SYNs in the name of a live flow others are served'
steady_ends before 'a flow that was there before all this never noticed'
is "$(reached)" "$REACHED" "no forged frame reached the host's loopback"
is "$(peer_net get "$HOST4" 8080 3000000)" OK 'the published port works'
pod_end

# A helper that may have few descriptors: what is over goes through libslirp
for limit in 64 300; do
	spawn "few-$limit" prlimit "--nofile=$limit:$limit" "${AS_USER[@]}" \
		"$PODSPLICE" run -- sleep 1000
	SUP=$PID
	pod_waits "few-$limit" || bail "no pod with $limit descriptors"
	is "$(podded transfer "$FAR4" 9000 "$BYTES")" OK \
		"$limit descriptors: $BYTES bytes each way"
	is "$(podded transfers "$FAR4" 9000 30 300000)" OK \
		"$limit descriptors: 30 flows at once"
	pod_end
done
stop_spawned
leftovers splice_flood
finish
