#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podsplice as slirp4netns: what it says, what each option does in the
# namespace, how it begins and ends. The original goes through the same tables.
# shellcheck source=tests/ns/slirp4netns_lib.sh
. "$(dirname "$0")/slirp4netns_lib.sh"

install -m 644 "$LIB/slirp4netns.py" "$T/"
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9001 4 || bail 'no UDP server there'
spawn dnsmasq "${IN_PEER[@]}" dnsmasq --keep-in-foreground --no-resolv \
	--no-hosts --conf-file=/dev/null --user=root --pid-file= \
	--bind-interfaces "--listen-address=$PEER4" --address=/test/192.0.2.101
wait_port peer 53 u || bail 'no name server'
spawn loopback "${IN_HOST[@]}" "$PY" "$T/net.py" serve 9100 4 127.0.0.1
wait_port host 9100 || bail "no server on the host's loopback"
in_host_net sh -ec '
	ip addr add 192.0.2.66/32 dev eth0
	ip link add d0 type veth peer name d1
	ip addr add 192.0.2.67/32 dev d0
	ip -6 addr add 2001:db8:2::67/128 dev d0 nodad
	ip link set d0 up
	ip link set d1 up' || bail 'more addresses of the host'
in_peer_net ip -6 route add 2001:db8:2::/64 via "$HOST6"
PORTS_BEFORE=$(ports_of_host)

# ---- what it says ----

# REGEX of stderr | u: usage on stdout, - not | arguments; P is a process
errors()
{
	local regex usage args words
	while IFS='|' read -r regex usage args; do
		read -ra words <<<"${args/@P/$POD}"
		s4_fg "${words[@]}"
		like "$STATUS $ERR" "^1 (.*)?$regex" "$WHO: refused: ${args:-nothing}"
		if [ "$usage" = u ]; then
			like "$OUT" 'Usage: .*--netns-type' '... with the usage'
		else
			unlike "$OUT" 'Usage:' '... without the usage'
		fi
	done <<'END'
|u|
|u|@P
PID must be a positive integer|u|abc tap0
PID must be a positive integer|u|0 tap0
PID must be a positive integer|u|-- -5 tap0
[Nn]o such file|-|3999999 tap0
MTU must be a positive integer \(< 65522\)|u|--mtu=0 @P tap0
MTU must be a positive integer \(< 65522\)|u|--mtu=65522 @P tap0
MTU must be a positive integer \(< 65522\)|u|-m x @P tap0
exit-fd must be a non-negative integer|u|-e x @P tap0
ready-fd must be a non-negative integer|u|--ready-fd=-1 @P tap0
invalid CIDR: x|-|--cidr=x @P tap0
invalid CIDR: 10.0.2.0|-|--cidr=10.0.2.0 @P tap0
invalid CIDR: 10.0.2.0/|-|--cidr=10.0.2.0/ @P tap0
prefix length needs to be 1-25|-|--cidr=10.0.2.0/26 @P tap0
prefix length needs to be 1-25|-|--cidr=10.0.2.0/0 @P tap0
prefix length needs to be 1-25|-|--cidr=10.0.2.100/26 @P tap0
CIDR needs to be a network address like 10.0.2.0/24, not like 10.0.2.100/24|-|--cidr=10.0.2.100/24 @P tap0
existing path expected when --netns-type=path: No such file or directory|u|--netns-type=path /nope tap0
|u|--netns-type=path /etc/passwd
|-|--netns-type=path /etc/passwd tap0
userns path doesn't exist: /nope|u|--userns-path=/nope @P tap0
--macaddr cannot be specified when --configure or -c is not specified|u|--macaddress=02:00:00:00:00:01 @P tap0
"zz" is an invalid MAC address|-|-c --macaddress=zz @P tap0
invalid MAC address|-|-c --macaddress=02:00:00:00:00:01:02 @P tap0
invalid MAC address|-|-c --macaddress=02:00:00:00:00:100 @P tap0
outbound-addr has to be valid ipv4 address or interface name|-|--outbound-addr=nosuch @P tap0
outbound-addr has to be valid ipv4 address or interface name|-|--outbound-addr=300.1.1.1 @P tap0
has to be valid ipv[46] address or i|-|--outbound-addr6=nosuch @P tap0
--target-type|u|--target-type=x @P tap0
--target-type=bess|u|-c --target-type=bess /tmp/socket
unrecognized option '--nonsense'|u|--nonsense @P tap0
invalid option -- 'x'|u|-x @P tap0
option '--mtu' requires an argument|u|@P tap0 --mtu
is ambiguous|u|--disable @P tap0
END
	s4_fg -c -a "/tmp/$(printf %0103d 0)" "$POD" tap0
	like "$STATUS $ERR" '^1 .*the specified API socket path is too long \(>= 108\)' \
		"$WHO: a path of 108 bytes for the API socket"
	s4_fg -c -a "$WORK/nope/socket" "$POD" tap0
	like "$STATUS $ERR" '^1 .*No such file or directory' \
		"$WHO: an API socket in no directory"
	s4_fg --help
	like "$STATUS $ERR" '^0 $' "$WHO: --help is no failure"
	for word in disable-host-loopback mtu enable-sandbox enable-seccomp \
		cidr outbound-addr enable-ipv6 netns-type api-socket; do
		check "... and has --$word, which engines look for" \
			grep -qw -- "--$word" <<<"$OUT"
	done
	s4_fg -v
	like "$STATUS $OUT" '^0 slirp4netns version [0-9][^
]*
commit: [^ ]+
libslirp: [0-9.]+
SLIRP_CONFIG_VERSION_MAX: [3-9]
libseccomp: [0-9.]+$' "$WHO: five lines of version"
	is "$(grep -c version <<<"$OUT")" 1 '... one of them has that word'
}

