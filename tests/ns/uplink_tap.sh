#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# uplink with an interface that is there already, and with addresses that others
# set: as engines do it that call slirp4netns.
# shellcheck source=tests/ns/uplink_lib.sh
. "$(dirname "$0")/uplink_lib.sh"

serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9001 4 || bail 'no UDP server there'
PORTS_BEFORE=$(ports_of_host)
SOCKET=$WORK/control

# as_root CMD...: the root of the pod's user namespace
as_root()
{
	nsenter -t "$POD" -U -n -- "$@"
}

# tap_target NAME TUNTAP-ARG...: with a persistent TAP of its own
tap_target()
{
	target "$1" -Urn
	shift
	as_root ip tuntap add name tap0 mode tap "$@" || bail 'no TAP'
}

mac_of_pod()
{
	in_pod cat /sys/class/net/tap0/address 2>/dev/null ||
		in_pod ip -o link show tap0 |
		sed 's/.*link.ether \([^ ]*\).*/\1/'
}

# what the interface has, without what is the kernel's own
state_of_pod()
{
	in_pod sh -c '
		ip -o link show dev tap0 | grep -oE "mtu [0-9]+|ether [^ ]+"
		ip -o link show dev tap0 | grep -qE "[<,]UP[,>]" && echo up
		ip -o addr show dev tap0 scope global |
			grep -oE "inet6? [^ ]+( brd [^ ]+)?"
		ip route show table all dev tap0
		ip -6 route show table all dev tap0' |
		grep -v '^local\|^broadcast\|^multicast\|^fe80\|^anycast' |
		sed 's/ linkdown//' | sort -u
}

kind_of_pod()
{
	in_pod ip -d -o link show tap0 | grep -oE ' (veth|tun) ' | tr -d ' '
}

# An engine that makes the TAP, brings it up, and sets addresses later
tap_target early
as_root ip link set tap0 up
MAC=$(mac_of_pod)
up early --no-configure --control "$SOCKET" -p 8080:80 --mtu 9000 "$POD" ||
	bail 'no uplink'
is "$(kind_of_pod)" veth 'a TAP that is there is replaced by a veth'
is "$(mac_of_pod)" "$MAC" '... with its MAC'
is "$(state_of_pod | paste -sd' ')" "ether $MAC mtu 1500 up" \
	'... up as it was, and nothing else'
as_root sh -ec "
	ip link set lo up
	ip link set tap0 mtu 9000
	ip addr add $POD4/24 dev tap0
	ip route add default via $GW4"
works 'addresses set later'
is "$(flow_path "$SOCKET" "$PEER4" 9000)" splice '... spliced'
published early
up_end
is "$STATUS $(links_of_pod)" '0 lo' 'with the uplink its interface is gone'
target_end
leftovers early

# What the TAP had is kept: addresses, routes, also where the kernel fails
has_all()
{
	as_root sh -ec '
		ip link set tap0 address 02:00:00:00:00:77 mtu 2000 up
		ip addr add 10.0.2.100/24 brd + dev tap0
		ip addr add 10.9.9.1/30 dev tap0
		ip addr add fd00::100/64 dev tap0 nodad
		ip route add default via 10.0.2.2
		ip route add 172.31.0.0/16 dev tap0 metric 5
		ip route add 172.30.0.0/16 via 10.0.2.2 table 77
		ip -6 route add default via fd00::2 metric 50'
}
tap_target kept
has_all
BEFORE=$(state_of_pod)
up kept --no-configure "$POD"
is "$(kind_of_pod)" veth 'a configured TAP is replaced'
is "$(state_of_pod)" "$BEFORE" '... with all it had'
works '... and works'
up_end
target_end

for step in sysctl tap veth route nft pod listen end; do
	tap_target "fail_$step"
	has_all
	export PODSPLICE_FAIL_HOP=$step
	AS_USER+=("PODSPLICE_FAIL_HOP=$step")
	fails "$step fails: splice" ".*" --datapath splice --no-configure "$POD"
	is "$(kind_of_pod)" tun '... its TAP is back'
	is "$(state_of_pod)" "$BEFORE" '... with all it had'
	up "fail_$step" --no-configure "$POD"
	is "$(kind_of_pod)" tun "$step fails: the TAP stays"
	is "$(state_of_pod)" "$BEFORE" '... with all it had'
	works '... and works'
	up_end
	is "$STATUS" 0 '... and ends'
	is "$(state_of_pod)" "$BEFORE" '... the TAP is as it was'
	unset 'AS_USER[-1]' PODSPLICE_FAIL_HOP
	up "back_$step" "$POD"
	is "$(kind_of_pod)" veth '... the next uplink takes it'
	up_end
	target_end
done
leftovers kept

# We set the addresses on it; the MAC and the MTU that are asked for
tap_target ours
has_all
up ours --mac 02:00:00:00:00:88 --mtu 4000 --control "$SOCKET" "$POD"
like "$(state_of_pod)" 'ether 02:00:00:00:00:88.*mtu 4000' \
	'--mac and --mtu change what is there'
works 'configured by us and by others' -6
is "$(flow_path "$SOCKET" "$PEER6" 9000)" splice '... spliced'
up_end
target_end

