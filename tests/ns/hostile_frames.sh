#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pod whose root sends what no kernel does (hostile.py has the classes), on
# each way its packets can take. Meanwhile its other flows, its published port,
# DNS and ping go on; nothing reaches the host's loopback, nothing leaves under
# another's name, no process dies or grows, and all is quiet afterwards.
#
# A flood shares the TAP's queue with whatever else the pod sends to user space:
# of that the pod robs itself, and gets it back when the flood is over. What the
# kernel moves goes on.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

install -m 644 "$LIB/hostile.py" "$T/"
PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/hostile.sock
# sent together, to be done in time
CLASSES='truncated,vlan,jumbo fragments,extensions,options spoofed,forged,noise
	syn_flood udp_flood icmp_flood'
[ -z "$LONG" ] || CLASSES=$(echo "$CLASSES" | tr , ' ')

serve_splice 9000 || bail 'no server on the other host'
serve_peer_udp 9002 4 "$FAR4" || bail 'no UDP server on the other host'
serve_peer_udp 9002 6 "$FAR6" || bail 'no UDP server for IPv6'
in_peer nft -f - <<'END' || bail "the peer's rules"
table inet silent {
	chain input {
		type filter hook input priority 0;
		meta l4proto { tcp, udp } th dport 9101 drop
	}
	chain output {
		type filter hook output priority 0;
		icmp type echo-reply drop
	}
}
END
# what only the host itself may reach, and tells when it was
for bind in 127.0.0.1 ::1; do
	family=$([ $bind = ::1 ] && echo 6 || echo 4)
	spawn "lo-$bind" "${IN_HOST[@]}" "$PY" "$T/net.py" serve 9100 \
		"$family" $bind 'loopback'
	spawn "lo-udp-$bind" "${IN_HOST[@]}" "$PY" "$T/net.py" udp-serve 9100 \
		"$family" $bind
done
wait_port host 9100 || bail "the host's servers"
wait_port host 9100 u || bail "the host's UDP servers"
spawn names "${IN_PEER[@]}" dnsmasq --keep-in-foreground --no-resolv --no-hosts \
	--conf-file=/dev/null --user=root --pid-file= --bind-interfaces \
	--except-interface=nosuch "--listen-address=$PEER4" \
	--address=/test/192.0.2.101
wait_port peer 53 u || bail 'no name server'
in_host_net sh -c 'echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range'

reached()
{
	cat "$T"/lo-*.out
}

# what the other host's UDP server was sent by whom
senders()
{
	cat "$T"/peer-udp-9002*.out | awk '{ print $2 }' | sort -u |
		tr '\n' ' '
}

# What goes on all the while. Packets may be lost in a flood; that is what asking
# again is for. What goes through user space waits its turn in the queue of the
# flood: there are few bytes.
BYTES=20000
name_is()
{
	[ "$(nsenter -t "$POD" -n -- dig +short +time=1 +tries=1 "@$1" a.test A \
		2>/dev/null)" = 192.0.2.101 ]
}
pings()
{
	in_pod ping -c 1 -W 1 "$1" >/dev/null 2>&1
}

flow_works()
{
	[ "$(GUARD=20 podded transfer "$FAR4" 9000 "$BYTES")" = OK ]
}

serves() # NAME
{
	is "$(peer_net get "$HOST4" 8080 $BYTES)" OK \
		"$1: the published port works"
}

goes_on() # NAME
{
	serves "$1"
	# after SYNs that nobody answered libslirp has to give them up first
	check "$1: a new flow of the pod's works" wait_for 180 flow_works
	check "$1: DNS works" wait_for 60 name_is "$DNS4"
	check "$1: DNS over IPv6 works" wait_for 60 name_is "$DNS6"
	check "$1: the gateway answers pings" wait_for 60 pings "$GW4"
}

processes()
{
	helper && echo "$MAKER $NETSTACK $PORTFWD $(stat_of \
		's["restarts"]["netstack"], s["restarts"]["portfwd"]')"
}

# ticks PID...: of a processor that they have used
ticks()
{
	local p
	for p; do
		cat "/proc/$p/stat"
	done | awk '{ sub(".*) ", ""); n += $12 + $13 } END { print n }'
}