target errors -Urn
both errors
is "$(links_of_pod)" lo 'nothing is left in the pod'
S4=$OURS
s4_fg --target-type=bess /tmp/socket
like "$STATUS $ERR" '^1 .*--target-type=bess: not supported by podsplice' \
	'bess is refused by name'
s4_fg -c -m 87 "$POD" tap0
like "$STATUS $ERR" '^1 .*MTU 87: not supported by podsplice' \
	'so is an MTU that is too small'
s4_fg -c "$POD" tap/0
like "$STATUS $ERR" '^1 .*TAPNAME' 'and what is no name of one'
for name in "$PODSPLICE slirp4netns" "$T/slirp4netns"; do
	# shellcheck disable=SC2086 # two words
	like "$(as_user $name --version)" '^slirp4netns version' \
		"by ${name##*/}"
done
target_end

# ---- what options do ----

tap()
{
	in_pod ip -o "$@" show dev "$TAP" 2>/dev/null
}

# what `-c` makes: address/prefix, MTU, gateway of the default route, lo
configured()
{
	echo "$(tap -4 addr | sed 's/.*inet \([^ ]*\).*/\1/')" \
		"$(tap link | grep -oE 'mtu [0-9]+')" \
		"$(in_pod ip route show default | awk '{ print $3, $5 }')" \
		"$(in_pod ip -o -4 addr show dev lo | grep -c 127.0.0.1/8)"
}

mac_of_tap()
{
	tap link | sed 's/.*link.ether \([^ ]*\).*/\1/'
}

# NAME|what it is after -c|arguments without the target and the device
effects()
{
	local name want args words
	TAP=tap0
	while IFS='|' read -r name want args; do
		read -ra words <<<"$args"
		s4 effect "${words[@]}" "$POD" tap0
		is "$(configured)" "$want" "$WHO: $name"
		s4_end
	done <<'END'
-c|10.0.2.100/24 mtu 1500 10.0.2.2 tap0 1|-c
-m|10.0.2.100/24 mtu 9000 10.0.2.2 tap0 1|-c -m 9000
--mtu, the least|10.0.2.100/24 mtu 88 10.0.2.2 tap0 1|-c --mtu=88
--mtu, the most|10.0.2.100/24 mtu 65521 10.0.2.2 tap0 1|-c --mtu 65521
--cidr|10.9.0.100/16 mtu 1500 10.9.0.2 tap0 1|-c --cidr=10.9.0.0/16
--cidr, the smallest|192.168.77.100/25 mtu 1500 192.168.77.2 tap0 1|--configure --cidr 192.168.77.0/25
abbreviated, old and sandboxed|10.0.2.100/24 mtu 1500 10.0.2.2 tap0 1|--conf --no-host-loopback --enable-sandbox --enable-seccomp
END
	s4 mac -c --macaddress=02:00:00:00:00:aa "$POD" tap0
	is "$(mac_of_tap)" 02:00:00:00:00:aa "$WHO: --macaddress"
	s4_end
	s4 mac -c --macaddress 2:a:0:0:0:f "$POD" tap0
	is "$(mac_of_tap)" 02:0a:00:00:00:0f '... in short'
	s4_end
	s4 bare -m 9000 "$POD" tap0
	unlike "$(tap link)" '[<,]UP[,>]' "$WHO: without -c it is down"
	is "$(tap addr)" '' '... without an address'
	s4_end
	TAP=averyverylongta
	s4 words -c "$POD" --mtu 1400 averyverylongtapname
	is "$(configured)" "10.0.2.100/24 mtu 1400 10.0.2.2 $TAP 1" \
		"$WHO: words among options, and a name that is cut"
	s4_end
	TAP=tap0
	s4 many -c "$POD" tap0 more words
	is "$(configured)" '10.0.2.100/24 mtu 1500 10.0.2.2 tap0 1' \
		"$WHO: too many words are no error"
	s4_end
	like "$(cat "$T/many.out" "$T/many.err")" \
		'^$|WARNING: too many arguments' '... but a warning'
}
target effects -Urn
both effects

