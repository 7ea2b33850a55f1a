# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Test hosts in namespaces, an ordinary account to run the product with, and
# TAP output. Sourced by every tests/ns/*.sh, which runs as root.
#
#   host   the machine the product runs on: its own network namespace, and a
#          mount namespace with its own copy of /etc, so that resolv.conf,
#          subuid and the like can be changed without touching the machine
#   peer   another machine on the same link, and the way to the rest of the
#          world: 198.51.100.1 and 2001:db8:9::1 are addresses of its loopback
#
# Everything carries this process's number, and goes away in the EXIT trap. No
# test sleeps for something it can wait for, and no test asserts a time; what
# hangs is cut off by GUARD seconds.

set -u
export LC_ALL=C

# shellcheck disable=SC2034 # some are for the tests only
{
	HOST4=192.0.2.10 PEER4=192.0.2.20
	HOST6=2001:db8:1::10 PEER6=2001:db8:1::20
	FAR4=198.51.100.1 FAR6=2001:db8:9::1
	POD4=10.0.2.100 GW4=10.0.2.2 DNS4=10.0.2.3
	POD6=fd00::100 GW6=fd00::2 DNS6=fd00::3
}
GUARD=60

ACCOUNT=${PODSPLICE_TEST_ACCOUNT:-podsplice-test}
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LIB/../.." && pwd)
BINARY=${PODSPLICE_BINARY:-$TOP/build/setup/podsplice}
PY=/usr/bin/python3

# TAP

N=0 FAILED=0 DONE=

ok()
{
	N=$((N + 1))
	echo "ok $N - $*"
}

not_ok()
{
	N=$((N + 1))
	FAILED=$((FAILED + 1))
	echo "not ok $N - $*"
}

note()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

# check NAME CMD...: CMD must succeed
check()
{
	local name=$1
	shift
	if "$@"; then
		ok "$name"
	else
		not_ok "$name"
		note "failed ($?): $*"
	fi
}

# is GOT WANT NAME
is()
{
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3"
		note "got:  '$1'"
		note "want: '$2'"
	fi
}

# like GOT REGEX NAME (extended, of the whole text)
like()
{
	if [[ $1 =~ $2 ]]; then
		ok "$3"
	else
		not_ok "$3"
		note "got:       '$1'"
		note "not like:  $2"
	fi
}

unlike()
{
	if [[ $1 =~ $2 ]]; then
		not_ok "$3"
		note "got:  '$1'"
		note "like: $2"
	else
		ok "$3"
	fi
}

# skip NAME REASON
skip()
{
	N=$((N + 1))
	echo "ok $N - $1 # SKIP $2"
}

# the whole file
skip_all()
{
	echo "1..0 # SKIP $*"
	DONE=skipped
	exit 77
}

bail()
{
	not_ok "set-up: $*"
	exit 1
}

finish()
{
	DONE=1
	exit
}

# Set-up

# mine PID: a child of this script still, and no stranger with its number
mine()
{
	[ "$(ps -o ppid= -p "$1" 2>/dev/null | tr -d ' ')" = "$$" ]
}

cleanup()
{
	local rc=$? p
	trap - EXIT
	[ "$DONE" = skipped ] || {
		[ "$DONE" ] || not_ok "the script reached its end (status $rc)"
		if [ "$FAILED" -gt 0 ]; then
			for p in "$T"/*.err; do
				[ -s "$p" ] || continue
				note "--- ${p##*/}"
				note "$(tail -n 20 "$p")"
			done
		fi
	}
	disown -a # no word about whom we kill
	for p in "${SPAWNED[@]}"; do
		mine "$p" && kill -KILL "$p" 2>/dev/null
	done
	for p in $(ours); do
		kill -KILL "$p" 2>/dev/null
	done
	for p in "$HOSTNS" "$PEERNS" "${EXTRA_NS[@]}"; do
		[ -e "/run/netns/$p" ] && ip netns del "$p"
	done
	wait 2>/dev/null
	[ -n "$T" ] && rm -rf --one-file-system "$T"
	[ "$DONE" = skipped ] && exit 77
	echo "1..$N"
	[ "$FAILED" = 0 ] || exit 1
	exit 0
}

