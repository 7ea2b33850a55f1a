#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# uplink of namespaces that somebody else made: by process and by path, of user
# namespaces of all sorts, with everything that begins and ends it.
# shellcheck source=tests/ns/uplink_lib.sh
. "$(dirname "$0")/uplink_lib.sh"

install -m 644 "$LIB/attack.py" "$T/"
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9001 4 || bail 'no UDP server there'
spawn dnsmasq "${IN_PEER[@]}" dnsmasq --keep-in-foreground --no-resolv \
	--no-hosts --conf-file=/dev/null --user=root --pid-file= \
	--bind-interfaces "--listen-address=$PEER4" --address=/test/192.0.2.101
wait_port peer 53 u || bail 'no name server'
PORTS_BEFORE=$(ports_of_host)
SOCKET=$WORK/control PIDFILE=$WORK/pid

# A process, with all there is
target one -Urn
up pid --pidfile "$PIDFILE" --control "$SOCKET" -p 8080:80 "$POD" ||
	bail 'no uplink'
is "$READY" 1 'one byte says that it is ready, and its descriptor is closed'
is "$(cat "$PIDFILE")" "$SUP" '... the pid file has its process'
is "$(stat -c %a "$PIDFILE")" 644 '... for all to read'
works pid -6
is "$(guard nsenter -t "$POD" -n dig +short +time=3 "@$DNS4" a.test A)" \
	192.0.2.101 '... names'
is "$(flow_path "$SOCKET" "$PEER4" 9000)" splice '... spliced'
is "$(flow_path "$SOCKET" "$PEER6" 9000)" splice '... over IPv6, too'
published pid
check 'its processes are there' helper
is "$(netns_of "$NETSTACK") $(netns_of "$PORTFWD")" \
	"$(netns_of "$SUP") $(netns_of "$SUP")" \
	"netstack and portfwd are in the host's network"
UNS=$(readlink "/proc/$POD/ns/user")
for p in "$NETSTACK" "$PORTFWD" "$SUP"; do
	unlike "$(readlink "/proc/$p/ns/user")" "^${UNS//[\[\]]/.}$" \
		"... and not in the pod's user namespace"
done
for p in "$SUP" "$NETSTACK" "$PORTFWD" "$MAKER"; do
	like "$(guard nsenter -t "$POD" -U -n -- "$PY" "$T/attack.py" \
		processes "$p" 2>&1)" '^tried [1-9][0-9]+$' \
		"the pod's root has no way into $p"
done
like "$(guard nsenter -t "$POD" -U -n -- "$PY" "$T/attack.py" processes \
	"$POD" 2>&1)" 'ptrace works.*pidfd, net works' \
	'... as it has into its own processes'
for p in NETSTACK PORTFWD MAKER; do
	OLD=${!p}
	kill -KILL "$OLD"
	successor()
	{
		helper && [ "${!p}" != "$OLD" ]
	}
	check "$p has a successor" wait_for 20 successor
	works "... with which it goes on" -6
done
published again
spawn live nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 81
spawn liveudp nsenter -t "$POD" -n -- "$PY" "$T/net.py" udp-serve 82 4
wait_port pod 81 && wait_port pod 82 u
live uplink 81 82 "$PORTFWD"
OLD=$POD
up_end
is "$STATUS" 0 'SIGTERM ends it with status 0'
is "$(links_of_pod)" lo '... its interface is gone'
check '... its target lives' kill -0 "$OLD"
is "$(ls "$WORK")" '' '... the pid file and the socket are gone'
up other "$POD" || bail 'no second uplink'
works 'the next one'
kill -INT "$SUP"
reap "$SUP"
is "$STATUS" 0 'SIGINT ends it with status 0, too'

# What ends it
up ends --pidfile "$PIDFILE" "$POD"
echo 1 >"$T/other" && mv "$T/other" "$PIDFILE"
target_end
reap "$SUP"
is "$STATUS" 0 'the end of its process ends it'
is "$(cat "$PIDFILE")" 1 '... a pid file that is not its own stays'
rm "$PIDFILE"
leftovers ends