# what goes out, and where to
pings()
{
	in_pod ping -qnc 1 -W 20 "$GW4" >/dev/null
}
traffic()
{
	s4 loopback -c "$POD" tap0
	is "$(pod_net get "$GW4" 9100 1000)" OK \
		"$WHO: the gateway is the host's loopback"
	check '... and answers pings' pings
	is "$(guard nsenter -t "$POD" -n dig +short +time=5 "@$DNS4" a.test A)" \
		192.0.2.101 "$WHO: names"
	s4_end
	s4 shut -c --disable-host-loopback --disable-dns "$POD" tap0
	like "$(pod_net get "$GW4" 9100 1000)" 'ENETUNREACH|unreachable' \
		"$WHO: --disable-host-loopback: it isn't"
	check '... but answers pings' pings
	unlike "$(guard nsenter -t "$POD" -n dig +short +time=1 +tries=1 \
		"@$DNS4" a.test A 2>&1)" 192.0.2.101 "$WHO: --disable-dns"
	works "$WHO"
	s4_end
	s4 source -c --outbound-addr=192.0.2.66 "$POD" tap0
	is "$(pod_net who "$PEER4" 9000 | cut -d' ' -f1)" 192.0.2.66 \
		"$WHO: --outbound-addr"
	is "$(pod_net udp "$PEER4" 9001)" 'OK 192.0.2.66' '... of UDP'
	s4_end
	s4 source -c --outbound-addr=d0 "$POD" tap0
	is "$(pod_net who "$PEER4" 9000 | cut -d' ' -f1)" 192.0.2.67 \
		'... the address of an interface'
	s4_end
}
both traffic

has_global6()
{
	tap -6 addr | grep global | grep -v tentative | grep -q dynamic
}
ipv6()
{
	s4 ipv6 -c -6 --macaddress=02:00:00:00:00:aa --outbound-addr6=2001:db8:2::67 \
		"$POD" tap0
	check "$WHO: -6: an address by router advertisement" wait_for 30 \
		has_global6
	is "$(tap -6 addr | grep -oE 'inet6 fd[^ ]+')" \
		'inet6 fd00::ff:fe00:aa/64' '... of the MAC'
	is "$(in_pod ip -6 route show default | awk '{ print $3, $7 }')" \
		'fe80::2 ra' '... and a default route'
	is "$(pod_net who "$PEER6" 9000 | cut -d' ' -f1)" 2001:db8:2::67 \
		'... which work, with --outbound-addr6'
	s4_end
}
both ipv6

# Only ours: the same with an interface, what is said of a small MTU
s4 ipv6 -c -6 --outbound-addr6=d0 "$POD" tap0
check '-6' wait_for 30 has_global6
is "$(pod_net who "$PEER6" 9000 | cut -d' ' -f1)" 2001:db8:2::67 \
	'... --outbound-addr6 takes an interface'
s4_end
s4 small -c -6 -m 1200 "$POD" tap0
works 'an MTU too small for IPv6'
like "$(cat "$T/small.err")" 'MTU 1200: too small for IPv6' '... is told'
s4_end
s4 least -c -m 88 "$POD" tap0
works 'the least MTU'
s4_end
s4 most -c -6 -m 65521 "$POD" tap0
works 'the greatest MTU'
is "$(pod_net put "$PEER4" 9000 50000000)" OK '... much'
is "$(pod_net udp "$PEER4" 9001 65000)" "OK $HOST4" '... a datagram of it'
s4_end
is "$(in_pod cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 1024 \
	'no sysctl of the pod was changed'
