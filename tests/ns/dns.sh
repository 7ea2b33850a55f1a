#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The pod's DNS address against real dnsmasqs: UDP and TCP, resolv.conf that
# changes, dead servers, a resolver on the host's loopback.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)

# dnsmasq WHERE ADDRESS ANSWER: there, everything is ANSWER; many.test and
# big.test don't fit a datagram
dnsmasq_at()
{
	local where=("${IN_HOST[@]}") i args=()
	[ "$1" = host ] || where=("${IN_PEER[@]}")
	for i in $(seq 1 40); do
		args+=("--txt-record=big.test,$(printf '%0100d' "$i")")
	done
	spawn "dnsmasq-$2" "${where[@]}" dnsmasq --keep-in-foreground \
		--no-resolv --no-hosts --conf-file=/dev/null --user=root \
		--pid-file= --bind-interfaces --except-interface=nosuch \
		"--listen-address=$2" --log-queries --log-facility=- \
		--address="/test/$3" --address="/test/2001:db8:77::1" \
		--host-record="slow.example,192.0.2.77" "${args[@]}"
	wait_for 10 answers "$2" "${where[@]}" || bail "dnsmasq on $2"
}

answers()
{
	local at=$1
	shift
	[ "$("$@" dig +short +time=1 +tries=1 "@$at" probe.test A 2>/dev/null)" ]
}

# The pod's own view: dig there, with the pod's resolv.conf or at an address
look()
{
	guard nsenter -t "$POD" -U -m -n --preserve-credentials -- \
		dig +short +time=3 +tries=2 "$@" 2>&1
}

dnsmasq_at peer "$PEER4" 192.0.2.101
dnsmasq_at peer "$FAR4" 192.0.2.102
dnsmasq_at peer "$PEER6" 192.0.2.106
dnsmasq_at host 127.0.0.53 192.0.2.153

resolv "# from the network
nameserver $PEER4
search corp.example test
options ndots:2 edns0"
pod idle -- sleep 1000 || bail 'the pod did not start'

POD_RESOLV=$(in_pod_all cat /etc/resolv.conf)
like "$POD_RESOLV" "nameserver $DNS4" "the pod's resolv.conf names the service"
unlike "$POD_RESOLV" "$PEER4" "... and not the host's servers"
like "$POD_RESOLV" 'search corp\.example test' '... and has the search domains'
like "$POD_RESOLV" 'options .*ndots:2' '... and the options'

is "$(look a.test A)" 192.0.2.101 "by the pod's resolv.conf"
is "$(look "@$DNS4" b.test A)" 192.0.2.101 'UDP, IPv4'
is "$(look "@$DNS6" c.test A)" 192.0.2.101 'UDP, IPv6'
is "$(look +tcp "@$DNS4" d.test A)" 192.0.2.101 'TCP, IPv4'
is "$(look +tcp "@$DNS6" e.test A)" 192.0.2.101 'TCP, IPv6'
is "$(look "@$DNS4" f.test AAAA)" 2001:db8:77::1 'AAAA'
is "$(look "@$DNS4" big.test TXT | wc -l)" 40 \
	'an answer that needs TCP comes, by way of a truncated one'
is "$(look +tcp "@$DNS4" big.test TXT | wc -l)" 40 'a long answer by TCP'
like "$(guard nsenter -t "$POD" -n dig +time=3 +tries=1 "@$DNS4" \
	nosuch.example A 2>&1)" 'status: (NXDOMAIN|REFUSED)' \
	'what the server refuses or denies is passed on'
run_user -- getent hosts g.test
like "$OUT" '(192\.0\.2\.101|2001:db8:77::1)' \
	"the C library's resolver, first thing in a pod"
# 50 at once
is "$(seq 50 | sed 's/.*/n&.test A/' >"$T/list"
look "@$DNS4" -f "$T/list" | grep -c '^192.0.2.101$')" 50 '50 questions'

# resolv.conf changes
resolv "nameserver $FAR4"
now()
{
	[ "$(look "@$DNS4" h.test A)" = "$1" ]
}
check 'another address in resolv.conf: followed' wait_for 10 now 192.0.2.102
in_host sh -c "echo 'nameserver $PEER6' >/etc/resolv.new &&
	mv /etc/resolv.new /etc/resolv.conf"