target exit -Urn
mkfifo -m 666 "$T/exit"
exec {W}<>"$T/exit"
# shellcheck disable=SC2016 # for the inner shell
run_up exit sh -c 'exec "$@" 4<"$0"' "$T/exit" "$PODSPLICE" uplink \
	--ready-fd 3 --exit-fd 4 "$POD" || bail 'no uplink with --exit-fd'
echo data >&"$W"
works 'a byte for the exit descriptor'
exec {W}>&-
reap "$SUP"
is "$STATUS" 0 'its end ends the uplink'
is "$(links_of_pod)" lo '... its interface is gone'

up killed "$POD"
check 'its processes are there' helper
kill -KILL "$SUP"
reap "$SUP"
for p in "$MAKER" "$NETSTACK" "$PORTFWD"; do
	check 'kill -9: a process of it has ended' wait_for 10 gone "$p"
done
check '... nothing is left in the pod' wait_for 10 links_are lo
up after "$POD" && works 'an uplink after that'
in_pod ip link del tap0
told()
{
	grep -q 'tap0: it was deleted in the pod' "$T/after.err"
}
check 'a deleted interface is told' wait_for 10 told
check '... and no end' kill -0 "$SUP"
up_end
target_end
leftovers killed

# What an engine left open is closed; nobody reads the ready descriptor, the
# other end of the exit descriptor is closed already
target strays -Urn
# shellcheck disable=SC2016 # for the inner shell
run_up strays sh -c 'exec "$@" 6<>"$0" 8</dev/null' "$T/exit" "$PODSPLICE" \
	uplink --ready-fd 3 "$POD"
stray()
{
	find "/proc/$SUP/fd" -lname "$T/exit" | wc -l
}
is "$(stray)" 0 'what was left open is closed'
up_end
"$PY" - "${AS_USER[@]}" "$PODSPLICE" uplink --pidfile "$PIDFILE" "$POD" \
	>"$T/mute.out" 2>"$T/mute.err" <<'END'
import os, subprocess, sys, time
read, write = os.pipe()
os.close(read)
p = subprocess.Popen(sys.argv[1:] + ['--ready-fd', str(write)],
                     pass_fds=[write])
end = time.monotonic() + 60
while not os.path.exists(sys.argv[-2]) and time.monotonic() < end:
    time.sleep(0.05)
time.sleep(0.2)  # it would end now, if it did
print(p.poll())
p.terminate()
print(p.wait())
read, write = os.pipe()
os.close(write)
p = subprocess.Popen(sys.argv[1:] + ['--exit-fd', str(read)], pass_fds=[read])
print(p.wait(60))
END
is "$(paste -sd' ' "$T/mute.out")" 'None 0 0' \
	'nobody reads that it is ready: no end; nobody holds it: one'
like "$(cat "$T/mute.err")" '^podsplice: --ready-fd [0-9]+: Broken pipe$' \
	'... the first is told'
is "$(links_of_pod)" lo '... nothing is left'
target_end

# The host's uplink loses IPv6, and gets it back
target route -Urn
up route "$POD"
has_default6()
{
	[ "$(in_pod ip -6 route show default | wc -l)" = "$1" ]
}
check 'the pod has an IPv6 default route' has_default6 1
in_host ip -6 route del default
check '... not without the host' wait_for 20 has_default6 0
link_up
check '... but with it again' wait_for 20 has_default6 1
works 'which works' -6
up_end
target_end
leftovers route

# Paths
target path -Urn
up path "/proc/$POD/ns/net"
works 'a path below /proc'
target_end
reap "$SUP"
is "$STATUS" 0 '... the end of the namespace ends it'

target held -Urn
: >"$T/name"
in_host mount --bind "/proc/$POD/ns/net" "$T/name"
up mounted "$T/name"
works 'a path that is mounted'
target_end
check '... a name without a process is enough' kill -0 "$SUP"
in_host umount "$T/name"
reap "$SUP"
is "$STATUS" 0 '... without the name, too, it ends'