s4 banner -c --cidr=10.9.0.0/16 --disable-host-loopback "$POD" tap0
is "$(tail -n +2 "$T/banner.out" | tr -s ' ' | paste -sd'|')" \
	"* MTU: 1500|* Network: 10.9.0.0|* Netmask: 255.255.0.0|* Gateway: 10.9.0.2|* DNS: 10.9.0.3|* DHCP begin: 10.9.0.15|* DHCP end: 10.9.0.30|* Recommended IP: 10.9.0.100" \
	'the banner, when it is ready'
s4_end
target_end
in_host_net ip link del d0
leftovers effects

# DHCP without -c
cat >"$T/lease.sh" <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface" && ip route add default via "$router"
END
chmod 755 "$T/lease.sh"
dhcp()
{
	target dhcp -Urn
	s4 dhcp -a "$WORK/api" "$POD" tap0
	nsenter -t "$POD" -U -n -- ip link set tap0 up
	guard nsenter -t "$POD" -U -n -- busybox udhcpc -i tap0 -n -q -f -t 5 \
		-T 3 -s "$T/lease.sh" >"$T/udhcpc.err" 2>&1
	is "$(tap -4 addr | grep -oE 'inet [^ ]+')" 'inet 10.0.2.15/24' \
		"$WHO: a lease of .15"
	works "$WHO: by DHCP"
	[ "$WHO" != ours ] ||
		is "$(flow_path "$WORK/api" "$PEER4" 9000)" splice \
			'... spliced'
	s4_end
	rm -f "$WORK/api"
	target_end
}
TAP=tap0
both dhcp

# ---- namespaces ----

spaces()
{
	target spaces -Urn
	# podman's: by a path, as root of the user namespace that owns it
	run_up podman nsenter -t "$POD" -U --preserve-credentials "$S4" \
		--disable-host-loopback --mtu=65520 --enable-sandbox \
		--enable-seccomp --enable-ipv6 -c -r 3 --netns-type=path \
		"/proc/$POD/ns/net" tap0
	is "$(configured)" '10.0.2.100/24 mtu 65520 10.0.2.2 tap0 1' \
		"$WHO: by a path, as root there"
	is "$(pod_net get "$PEER4" 9000 50000000)" OK '... works'
	s4_end
	s4 both -c --netns-type=path "--userns-path=/proc/$POD/ns/user" \
		"/proc/$POD/ns/net" tap0
	works "$WHO: by two paths, as the account"
	s4_end
	run_up word nsenter -t "$POD" -U --preserve-credentials "$S4" -c -r 3 \
		--netns-type=whatever "/proc/$POD/ns/net" tap0
	works "$WHO: an unknown type means a path"
	s4_end
	# others may be in the namespace of a process that ends
	nsenter -t "$POD" -U -n -- sleep 1000 &
	OTHER=$!
	SPAWNED+=("$OTHER")
	wait_for 20 sleeps "$OTHER"
	s4 stays -c "$POD" tap0
	target_end
	POD=$OTHER
	works "$WHO: its process has ended, not its namespace"
	check '... which is no end' kill -0 "$SUP"
	s4_end
	target_end
}
both spaces
target gone -Urn
s4 gone -c -6 "$POD" tap0
target_end
reap "$SUP"
is "$STATUS" 0 'with its namespace it ends'
leftovers spaces

# Where there is only one id, and nothing of the usual environment
target bare -Urn --map-root-user
spawn nothing "${IN_HOST[@]}" setpriv "--reuid=$ACCOUNT_UID" \
	"--regid=$ACCOUNT_GID" --clear-groups env -i "$MARK" sh -c \
	'cd / && exec "$@" 1>&- 3>"$0"' "$WORK/bare.ready" "$OURS" -c -r 3 "$POD" tap0
SUP=$PID
check 'without an environment, and without stdout' wait_for 20 has_route
is "$(cat "$WORK/bare.ready")" 1 '... it tells that it is ready, in a file'
rm "$WORK/bare.ready"
works 'without an environment, and without stdout'
s4_end
target_end

# ---- an interface that is there ----