[ "$(id -u)" = 0 ] || {
	echo "1..0 # SKIP namespaces for test hosts need root"
	exit 77
}
[ -x "$BINARY" ] || {
	echo "Bail out! $BINARY is not there: build first"
	exit 1
}

SPAWNED=() EXTRA_NS=() HOSTNS=psh$$ PEERNS=psp$$ MARK=PODSPLICE_TEST_RUN=$$
T=$(mktemp -d /tmp/podsplice-ns.XXXXXX)
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
chmod 755 "$T"

sh "$TOP/setup/account.sh" "$ACCOUNT" || bail "no account $ACCOUNT"
ACCOUNT_UID=$(id -u "$ACCOUNT") ACCOUNT_GID=$(id -g "$ACCOUNT")

# what the account is to execute, where it can, wherever the checkout is
install -m 755 "$BINARY" "$T/podsplice"
install -m 755 "$LIB/net.py" "$T/net.py"
PODSPLICE=$T/podsplice
RUNTIME=$T/run
install -d -m 700 -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$RUNTIME"
WORK=$T/work # the account's to write, and its pods' mapped ids'
install -d -m 1777 "$WORK"

# The product opens it as anybody could where the distribution lets them.
[ -c /dev/net/tun ] || {
	mkdir -p /dev/net
	mknod /dev/net/tun c 10 200 2>/dev/null ||
		skip_all "/dev/net/tun is not there and can't be made"
}
chmod 0666 /dev/net/tun 2>/dev/null ||
	[ "$(stat -c %a /dev/net/tun)" = 666 ] ||
	skip_all "/dev/net/tun can't be opened to the account"

ip netns add "$HOSTNS" 2>/dev/null ||
	skip_all "network namespaces can't be made here"
ip netns add "$PEERNS"

in_peer_net()
{
	ip netns exec "$PEERNS" "$@"
}

in_host_net()
{
	ip netns exec "$HOSTNS" "$@"
}

# link_up: the state every test begins with, and can come back to
link_up()
{
	in_host_net sh -ec "
		ip link set eth0 up
		ip addr replace $HOST4/24 dev eth0
		ip addr replace $HOST6/64 dev eth0 nodad
		ip route replace default via $PEER4
		ip -6 route replace default via $PEER6"
}

ip link add eth0 netns "$HOSTNS" type veth peer name eth0 netns "$PEERNS"
for NS in "$HOSTNS" "$PEERNS"; do
	ip netns exec "$NS" sh -ec '
		cd /proc/sys/net
		# the default elsewhere; bbr paces and would hide stalls
		sysctl -qw net.ipv4.tcp_congestion_control=cubic 2>/dev/null ||
			sysctl -qw net.ipv4.tcp_congestion_control=reno
		echo 0 >ipv6/conf/default/accept_dad
		echo 0 >ipv6/conf/eth0/accept_dad
		ip link set lo up
		ip link set eth0 up' || bail "loopback of $NS"
done
in_peer_net sh -ec "
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	ip addr add $PEER4/24 dev eth0
	ip addr add $PEER6/64 dev eth0 nodad
	ip addr add $FAR4/32 dev lo
	ip addr add $FAR6/128 dev lo nodad
	# no such host behind this router
	ip route add unreachable 203.0.113.0/24
	ip -6 route add unreachable 2001:db8:dead::/48" || bail "the peer's network"
link_up || bail "the host's network"

