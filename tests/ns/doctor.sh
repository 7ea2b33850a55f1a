#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# doctor finds what was broken on purpose, says the line that mends it, and the
# line does.
. "$(dirname "$0")/lib.sh"

doctor() # [PREFIX...]: OUT, STATUS
{
	OUT=$("${AS_USER[@]}" "$@" "$PODSPLICE" doctor 2>&1)
	STATUS=$?
	OUT=$(tr -s ' \n' ' ' <<<"$OUT")
}

json() # CHECK: its status, as JSON has it
{
	as_user "$PODSPLICE" doctor --json | "$PY" -c '
import json, sys
d = json.load(sys.stdin)
assert d["schema"] == 1 and d["kernel"]
for c in d["checks"]:
    assert set(c) == {"name", "status", "text", "remedy"}, c
    assert (c["status"] == "ok") == (c["remedy"] is None), c
    if c["name"] == sys.argv[1]:
        print(d["ok"], c["status"])' "$1"
}

in_host_net sysctl -qw net.ipv4.ping_group_range='0 2147483647' \
	net.ipv4.ip_unprivileged_port_start=80
doctor
is "$STATUS" 0 'a machine where pods can run'
for check in 'user namespaces' /dev/net/tun hop seccomp ping 'low ports' DNS \
	addresses; do
	like "$OUT" " ok $check " "$check"
done
like "$OUT" 'Pods can run\. *$' '... which is the conclusion'

in_host_net sysctl -qw net.ipv4.ping_group_range='1 0' \
	net.ipv4.ip_unprivileged_port_start=1024
doctor
like "$STATUS $OUT" "^0 .*limited ping .*> sudo sysctl -w net.ipv4.ping_group_range='0 2147483647' " \
	'no ping sockets'
like "$OUT" 'limited low ports .*below 1024 .*ip_unprivileged_port_start=80' \
	'low ports'
is "$(json ping)" 'True limited' '... in JSON'

in_host_net ip addr add 10.0.2.15/24 dev eth0
doctor
like "$STATUS $OUT" '^0 .*limited addresses 10.0.2.0/24: .*--cidr 10.0.3.0/24' \
	'a clash of addresses'
run_user -- true
like "$STATUS $ERR" '^0 podsplice: 10.0.2.0/24: the host has a route[^
]*\(another --cidr[^
]*$' '... is a warning when a pod starts'
run_user --cidr 10.0.3.0/24 -- true
is "$STATUS $ERR" '0 ' '... and the remedy works'
in_host_net ip addr del 10.0.2.15/24 dev eth0

doctor prlimit --nofile=1000:1000
like "$STATUS $OUT" '^0 .*limited descriptors 1000: about 500 connections' \
	'few descriptors'
doctor env PODSPLICE_FAIL_HOP=nft
like "$STATUS $OUT" '^0 .*limited hop nft: .*through user space' \
	'no nftables'
doctor env PATH=/nonexistent
like "$STATUS $OUT" '^0 .*limited subordinate ids .*--add-subuids' \
	'no newuidmap'
doctor env XDG_RUNTIME_DIR=/nonexistent
like "$STATUS $OUT" '^0 .*limited runtime directory pods have no names: XDG_RUNTIME_DIR /nonexistent: No such file or directory > log in as the user, or unset XDG_RUNTIME_DIR ' \
	'no runtime directory'
install -d -m 777 -o "$ACCOUNT_UID" "$T/open"
doctor env "XDG_RUNTIME_DIR=$T/open"
like "$STATUS $OUT" "^0 .*limited runtime directory pods have no names: $T/open: is open to others " \
	'one that is open to others'
STANDIN=/tmp/podsplice-$ACCOUNT_UID
doctor env XDG_RUNTIME_DIR=relative
like "$STATUS $OUT" "^0 .* ok runtime directory no path in XDG_RUNTIME_DIR: $STANDIN " \
	'no path: what stands in for it'
in_host chmod 755 "$STANDIN"
doctor env XDG_RUNTIME_DIR=
like "$STATUS $OUT" "^0 .*limited runtime directory pods have no names: $STANDIN: is open to others .*> export XDG_RUNTIME_DIR=DIRECTORY " \
	'... which is open to others'
in_host rm -r "$STANDIN"

# a device that others made unusable, in the test host's own files
touch "$WORK/tun"
in_host mount --bind "$WORK/tun" /dev/net/tun
in_host chmod 600 /dev/net/tun
doctor
like "$STATUS $OUT" '^1 .*failed /dev/net/tun .*Permission denied > sudo chmod 666 /dev/net/tun .*No pod can run' \
	'/dev/net/tun: no pod can run'
is "$(json /dev/net/tun)" 'False failed' '... in JSON'
run_user -- true
like "$STATUS $ERR" '^125 podsplice: /dev/net/tun: .*chmod 666' \
	'... nor does one'
in_host umount /dev/net/tun

OUT=$("${AS_USER[@]}" unshare -Ur sh -c "
	echo 0 >/proc/sys/user/max_user_namespaces
	exec $PODSPLICE doctor" 2>&1)
STATUS=$?
like "$STATUS $OUT" '^1 .*failed *user namespaces .*> sudo sysctl -w user.max_user_namespaces' \
	'no user namespaces'

for arg in x --nonsense; do
	OUT=$(as_user "$PODSPLICE" doctor "$arg" 2>&1)
	like "$? $OUT" '^125 podsplice: doctor[^
]*$' "doctor $arg: one line"
done
leftovers doctor
finish