# Several queues, and one that is held
tap_target queues multi_queue
up queues "$POD"
works 'a TAP with several queues' -6
up_end
target_end
target busy -Urn
cat >"$T/hold.py" <<'END'
import fcntl, struct, time
f = open('/dev/net/tun', 'r+b', buffering=0)
fcntl.ioctl(f, 0x400454ca, struct.pack('16sH22x', b'tap0', 0x1002))
print('held', flush=True)
time.sleep(1000)
END
spawn holder nsenter -t "$POD" -U -n -- "$PY" "$T/hold.py"
HOLDER=$PID
wait_for 20 grep -q held "$T/holder.out"
fails 'a TAP that is driven' 'TAP device tap0: another program drives it .*' \
	"$POD"
is "$(kind_of_pod)" tun '... and left alone'
kill "$HOLDER"
reap "$HOLDER"
export PODSPLICE_FAIL_HOP=1
AS_USER+=(PODSPLICE_FAIL_HOP=1)
up user "$POD" && works 'through user space'
unset 'AS_USER[-1]'
fails 'a second uplink there' 'TAP device tap0: another program drives it .*' \
	"$POD"
works 'which leaves the first alone' -6
up_end
is "$STATUS $(links_of_pod)" '0 lo' '... whose interface goes with it'
unset PODSPLICE_FAIL_HOP
target_end
leftovers busy

# Nothing is there, and addresses come later
target bare -Urn
LO=$(in_pod ip -o link show lo)
up bare --no-configure --control "$SOCKET" -p 8080:80 "$POD" || bail 'no uplink'
unlike "$(in_pod ip -o link show tap0)" '[<,]UP[,>]' \
	'--no-configure: the interface is down'
is "$(in_pod ip -o addr show)" '' '... nothing has an address'
is "$(in_pod ip -o link show lo)" "$LO" '... lo is as it was'
is "$(in_pod cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 1024 \
	'... no sysctl was changed'
cat >"$T/lease.sh" <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface" && ip route add default via "$router"
END
chmod 755 "$T/lease.sh"
as_root ip link set tap0 up
guard nsenter -t "$POD" -U -n -- busybox udhcpc -i tap0 -n -q -f -t 5 -T 3 \
	-s "$T/lease.sh" >"$T/udhcpc.err" 2>&1
works 'an address by DHCP'
is "$(flow_path "$SOCKET" "$PEER4" 9000)" splice '... spliced'
published bare
has_global6()
{
	in_pod ip -o -6 addr show dev tap0 scope global dynamic -tentative |
		grep -q 'fd00::'
}
check 'a router advertisement gives an IPv6 address' wait_for 30 has_global6
is "$(pod_net get "$PEER6" 9000 200000)" OK '... which works'
is "$(flow_path "$SOCKET" "$PEER6" 9000)" splice '... spliced'
spawn server6 nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
wait_port pod 80
is "$(peer_net who "$HOST6" 8080)" "$PEER6 same-port" \
	'... and published, with the client'"'"'s address'
up_end
AS_USER+=(PODSPLICE_FAIL_HOP=1)
up slow --no-configure "$POD"
unset 'AS_USER[-1]'
is "$(kind_of_pod)" tun '--no-configure without the kernel: a TAP'
as_root sh -ec "
	ip link set tap0 up
	ip addr add $POD4/24 dev tap0
	ip route add default via $GW4"
works 'it works, too'
up_end
target_end
leftovers bare

# A real engine: it makes the TAP, calls its helper, sets the addresses and the
# MTU when that is ready, and kills it at the end.
cat >"$T/helper" <<END
#!/bin/sh
case \$* in
*--help*) echo --netns-type --disable-host-loopback; exit ;;
esac
while :; do
	case \$1 in
	--mtu) mtu=\$2; shift 2 ;;
	-r) ready=\$2; shift 2 ;;
	--*) shift ;;
	*) break ;;
	esac
done
exec $PODSPLICE uplink --no-configure --control $SOCKET --mtu \$mtu \
	--ready-fd \$ready --tap \$2 \$1
END
chmod 755 "$T/helper"
if command -v rootlesskit >/dev/null; then
	is "$(guard "${AS_USER[@]}" rootlesskit --net=slirp4netns \
		"--slirp4netns-binary=$T/helper" --disable-host-loopback \
		--copy-up=/etc "--state-dir=$WORK/state" sh -c "
		ip -o -4 addr show dev tap0 | grep -c $POD4/24
		ip -o link show dev tap0 | grep -o 'mtu [0-9]*'
		'$PY' '$T/net.py' get $PEER4 9000 10000000
		'$PODSPLICE' stats --control '$SOCKET' |
			awk '\$1 == \"splice\" { print \$1, \$3 }'" \
		2>"$T/rootlesskit.err" | paste -sd' ')" \
		'1 mtu 65520 OK splice 1' 'a helper of rootlesskit: spliced'
	rm -rf "$SOCKET" "$WORK/state"
	leftovers rootlesskit
else
	skip 'a helper of rootlesskit' 'rootlesskit is not installed'
fi
stop_spawned
finish