# The host's files: flags as distributions mount them, /etc and /tmp its own.
mkdir "$T/etc" "$T/tmp"
# shellcheck disable=SC2016 # for the inner shell
ip netns exec "$HOSTNS" unshare --mount --propagation private sh -ec '
	mount -t tmpfs -o mode=755,size=64m tmpfs "$1/etc"
	cp -a /etc/. "$1/etc/"
	# whatever is mounted there now is in the copy
	mount --bind "$1/etc" /etc
	mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
	for dir in "$1" "$2"; do
		case $dir in
		/tmp/*)
			mkdir -p "$1/tmp/${dir#/tmp/}"
			mount --bind "$dir" "$1/tmp/${dir#/tmp/}"
			;;
		esac
	done
	mount --rbind "$1/tmp" /tmp
	mount -o remount,bind,nosuid,nodev,noexec /proc
	: >"$1/held"
	exec sleep 7200' sh "$T" "$TOP" >"$T/hold.err" 2>&1 </dev/null &
HOLD=$!
SPAWNED+=("$HOLD")

# wait_for SECONDS CMD...: until CMD succeeds
wait_for()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

wait_for 20 test -e "$T/held" || bail "the host's mounts"

IN_HOST=(nsenter "--net=/run/netns/$HOSTNS" "--mount=/proc/$HOLD/ns/mnt" --)
IN_PEER=(nsenter "--net=/run/netns/$PEERNS" --)
CLEAN_ENV=(env -i "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
	"HOME=$WORK" "USER=$ACCOUNT" "XDG_RUNTIME_DIR=$RUNTIME" "$MARK"
	"TERM=xterm" "LC_ALL=C")
# a binary with sanitizers: tests/run.sh says how
[ -z "${ASAN_OPTIONS-}" ] || CLEAN_ENV+=("ASAN_OPTIONS=$ASAN_OPTIONS")
[ -z "${UBSAN_OPTIONS-}" ] || CLEAN_ENV+=("UBSAN_OPTIONS=$UBSAN_OPTIONS")
AS_USER=("${IN_HOST[@]}" setpriv "--reuid=$ACCOUNT_UID"
	"--regid=$ACCOUNT_GID" --init-groups -- "${CLEAN_ENV[@]}")

in_host()
{
	"${IN_HOST[@]}" "$@"
}

in_peer()
{
	"${IN_PEER[@]}" "$@"
}

as_user()
{
	"${AS_USER[@]}" "$@"
}

# resolv LINES: the host's resolv.conf, rewritten in place
resolv()
{
	# shellcheck disable=SC2016 # for the inner shell
	in_host sh -c 'printf "%s\n" "$1" >/etc/resolv.conf' sh "$1"
}
resolv "nameserver $PEER4"

# Processes

# spawn NAME CMD...: in the background; its pid in PID, its output in
# $T/NAME.out and .err. CMD is executed as it is: use "${AS_USER[@]}" etc.
spawn()
{
	local name=$1
	shift
	# the shell opens them after the fork: who looks at once is not to find
	# what an earlier one of that name has said
	: >"$T/$name.out" 2>"$T/$name.err"
	"$@" >"$T/$name.out" 2>"$T/$name.err" </dev/null &
	PID=$!
	SPAWNED+=("$PID")
}

# gone PID: not there, or only its zombie is
gone()
{
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	[[ ${stat##*) } = [ZX]* ]]
}

# reap PID: waits for a spawned process, at most GUARD seconds; its exit
# status in STATUS, "hang" when it had to be killed
reap()
{
	if wait_for "$GUARD" gone "$1"; then
		wait "$1" 2>/dev/null
		STATUS=$?
	else
		kill -KILL "$1"
		STATUS=hang
	fi
}

# ours: pids of what this test left running in the account's name (and root's)
ours()
{
	grep -lszxF "$MARK" /proc/[0-9]*/environ | cut -d / -f 3
}