# less than a tenth of a processor, for a second
quiet()
{
	local before
	before=$(ticks "$@")
	sleep 1
	[ $(($(ticks "$@") - before)) -lt 10 ]
}

# hostile NAME CLASS: send it while all else goes on
hostile()
{
	rm -f "$T/stop"
	spawn "$1-$2" nsenter -t "$POD" -n -- "$PY" "$T/hostile.py" "$2" tap0 \
		"$GWMAC" "$T/stop"
	local sender=$PID
	wait_for "$GUARD" eval \
		"grep -qs round '$T/$1-$2.out' || gone $sender"
	case $1,$2 in
	spliced,*flood)
		serves "$1, $2"
		check "$1, $2: DNS works" wait_for 60 name_is "$DNS4"
		check "$1, $2: the gateway answers pings" wait_for 60 \
			pings "$GW4"
		;;
	*flood) [ "$1" = user-hop ] || serves "$1, $2" ;;
	*) goes_on "$1, $2" ;;
	esac
	: >"$T/stop"
	reap "$sender"
	is "$STATUS" 0 "$1, $2: the sender went on to its end"
	[ "${2%flood}" = "$2" ] || goes_on "$1, after $2"
	note "$2: $(tail -n 1 "$T/$1-$2.out") frames sent, not taken"
}

# attack NAME: on the pod at SUP
attack()
{
	local class before kib after fds
	wait_port pod 80
	helper || bail "$1: the helper's processes"
	GWMAC=$(in_pod ip neigh show "$GW4" | grep -o 'lladdr [^ ]*' |
		cut -d' ' -f2)
	check "$1: the gateway's MAC is known" [ "$GWMAC" ]
	# frames of any size
	in_pod ip link set tap0 mtu 65520
	before=$(processes)
	kib=$(private_kib "$NETSTACK" "$PORTFWD" "$MAKER")
	steady "$1" "$FAR4" 9000 || bail "$1: no flow"
	for class in $CLASSES; do
		hostile "$1" "$class"
		fds=$(fds "$NETSTACK")
		note "descriptors: netstack $fds, portfwd $(fds "$PORTFWD")"
	done
	is "$(processes)" "$before" "$1: no process died"
	steady_ends "$1" "$1: a flow that was there before never noticed"
	after=$(private_kib "$NETSTACK" "$PORTFWD" "$MAKER")
	note "$1: private memory $kib KiB, then $after KiB"
	# libslirp: 19,000 flows of 9 KiB
	[ "$1" = spliced ] || kib=$((kib + 196608))
	[ "${ASAN_OPTIONS-}" ] || check "$1: memory is bounded" \
		[ "$after" -lt $((kib + 65536)) ]
	check "$1: libslirp's descriptors are bounded" [ "$fds" -lt 19500 ]
	check "$1: what was dropped is counted" eval \
		'[ "$(stat_of "s[\"errors\"][\"parse\"] > 100 and
			s[\"errors\"][\"policy\"] > 100")" = True ]'
	check "$1: all is quiet when it is over" wait_for 60 quiet \
		"$SUP" "$NETSTACK" "$PORTFWD" "$MAKER"
	goes_on "$1, afterwards"
	pod_end
}

run_pod() # NAME ARGS...
{
	pod "$1" --control "$SOCK" -p 8080:80 "${@:2}" -- \
		"$PY" "$T/net.py" serve 80 || bail "$1: no pod"
}

REACHED=$(reached)
run_pod spliced
attack spliced
run_pod slirp --datapath slirp
# A flood of SYNs costs a minute or more until libslirp gives them up; datagrams
# end in libslirp on each path. One of the two for each of them will do.
ALL=$CLASSES
[ "$LONG" ] || CLASSES=${ALL/udp_flood/}
attack slirp
AS_USER+=(PODSPLICE_FAIL_HOP=1)
run_pod user-hop
[ "$LONG" ] || CLASSES=${ALL/syn_flood/}
attack user-hop
is "$(reached)" "$REACHED" "nothing reached the host's loopback"
like "$(senders)" "^($HOST4 |$HOST6 )*$" \
	"nothing left under another's name"
stop_spawned
leftovers hostile_frames
finish