# rootlesskit's: a TAP of one queue, no -c, addresses before or after
for when in before after; do
	target there -Urn
	AS_ROOT=(nsenter -t "$POD" -U -n --)
	"${AS_ROOT[@]}" sh -ec '
		ip tuntap add name tap0 mode tap
		ip link set lo up
		ip link set tap0 address 02:50:00:00:00:01 up'
	configure()
	{
		"${AS_ROOT[@]}" sh -ec "
			ip link set tap0 mtu 65520
			ip addr add $POD4/24 dev tap0
			ip route add default via $GW4"
	}
	[ $when = after ] || configure
	s4 there --mtu 65520 -a "$WORK/api" "$POD" tap0
	[ $when = before ] || configure
	is "$(mac_of_tap)" 02:50:00:00:00:01 "a TAP that is there keeps its MAC"
	works "... configured $when"
	is "$(pod_net get "$PEER4" 9000 100000000)" OK '... much'
	is "$(flow_path "$WORK/api" "$PEER4" 9000)" splice '... spliced'
	s4_end
	target_end
done
leftovers there

# a descriptor of one, without a namespace or a name (new in 1.3)
target tapfd -Urn
for data in splice slirp; do
	fail=()
	[ $data = splice ] || fail=(PODSPLICE_FAIL_HOP=nft)
	spawn tapfd "${AS_USER[@]}" "API=$WORK/api" "${fail[@]}" "$PY" \
		"$T/slirp4netns.py" tapfd "$OURS" -c "$POD"
	SUP=$PID
	check '--netns-type=tapfd' wait_for 20 grep -q ready "$T/tapfd.out"
	nsenter -t "$POD" -U -n -- sh -ec "
		ip link set lo up
		ip link set tap0 up
		ip addr add $POD4/24 dev tap0
		ip route add default via $GW4"
	works "... $data"
	[ $data = slirp ] ||
		is "$(flow_path "$WORK/api" "$PEER4" 9000)" splice '... spliced'
	s4_end
	is "$(tail -n 1 "$T/tapfd.out")" -15 '... ends'
done
s4_fg --netns-type=tapfd 0
like "$STATUS $ERR" '^1 .*tapfd 0: no TAP device' '... one that is none'
s4_fg --netns-type=tapfd x
like "$STATUS $ERR" '^1 .*tapfd must be a non-negative integer' '... no number'
target_end
leftovers tapfd

# ---- beginning and end ----

# engine SCENARIO: of slirp4netns.py, with the program and its target
engine()
{
	guard "${AS_USER[@]}" "API=$WORK/api" "$PY" "$T/slirp4netns.py" "$1" \
		"$S4" -c "$POD" tap0 2>"$T/engine.err" | sed 's/ *$//' |
		grep .
}

life()
{
	target life -Urn
	is "$(engine exit_fd)" '1, lives 0 1, lives 0' \
		"$WHO: one byte of readiness; ends with the exit descriptor"
	is "$(links_of_pod)" lo '... and leaves nothing'
	is "$(engine bad_fds)" '0 lives 0' \
		"$WHO: an exit descriptor that isn't open ends it, no other"
	is "$(engine nobody_reads)" 'lives 0' \
		"$WHO: nobody reads that it is ready"
	is "$(engine signals)" 'True True True True' "$WHO: ended by signals"
	check '... nothing of it is left' wait_for 20 links_are lo
	is "$(engine death_of_parent)" 'True lives True' \
		"$WHO: dies with its parent if that asked for it"
	check '... nothing of it is left' wait_for 20 links_are lo
	rm -f "$WORK/api"
	target_end
}
both life
S4=$OURS
target strays -Urn
is "$(engine strays)" "[b'', b'', b'']" 'what was left open is neither held nor used'

is "$(engine restarts)" 0 'the next needn'"'"'t wait for the end of one before'

# a second one
s4 first -c -a "$WORK/api" "$POD" tap0
s4_fg -c -a "$WORK/api" "$POD" tap0
like "$STATUS $ERR" '^1 .*Device or resource busy' 'a second one there'
works '... leaves the first alone'
is "$(flow_path "$WORK/api" "$PEER4" 9000)" splice '... and its socket'
kill -KILL "$SUP"
reap "$SUP"
check 'the next may come at once' s4 next -c -a "$WORK/api" "$POD" tap0
works '... and works'
s4_end
target_end
leftovers life
stop_spawned
finish