# children PID: of all its threads
children()
{
	local file list all=
	for file in /proc/"$1"/task/*/children; do
		list=
		{ read -r list <"$file"; } 2>/dev/null # a line without its end
		all+=${list:+$list }
	done
	echo "$all"
}

# init_below PID: the pod's init (pid 1 of a pid namespace) below PID
init_below()
{
	local child
	for child in $(children "$1"); do
		if grep -Eqs '^NSpid:.*[[:space:]]1$' "/proc/$child/status"; then
			echo "$child"
			return 0
		fi
		init_below "$child" && return 0
	done
	return 1
}

# family PID: PID and all below it
family()
{
	local child
	echo "$1"
	for child in $(children "$1"); do
		family "$child"
	done
}

pod_has_init()
{
	POD=$(init_below "$SUP")
}

# the command runs: the pod's pid 1 has a child
pod_runs()
{
	pod_has_init && [ "$(children "$POD")" ]
}

# pod NAME RUN-ARGS...: `podsplice run` as the account, in the background;
# returns when its command was started. SUP: the process the user started,
# POD: the pod's pid 1.
pod()
{
	local name=$1
	shift
	spawn "$name" "${AS_USER[@]}" "$PODSPLICE" run "$@"
	SUP=$PID
	pod_waits "$name"
}

pod_waits()
{
	if ! wait_for "$GUARD" eval "pod_runs || gone $SUP" || ! pod_runs; then
		note "pod $1 did not start:"
		note "$(cat "$T/$1.err")"
		return 1
	fi
}

# pod_end: as a user would; its status in STATUS
pod_end()
{
	kill -TERM "$SUP" 2>/dev/null
	reap "$SUP"
}

# in_pod CMD...: the pod's network, with the power of its root and more, but
# the host's files
in_pod()
{
	nsenter -t "$POD" -n -- "$@"
}

# in_pod_all CMD...: all the namespaces of the pod, as its root
in_pod_all()
{
	nsenter -t "$POD" -U -m -n -p -i -u -- "$@"
}

# run_user ARGS...: `podsplice run ARGS` in the foreground, guarded. OUT, ERR,
# STATUS.
run_user()
{
	verb run "$@"
}

# verb ARGS...: `podsplice ARGS`, the same
verb()
{
	caught "${AS_USER[@]}" "$PODSPLICE" "$@"
}

# caught CMD...: the same for any command
caught()
{
	guard "$@" >"$T/fg.out" 2>"$T/fg.log" </dev/null
	STATUS=$?
	# shellcheck disable=SC2034 # for the tests
	OUT=$(cat "$T/fg.out") ERR=$(cat "$T/fg.log")
	[ "$STATUS" != 124 ] || note "hung: $*"
}

# held NAME PORT: a client that keeps a connection; its end comes with let_go
held()
{
	mkfifo "$T/$1.fifo"
	"${IN_PEER[@]}" "$PY" "$T/net.py" hold "$HOST4" "$2" \
		<"$T/$1.fifo" >"$T/$1.out" 2>&1 &
	SPAWNED+=("$!")
	exec {FIFO}>"$T/$1.fifo"
	wait_for "$GUARD" grep -q open "$T/$1.out"
}

held_has_ended()
{
	[ "$(wc -l <"$T/$1.out")" -gt 1 ]
}

# let_go NAME: how its connection stood, in HELD
let_go()
{
	exec {FIFO}>&-
	wait_for "$GUARD" held_has_ended "$1"
	# shellcheck disable=SC2034 # for the tests
	HELD=$(tail -n 1 "$T/$1.out")
}

# stat_of EXPRESSION: in Python, of `s`, what the pod whose control socket is
# SOCK says by `stats --json`
stat_of()
{
	guard "${AS_USER[@]}" "$PODSPLICE" stats --json --control "$SOCK" |
		"$PY" -c "import json, sys
s = json.load(sys.stdin)
print($1)"
}

# guard CMD...: with a limit of GUARD seconds
guard()
{
	timeout -k 5 "$GUARD" "$@"
}

# peer_net, host_net ARGS...: a client of net.py there; prints its result
peer_net()
{
	guard "${IN_PEER[@]}" "$PY" "$T/net.py" "$@" 2>&1 </dev/null
}

host_net()
{
	guard "${IN_HOST[@]}" "$PY" "$T/net.py" "$@" 2>&1 </dev/null
}

pod_net()
{
	guard nsenter -t "$POD" -n -- "$PY" "$T/net.py" "$@" 2>&1 </dev/null
}

listens()
{
	[ "$("$@")" ]
}

# wait_port pod|host|peer PORT [t|u]: until somebody listens there
wait_port()
{
	local where ss=(ss "-Hln${3:-t}" "sport = :$2")
	case $1 in
	pod) where=(nsenter -t "$POD" -n --) ;;
	host) where=("${IN_HOST[@]}") ;;
	peer) where=("${IN_PEER[@]}") ;;
	esac
	wait_for "$GUARD" listens "${where[@]}" "${ss[@]}" && return
	note "nobody listens on $2 of $1"
	return 1
}

# serve_peer PORT [ARGS]: net.py's server there; its output in peer-PORT.out
serve_peer()
{
	spawn "peer-$1" "${IN_PEER[@]}" "$PY" "$T/net.py" serve "$@"
	wait_port peer "$1"
}

serve_peer_udp()
{
	spawn "peer-udp-$1$2" "${IN_PEER[@]}" "$PY" "$T/net.py" udp-serve "$@"
	wait_port peer "$1" u
}

# iperf3_waits NAME N: until `iperf3 -s --forceflush`, the command of pod NAME,
# waits for its Nth client: it listens before the last one is done with, too
iperf3_waits()
{
	wait_for "$GUARD" eval \
		"[ \"\$(grep -c 'Server listening' '$T/$1.out')\" -ge $2 ]"
}

# What may be left when all pods are gone: nothing

no_process()
{
	[ -z "$(ours)" ]
}

ports_of_host()
{
	in_host ss -Hlntu | awk '{ print $1, $5 }' | sort
}

links_of_host()
{
	in_host ip -o link 2>/dev/null | awk -F': ' '{ print $2 }' | sort | tr '\n' ' '
}

nobody_new_listens()
{
	[ "$(ports_of_host)" = "${PORTS_BEFORE-}" ]
}

# stop_spawned: the tests' own servers
stop_spawned()
{
	local p
	for p in "${SPAWNED[@]}"; do
		[ "$p" = "$HOLD" ] || { mine "$p" && kill "$p" 2>/dev/null; }
	done
	wait_for 5 nobody_new_listens
}

# leftovers NAME: everything the pods had is gone, soon
leftovers()
{
	if wait_for 10 no_process; then
		ok "$1: no process is left"
	else
		not_ok "$1: no process is left"
		note "$(ps -o pid,ppid,uid,stat,args -p "$(ours | paste -sd,)")"
	fi
	is "$(ports_of_host)" "${PORTS_BEFORE-}" "$1: no port stays taken"
	is "$(links_of_host)" "eth0@if${PEER_IFINDEX} lo " \
		"$1: no device is left"
	# what a killed supervisor leaves is removed by who looks next
	is "$(as_user "$PODSPLICE" ps -aq 2>&1
		as_user "$PODSPLICE" pod ls -q 2>&1)" '' \
		"$1: no container is left, and no pod"
	# a pod in a pod has no runtime directory
	is "$(find "$RUNTIME" -mindepth 1 -not -path "$RUNTIME/podsplice" \
		-not -path "$RUNTIME/podsplice/containers"
		in_host find /tmp -mindepth 1 -user "$ACCOUNT" \
			-not -path "$T*" -not -path "$TOP*" \
			-not -path '/tmp/podsplice-0*' 2>/dev/null)" '' \
		"$1: no file is left"
}

# The kernel names the veth's other end; remember it once.
PEER_IFINDEX=$(in_peer cat /proc/net/igmp | awk '$2 == "eth0" { print $1 }')