check 'replaced by rename: followed, to IPv6' wait_for 10 now 192.0.2.106
in_host sh -c "mkdir -p /etc/resolvd && echo 'nameserver $PEER4' \
	>/etc/resolvd/one && ln -sf resolvd/one /etc/resolv.conf"
check 'a symbolic link now: followed' wait_for 10 now 192.0.2.101
in_host sh -c "echo 'nameserver $FAR4' >/etc/resolvd/one"
check 'the file it points to changes: followed' wait_for 10 now 192.0.2.102
in_host sh -c "echo 'nameserver $PEER4' >/etc/resolvd/two &&
	mv /etc/resolvd/two /etc/resolvd/one"
check 'that file is replaced: followed' wait_for 10 now 192.0.2.101
in_host sh -c "rm -f /etc/resolv.conf; sleep 0.3
	printf 'search new.example\nnameserver $FAR4\n' >/etc/resolv.conf"
check 'removed and made again: followed' wait_for 10 now 192.0.2.102
new_search()
{
	in_pod_all grep -q new.example /etc/resolv.conf
}
check "... and the pod's search domains with it" wait_for 10 new_search

# 127.0.0.53, as systemd-resolved has it
resolv "nameserver 127.0.0.53"
check "the host's resolver on its loopback serves the pod" \
	wait_for 10 now 192.0.2.153
is "$(look +tcp "@$DNS4" i.test A)" 192.0.2.153 '... over TCP'

# The first of two servers is dead: refusing, then silent
resolv "nameserver 127.0.0.99
nameserver $PEER4"
check 'the first of two servers refuses' wait_for 10 now 192.0.2.101
is "$(look +tcp "@$DNS4" j.test A)" 192.0.2.101 '... over TCP'
in_peer ip addr add 198.51.100.9/32 dev lo
in_peer nft -f - <<'END'
table inet silence {
	chain input {
		type filter hook input priority 0;
		ip daddr 198.51.100.9 drop
	}
}
END
resolv "nameserver 198.51.100.9
nameserver $PEER4"
patient()
{
	[ "$(guard nsenter -t "$POD" -n dig +short +time=10 +tries=2 "$@" \
		2>&1)" = 192.0.2.101 ]
}
check 'the first of two servers is silent' wait_for 20 \
	patient "@$DNS4" k.test A
check '... over TCP' patient +tcp "@$DNS4" l.test A

# All dead: an answer that says so, no hang
resolv "nameserver 127.0.0.99"
servfail()
{
	guard nsenter -t "$POD" -n dig +time=10 +tries=1 "@$DNS4" m.test A 2>&1 |
		grep -q 'status: SERVFAIL'
}
check 'all servers dead: SERVFAIL' wait_for 20 servfail
resolv "nameserver $PEER4"
check 'and back' wait_for 10 now 192.0.2.101

# A client that asks from one port, while the host moves to another address
same_port()
{
	look -b "$POD4#5454" "@$DNS4" "$1" A
}
is "$(same_port o.test)" 192.0.2.101 'from a port of its own'
in_host_net sh -ec "ip addr del $HOST4/24 dev eth0
	ip addr add 192.0.2.99/24 dev eth0"
is "$(same_port p.test)" 192.0.2.101 '... from it again, the host has moved'
in_host_net ip addr del 192.0.2.99/24 dev eth0
link_up
is "$(same_port q.test)" 192.0.2.101 '... and is back'
pod_end

# --dns, --dns-search, --no-dns
pod own --dns "$FAR4" --dns-search mine.example -- sleep 1000 ||
	bail 'the pod did not start'
is "$(look "@$DNS4" n.test A)" 192.0.2.102 '--dns is asked'
like "$(in_pod_all cat /etc/resolv.conf)" 'search mine\.example' '--dns-search'
pod_end
run_user --no-dns -- cat /etc/resolv.conf
unlike "$OUT" "$DNS4" '--no-dns: the service is not named'

stop_spawned
leftovers dns
finish