# ... also where it keeps the namespace, or nothing of ours is there any more
named() # NAME ARG...: an uplink by a name of its own
{
	local name=$1
	shift
	target "$name" -Urn
	in_host mount --bind "/proc/$POD/ns/net" "$T/name"
	up "$name" "$@" "$T/name"
}
name_ends() # NAME
{
	target_end
	check "$1: a name without a process is enough" kill -0 "$SUP"
	wait_for 10 in_host umount "$T/name" # it may be looked at just now
	reap "$SUP"
	is "$STATUS" 0 '... without the name, too, it ends'
}
named all --publish-all
name_ends '--publish-all'
AS_USER+=(PODSPLICE_FAIL_HOP=1)
named user
unset 'AS_USER[-1]'
name_ends 'through user space'
named cut
in_pod ip link del tap0
check 'a deleted interface is told' wait_for 10 \
	grep -q 'tap0: it was deleted in the pod' "$T/cut.err"
name_ends 'a deleted interface'
leftovers path

# User namespaces
target below -Ur unshare -n
up below "$POD" && works 'network and user namespace made apart' -6
up_end
# shellcheck disable=SC2016 # for the inner shell
run_up inside nsenter -t "$POD" -U --preserve-credentials "$PODSPLICE" uplink \
	--ready-fd 3 -p 8080:80 "$POD" || note "$(cat "$T/inside.err")"
works "started by the user namespace's root, in it" -6
published inside
check '... its processes are there' helper
up_end
is "$STATUS" 0 '... and end'
target_end
target deep -Ur unshare -Ur unshare -Urn
up deep "$POD" && works 'three user namespaces down'
up_end
target_end
target same -U --map-current-user -n
up same "$POD" && works 'a user namespace without a root'
check '... its processes are there' helper
OLD=$MAKER
kill -KILL "$OLD"
successor()
{
	helper && [ "$MAKER" != "$OLD" ]
}
check '... the maker has a successor' wait_for 20 successor
works 'with it'
up_end
target_end
target mine -Ur
ROOT=$POD
spawn net "${AS_USER[@]}" nsenter -t "$ROOT" -U --preserve-credentials \
	unshare -Un sleep 1000
POD=$PID
wait_for 20 sleeps "$POD"
up userns --userns "/proc/$ROOT/ns/user" "$POD" &&
	works '--userns names one above'
up_end
target_end
POD=$ROOT
target_end

# root, of another user's; of a namespace with a name
target theirs -Urn
spawn theirs_up "${IN_HOST[@]}" "${CLEAN_ENV[@]}" "$PODSPLICE" uplink \
	--pidfile "$PIDFILE" "$POD"
SUP=$PID
check "root's uplink of another user" wait_for 20 test -e "$PIDFILE"
works '... works'
up_end
is "$STATUS $(links_of_pod)" '0 lo' '... and ends'
target_end
ip netns add "psu$$"
EXTRA_NS+=("psu$$")
spawn root ip netns exec "$HOSTNS" "${CLEAN_ENV[@]}" "$PODSPLICE" uplink \
	"/run/netns/psu$$"
SUP=$PID
has_address()
{
	ip -n "psu$$" addr show dev tap0 2>/dev/null | grep -q "$POD4"
}
check "root's uplink of ip-netns(8)" wait_for 20 has_address
is "$(guard ip netns exec "psu$$" "$PY" "$T/net.py" get "$PEER4" 9000 100000)" \
	OK '... works'
up_end
is "$STATUS" 0 '... and ends'
leftovers users

# What is wrong is told in one line
target bad -Urn
fails 'no target' 'uplink: one process id or path .*, not none \(see .*'
fails 'two' 'uplink: one process id or path .*, not several \(see .*' 1 2
fails 'no such process' '4194304: there is no such process \(any more\)' 4194304
fails 'no number' '99999999999: there is no such process.*' 99999999999
fails 'no such file' '/nowhere: there is no such file \(give .*' /nowhere
fails 'a file' '/etc/passwd: no network namespace \(like .*' /etc/passwd
fails 'a directory' '/: no network namespace \(like .*' /
fails 'another namespace' '/proc/self/ns/user: no network namespace.*' \
	/proc/self/ns/user
fails 'our own network' '/proc/self/ns/net: that is the network namespace.*' \
	/proc/self/ns/net
fails "root's process" "process $HOLD: not ours to look into \(.*" "$HOLD"
fails "root's" "the pod's user namespace: we have no power in it \(.*" \
	"/run/netns/$PEERNS"
