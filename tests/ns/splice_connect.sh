#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# connect() that fails, fails in the pod as it does natively: the same errno,
# at once or not at all, whether blocking or not. And readers that don't read.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_splice 9000 || bail 'no server on the other host'

# What a peer's firewall can say to a SYN, by port
in_peer nft -f - <<'END' || bail "the peer's rules"
table inet answers {
	chain input {
		type filter hook input priority 0;
		tcp dport 9101 drop
		tcp dport 9102 reject with tcp reset
		meta nfproto ipv4 tcp dport 9103 reject with icmp port-unreachable
		meta nfproto ipv4 tcp dport 9104 reject with icmp host-unreachable
		meta nfproto ipv4 tcp dport 9105 reject with icmp net-unreachable
		meta nfproto ipv4 tcp dport 9106 reject with icmp host-prohibited
		meta nfproto ipv4 tcp dport 9107 reject with icmp net-prohibited
		meta nfproto ipv4 tcp dport 9108 reject with icmp admin-prohibited
		meta nfproto ipv4 tcp dport 9109 reject with icmp prot-unreachable
		meta nfproto ipv6 tcp dport 9103 reject with icmpv6 port-unreachable
		meta nfproto ipv6 tcp dport 9104 reject with icmpv6 addr-unreachable
		meta nfproto ipv6 tcp dport 9105 reject with icmpv6 no-route
		meta nfproto ipv6 tcp dport 9106 reject with icmpv6 admin-prohibited
		meta nfproto ipv6 tcp dport 9107 reject with icmpv6 policy-fail
		meta nfproto ipv6 tcp dport 9108 reject with icmpv6 reject-route
	}
}
END
# the kernel tells only so many per second otherwise
in_peer sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
in_host_net sh -ec '
	ip route add unreachable 198.51.100.77
	ip -6 route add unreachable 2001:db8:9::77'

TARGETS=("$FAR4 9000" "$FAR6 9000" "$FAR4 9" "$FAR6 9" "198.51.100.77 9"
	"2001:db8:9::77 9" "2001:db8:dead::1 9")
for port in 9101 9102 9103 9104 9105 9106 9107 9108; do
	TARGETS+=("$FAR4 $port" "$FAR6 $port")
done
# of what libslirp knows to answer at once
SLIRP="^(198.51.100.77 9|2001:db8:9::77 9|$FAR4 .*|$FAR6 .*):"
SLIRP_NOT=' 910[3-8]:'

# all_fail CLIENT: all at once, the silent ones take their time
all_fail()
{
	local target pids=() dir
	dir=$(mktemp -d "$T/fail.XXXXXX")
	for target in "${TARGETS[@]}"; do
		# shellcheck disable=SC2086 # host and port
		"$1" fail $target >"$dir/$target" &
		pids+=($!)
	done
	wait "${pids[@]}"
	cat "$dir"/*
}

# nowhere CLIENT: the host itself has no route
nowhere()
{
	in_host_net sh -ec 'ip route del default; ip -6 route del default'
	"$1" fail "$FAR4" 9000
	"$1" fail "$FAR6" 9000
	link_up
}

# not_flags TEXT: natively there are none where the host's own routes fail
# connect() at once, and few when an ICMP error arrives inside of connect(), as
# over a veth
not_flags()
{
	# shellcheck disable=SC2001 # many lines
	sed 's/ [A-Z|]*ERR[A-Z|]*$//' <<<"$1"
}

slirps()
{
	not_flags "$1" | grep -E "$SLIRP" | grep -Ev "$SLIRP_NOT"
}

WANT=$(all_fail native)
NOWHERE=$(nowhere native)
like "$WANT" "$FAR4 9101: blocking EINPROGRESS not blocking no error ENOTCONN" \
	'natively: no answer after three seconds'
like "$WANT" "$FAR4 9: blocking ECONNREFUSED not blocking ECONNREFUSED" \
	'natively: refused'
like "$NOWHERE" "$FAR4 9000: blocking ENETUNREACH not blocking ENETUNREACH" \
	'natively: no route'

for path in splice slirp; do
	pod "$path" --datapath "$path" -- sleep 1000 || bail 'no pod'
	got=$(all_fail podded)
	if [ "$path" = slirp ]; then
		same "$path" "$(slirps "$WANT")" "$(slirps "$got")"
	else
		same "$path" "$(not_flags "$WANT")" "$(not_flags "$got")"
		same "$path, no route" "$(not_flags "$NOWHERE")" \
			"$(not_flags "$(nowhere podded)")"
		# the flags, where the answer is the network's natively, too
		for target in "$FAR4 9" "$FAR6 9" "$FAR4 9102" "$FAR6 9104"; do
			is "$(grep "^$target:" <<<"$got")" \
				"$(grep "^$target:" <<<"$WANT")" \
				"$path, flags: $target"
		done
	fi

	# Readers that don't read: their writers stop, nothing piles up here
	if [ "$path" = splice ]; then
		helper || bail "the helper's processes"
		for way in up down; do
			rm -f "$T/go"
			before=$(private_kib "$NETSTACK" "$PORTFWD")
			spawn "stall-$way" nsenter -t "$POD" -n -- "$PY" \
				"$T/splice.py" stall "$FAR4" 9000 20 "$way" \
				100000000 "$T/go"
			wait_for "$GUARD" grep -q stuck "$T/stall-$way.out"
			is "$(cat "$T/stall-$way.out")" stuck \
				"a reader that doesn't read stops its writer, $way"
			after=$(private_kib "$NETSTACK" "$PORTFWD")
			note "private memory: $before KiB, then $after KiB"
			check "... while the helper's memory stays flat" \
				[ "$after" -lt $((before + 2048)) ]
			is "$(podded transfer "$FAR4" 9000 3000000)" OK \
				'... and other flows go on'
			: >"$T/go"
			reap "$PID"
		done
	fi
	pod_end
done

in_host_net sh -ec 'ip route del unreachable 198.51.100.77
	ip -6 route del unreachable 2001:db8:9::77'
stop_spawned
leftovers splice_connect
finish
