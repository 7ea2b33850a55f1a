#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A helper process that dies is started again: idle and under traffic, by
# SIGKILL and SIGSEGV, once and again and again.
. "$(dirname "$0")/lib.sh"

serve_peer 9000 || bail 'no server on the other host'

# The processes by what they do: the maker is in the hop, portfwd holds the
# listener, netstack is the third.
role() # maker|portfwd|netstack: its pid
{
	local child net listen
	net=$(stat -Lc %i "/proc/$SUP/ns/net")
	listen=$(ss_inode)
	for child in $(children "$SUP"); do
		[ "$child" = "$POD" ] && continue
		if [ "$(stat -Lc %i "/proc/$child/ns/net")" != "$net" ]; then
			[ "$1" = maker ] && echo "$child"
		elif [ -n "$(find "/proc/$child/fd" \
			-lname "socket:\[$listen\]" 2>/dev/null)" ]; then
			[ "$1" = portfwd ] && echo "$child"
		else
			[ "$1" = netstack ] && echo "$child"
		fi
	done
}

# inode of the listener on port 8080
ss_inode()
{
	in_host cat /proc/net/tcp6 | awk '$2 ~ /:1F90$/ && $4 == "0A" { print $10 }'
}

reborn() # ROLE OLD: another process does its work
{
	local new
	new=$(role "$1")
	[ -n "$new" ] && [ "$new" != "$2" ]
}

kill_role() # ROLE [SIGNAL]
{
	OLD=$(role "$1")
	[ -n "$OLD" ] || return 1
	kill "-${2:-KILL}" "$OLD"
}

works() # NAME
{
	is "$(peer_net get "$HOST4" 8080 1000000)" OK "$1: published, IPv4"
	is "$(peer_net put "$HOST6" 8080 1000000)" OK "$1: published, IPv6"
	is "$(pod_net get "$PEER4" 9000 1000000)" OK "$1: egress, IPv4"
	is "$(pod_net put "$PEER6" 9000 1000000)" OK "$1: egress, IPv6"
	is "$(pod_net connect "$PEER4" 9)" ECONNREFUSED "$1: refused"
	is "$(peer_net who "$HOST4" 8080 | cut -d' ' -f1)" "$PEER4" \
		"$1: the client's address"
}

pod restart -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
wait_port pod 80
for who in netstack portfwd maker; do
	is "$(role $who | wc -w)" 1 "one $who"
done
for sig in KILL SEGV; do
	for who in netstack portfwd maker; do
		check "$who is killed by SIG$sig" kill_role "$who" "$sig"
		works "$who after SIG$sig"
		check "$who has a successor" wait_for 10 reborn "$who" "$OLD"
	done
done
is "$(grep -c 'it is started again' "$T/restart.err")" 6 'each is told, once'
is "$(grep -vc '^podsplice: ' "$T/restart.err")" 0 'in lines of ours'

# Under traffic: netstack's death is no flow's business, portfwd's is told by
# a reset, never by what looks like the end of a complete transfer.
traffic() # NAME
{
	spawn "$1-in" "${IN_PEER[@]}" "$PY" "$T/net.py" stream "$HOST4" 8080
	FLOW_IN=$PID
	spawn "$1-out" nsenter -t "$POD" -n -- "$PY" "$T/net.py" \
		stream "$PEER4" 9000
	FLOW_OUT=$PID
	wait_for 20 grep -q running "$T/$1-in.out" &&
		wait_for 20 grep -q running "$T/$1-out.out"
}

check 'traffic runs' traffic netstack
for who in netstack maker; do
	check "$who is killed under traffic" kill_role "$who"
	check "$who has a successor" wait_for 10 reborn "$who" "$OLD"
done
is "$(peer_net get "$HOST4" 8080 1000000)" OK 'new flows work'
check 'the flow into the pod goes on' kill -0 "$FLOW_IN"
check 'the flow out of the pod goes on' kill -0 "$FLOW_OUT"

# connections that arrive while portfwd is dead wait for the next one
: >"$T/waiting"
for _ in 1 2 3 4 5; do
	check 'portfwd is killed' kill_role portfwd
	{
		peer_net get "$HOST4" 8080 100000
		pod_net get "$PEER4" 9000 100000
	} >>"$T/waiting"
	check 'it has a successor' wait_for 10 reborn portfwd "$OLD"
done
is "$(sort -u "$T/waiting")" OK 'none was refused meanwhile'
for dir in in out; do
	is "$(tail -n 1 "$T/netstack-$dir.out")" ECONNRESET \
		"the flow $dir was reset, not ended"
done

# Again and again: it is slowed down, and the pod lives
for _ in $(seq 12); do
	for pid in $(role netstack) $(role portfwd); do
		kill -KILL "$pid" 2>/dev/null
	done
	sleep 0.05
done
check 'netstack comes back' wait_for 20 reborn netstack 0
check 'portfwd comes back' wait_for 20 reborn portfwd 0
works 'after a crash loop'
TOLD=$(grep -c . "$T/restart.err")
check 'told in bounded lines' [ "$TOLD" -lt 60 ]
FDS=$(find "/proc/$SUP/fd" -type l | wc -l)
check "the supervisor's descriptors don't grow ($FDS)" [ "$FDS" -lt 60 ]
pod_end

stop_spawned
leftovers restart
finish
