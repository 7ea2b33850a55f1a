#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --datapath: slirp, auto where the hop can't be set up, splice which then
# fails. Published ports and egress work in all but the last.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9002 4

works() # NAME SOURCE4 SOURCE6
{
	is "$(peer_net who "$HOST4" 8080 | cut -d' ' -f1)" "$2" \
		"$1: published, IPv4, seen as $2"
	is "$(peer_net who "$HOST6" 8080 | cut -d' ' -f1)" "$3" \
		"$1: published, IPv6, seen as $3"
	is "$(peer_net get "$HOST4" 8080 20000000)" OK "$1: download"
	is "$(peer_net put "$HOST6" 8080 20000000)" OK "$1: upload"
	is "$(peer_net be-reset "$HOST4" 8080)" ECONNRESET "$1: reset"
	like "$(peer_net connect "$HOST4" 8081)" '^(then )?ECONNRESET$' \
		"$1: refused"
	is "$(peer_net many "$HOST4" 8080 200)" 200 "$1: 200 at once"
	is "$(host_net get 127.0.0.1 8080 3000000)" OK "$1: from loopback"
	is "$(pod_net get "$FAR4" 9000 3000000)" OK "$1: egress, IPv4"
	is "$(pod_net put "$FAR6" 9000 3000000)" OK "$1: egress, IPv6"
	is "$(pod_net udp "$PEER4" 9002)" "OK $HOST4" "$1: egress, UDP"
	is "$(pod_net connect "$PEER4" 9)" ECONNREFUSED "$1: egress, refused"
}

for path in auto slirp splice; do
	pod "$path" --datapath "$path" -p 8080:80 -p 8081:81 -- \
		"$PY" "$T/net.py" serve 80 || bail "--datapath $path: no start"
	wait_port pod 80
	works "--datapath $path" "$PEER4" "$PEER6"
	is "$(cat "$T/$path.err")" '' "--datapath $path: says nothing"
	pod_end
	leftovers "--datapath $path"
done

# The hop can't be set up
NO_HOP=("${AS_USER[@]}" PODSPLICE_FAIL_HOP=1)
for args in '' '--datapath auto'; do
	# shellcheck disable=SC2086 # no word, or two
	spawn no-hop "${NO_HOP[@]}" "$PODSPLICE" run $args -p 8080:80 \
		-p 8081:81 -- "$PY" "$T/net.py" serve 80
	SUP=$PID
	pod_waits no-hop || bail 'no hop: no start'
	wait_port pod 80
	works "no hop${args:+, $args}" "$PEER4" "$PEER6"
	is "$(wc -l <"$T/no-hop.err")" 1 'no hop: said once'
	like "$(cat "$T/no-hop.err")" '^podsplice: ' '... in one line of ours'
	pod_end
	leftovers 'no hop'
done
# ... at whatever step it fails: all is undone, and the other way works
for step in sysctl tap veth route nft pod listen end; do
	spawn "step-$step" "${AS_USER[@]}" "PODSPLICE_FAIL_HOP=$step" \
		"$PODSPLICE" run -p 8080:80 -- "$PY" "$T/net.py" serve 80
	SUP=$PID
	pod_waits "step-$step" || bail "no hop, step $step: no start"
	wait_port pod 80
	is "$(peer_net get "$HOST4" 8080 100000)" OK "step $step: published"
	is "$(pod_net get "$PEER4" 9000 100000)" OK "step $step: egress"
	is "$(pod_net get "$PEER6" 9000 100000)" OK "step $step: IPv6"
	like "$(cat "$T/step-$step.err")" \
		"^podsplice: hop: $step: .*user space, slower\$" \
		"step $step: said once, with the reason"
	is "$(wc -l <"$T/step-$step.err")" 1 '... in one line'
	pod_end
	timeout "$GUARD" "${AS_USER[@]}" "PODSPLICE_FAIL_HOP=$step" \
		"$PODSPLICE" run --datapath splice -- true >"$T/out" \
		2>"$T/err" </dev/null
	is "$? $(wc -l <"$T/err")" '125 1' "step $step: --datapath splice fails"
done
leftovers 'steps of the hop'

timeout "$GUARD" "${NO_HOP[@]}" "$PODSPLICE" run --datapath slirp -- true \
	>"$T/out" 2>&1 </dev/null
is "$?" 0 'no hop, --datapath slirp: works'
timeout "$GUARD" "${NO_HOP[@]}" "$PODSPLICE" run --datapath splice -- \
	echo no >"$T/out" 2>"$T/err" </dev/null
is "$? $(cat "$T/out")" '125 ' '--datapath splice without a hop fails'
is "$(grep -c '^podsplice: ' "$T/err") $(wc -l <"$T/err")" '1 1' \
	'... with one line'

# MTUs
for mtu in 1280 1500 9000 65520; do
	pod "mtu-$mtu" --mtu "$mtu" -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
		bail "--mtu $mtu: no start"
	wait_port pod 80
	is "$(in_pod ip -o link show tap0 | grep -o 'mtu [0-9]*')" \
		"mtu $mtu" "--mtu $mtu"
	is "$(peer_net put "$HOST4" 8080 20000000)" OK "--mtu $mtu: published"
	is "$(pod_net put "$FAR4" 9000 20000000)" OK "--mtu $mtu: egress, up"
	is "$(pod_net get "$FAR6" 9000 20000000)" OK "--mtu $mtu: egress, down"
	GSO=$(pod_net gso tap0)
	pod_end
done
BIG='TCP leaves the pod in packets of up to 192 KiB'
if [ "$GSO" = 0 ]; then
	skip "$BIG" 'a kernel before 6.3'
else
	is "$GSO" 196608 "$BIG"
fi

# Another plan of addresses, names and MAC; no IPv6
pod plan --cidr 172.30.5.0/24 --cidr6 fd77:1::/64 --tap pod7 \
	--mac 02:00:00:12:34:56 -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'another plan: no start'
wait_port pod 80
like "$(in_pod ip -o addr show pod7)" '172\.30\.5\.100/24.*fd77:1::100/64' \
	'--cidr, --cidr6, --tap'
like "$(in_pod ip -o link show pod7)" '02:00:00:12:34:56' '--mac'
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" 'another plan: published'
is "$(host_net who ::1 8080 | cut -d' ' -f1)" fd77:1::2 \
	'another plan: the gateway'
is "$(pod_net put "$FAR4" 9000 3000000)" OK 'another plan: egress, IPv4'
is "$(pod_net put "$FAR6" 9000 3000000)" OK 'another plan: egress, IPv6'
pod_end
pod no6 --no-ipv6 --mtu 1000 -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail '--no-ipv6: no start'
wait_port pod 80
is "$(in_pod ip -6 -o addr show dev tap0 scope global)" '' '--no-ipv6'
is "$(peer_net who "$HOST6" 8080 | cut -d' ' -f1)" "$GW4" \
	'--no-ipv6: an IPv6 client is served over IPv4'
is "$(pod_net put "$FAR4" 9000 3000000)" OK '--no-ipv6: egress'
pod_end

# --outbound
in_host_net ip addr add 192.0.2.66/24 dev eth0
pod outbound --outbound 192.0.2.66 -- sleep 1000 || bail '--outbound: no start'
is "$(pod_net who "$PEER4" 9000 | cut -d' ' -f1)" 192.0.2.66 '--outbound, TCP'
is "$(pod_net udp "$PEER4" 9002)" 'OK 192.0.2.66' '--outbound, UDP'
pod_end
in_host_net ip addr del 192.0.2.66/24 dev eth0

stop_spawned
leftovers datapath
finish