like "$(as_user unshare -Ur "$PODSPLICE" uplink "/run/netns/$PEERNS" 2>&1)" \
	"^podsplice: /run/netns/$PEERNS: belongs to a user namespace above" \
	'... and from a user namespace'
fails '--userns: no file' '--userns /nowhere: can.t be opened: .*' \
	--userns /nowhere "$POD"
fails '--userns: a file' '/etc/passwd: no user namespace.*' \
	--userns /etc/passwd "$POD"
fails '--userns: no power' "the pod's user namespace: .*" \
	--userns /proc/self/ns/user "$POD"
fails '--ready-fd: stdout' '--ready-fd 1: no descriptor .*' --ready-fd 1 "$POD"
fails '--ready-fd: a word' '--ready-fd x: no descriptor .*' --ready-fd x "$POD"
fails '--ready-fd: closed' '--ready-fd 77: Bad file descriptor' \
	--ready-fd 77 "$POD"
fails '--exit-fd: closed' '--exit-fd 77: Bad file descriptor' \
	--exit-fd=77 "$POD"
exec {F}<"$T/net.py"
fails '--exit-fd: a file' "--exit-fd $F: a file has no other end.*" \
	--exit-fd "$F" "$POD"
exec {F}<&-
fails '--pidfile: no directory' '--pidfile /nowhere/pid: its directory: .*' \
	--pidfile /nowhere/pid "$POD"
fails '--pidfile: not writable' '--pidfile /proc/pid: .*' \
	--pidfile /proc/pid "$POD"
fails '--dns-search' '--dns-search: uplink writes no resolv.conf.*' \
	--dns-search a.test "$POD"
fails '--tap: another device' 'lo: .*|--tap lo: .*' --tap lo "$POD"
in_pod sh -ec '
	ip link add d0 type veth peer name d1
	ip link set d0 up
	ip link set d1 up
	ip route add default dev d0' || bail 'no default route'
default_routes()
{
	in_pod sh -c 'ip route show default; ip -6 route show default' |
		sed 's/ pref.*//; s/ *$//'
}
fails 'a default route' 'the pod has an IPv4 default route already \(remove .*' \
	"$POD"
is "$(default_routes)" 'default dev d0 scope link' '... which stays'
check '... and is no hindrance to --no-configure' \
	up theirs --no-configure "$POD"
is "$(default_routes)" 'default dev d0 scope link' '... with which it stays, too'
up_end
in_pod ip route del default
in_pod ip -6 route add default dev d0
fails '... over IPv6' 'the pod has an IPv6 default route already \(remove .*' \
	"$POD"
in_pod ip -6 route del default
in_pod ip route add default dev d0 metric 100
up metric "$POD"
works 'a default route of another metric'
up_end
is "$(default_routes)" 'default dev d0 scope link metric 100' '... which stays'
in_pod ip link del d0

up first "$POD"
fails 'a second uplink' 'tap0: a device that is no TAP has that name.*: Device or resource busy' \
	"$POD"
works 'which leaves the first alone'
up_end
is "$(links_of_pod)" lo 'nothing is left in the pod'
target_end
leftovers bad

# Ten at once
PODS=() SUPS=()
for i in 0 1 2 3 4 5 6 7 8 9; do
	target "t$i" -Urn
	PODS+=("$POD")
	spawn "ten$i" "${AS_USER[@]}" "$PODSPLICE" uplink -p "808$i:80" \
		--pidfile "$WORK/pid$i" "$POD"
	SUPS+=("$PID")
done
for i in 0 1 2 3 4 5 6 7 8 9; do
	POD=${PODS[i]}
	wait_for "$GUARD" test -e "$WORK/pid$i"
	is "$(pod_net get "$PEER4" 9000 100000)" OK "ten at once: number $i"
done
for i in 0 1 2 3 4 5 6 7 8 9; do
	SUP=${SUPS[i]} POD=${PODS[i]}
	[ $((i % 2)) = 0 ] || target_end
	up_end
	is "$STATUS" 0 '... and its end'
	[ $((i % 2)) != 0 ] || target_end
done
stop_spawned
leftovers ten
finish
