#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podman's rootlessport: its configuration, descriptors, texts and socket, in a
# user namespace as rootless podman makes it, with clients on another host.
. "$(dirname "$0")/lib.sh"

install -m 755 "$LIB/rootlessport.py" "$T/"
ln -s podsplice "$T/rootlessport"
PORTS_BEFORE=$(ports_of_host)
TMP=$WORK/libpod/tmp
install -d -m 700 -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$WORK/libpod" "$TMP"

sleeps() # PID: all that is made before it sleeps is made
{
	[ "$(cat "/proc/$1/comm" 2>/dev/null)" = sleep ]
}

# The engine's namespaces: many ids, all capabilities, the host's network. They
# stay when a forwarder has gone.
STAYS=(env -u "${MARK%=*}")
spawn engine "${AS_USER[@]}" "${STAYS[@]}" unshare --user --map-auto \
	--map-root-user --mount sleep 1000
ENGINE=$PID
wait_for 20 sleeps "$ENGINE" || bail "no user namespace: $(cat "$T/engine.err")"
IN_ENGINE=(nsenter -t "$ENGINE" -U -m -n -- "${CLEAN_ENV[@]}")

# A container's network as slirp4netns leaves it: an address, a way out into
# nowhere.
spawn box "${IN_ENGINE[@]}" "${STAYS[@]}" unshare -n sleep 1000
POD=$PID
wait_for 20 sleeps "$POD" || bail "no container: $(cat "$T/box.err")"
in_pod sh -ec "
	ip link set lo up
	ip link add tap0 type veth peer name far
	ip link set far up
	ip link set tap0 up
	ip addr add $POD4/24 dev tap0
	ip route add default via $GW4" || bail "the container's network"
spawn server nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
spawn server81 nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 81 4 127.0.0.1
spawn server82 nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 82
spawn serverudp nsenter -t "$POD" -n -- "$PY" "$T/net.py" udp-serve 80
{ wait_port pod 80 && wait_port pod 81 && wait_port pod 82 &&
	wait_port pod 80 u; } || bail "the container's servers"

# map PORT MORE: one mapping
map()
{
	echo "{\"host_ip\":\"\",\"container_port\":80,\"host_port\":$1,\"range\":1,\"protocol\":\"tcp\"${2:+,$2}}"
}

# config MAPPINGS MORE: what podman says of the container
config()
{
	echo "{\"Mappings\":[$1],\"NetNSPath\":\"/proc/$POD/ns/net\",\"TmpDir\":\"$TMP\",\"ChildIP\":\"$POD4\",\"ContainerID\":\"c0ffee\",\"RootlessCNI\":false${2:+,$2}}"
}

told()
{
	grep -qE '^(failed|holds)' "$T/$1.out" 2>/dev/null || gone "$PID"
}

# rp NAME ARG...: rootlessport.py run, in the background. SAID: its first line,
# RP: podman in it, SUP: the product
rp()
{
	local name=$1
	shift
	spawn "$name" "${IN_ENGINE[@]}" "$PY" "$T/rootlessport.py" run \
		"$T/rootlessport" "$@"
	RP=$PID
	wait_for "$GUARD" told "$name"
	SAID=$(head -n 1 "$T/$name.out")
	SUP=$(echo "$SAID" | awk '{ print $2 }')
}

# starts NAME ARG...
starts()
{
	rp "$@"
	like "$SAID" '^ready [0-9]+ 1$' "$1: ready"
}

# ends NAME STATUS SIGNAL PID
ends()
{
	kill "-$3" "$4"
	reap "$RP"
	is "$(tail -n 1 "$T/$1.out")" "ended $2" "$1: ends on $3"
}

hangup() # NAME
{
	ends "$1" 0 USR1 "$RP"
}

listening() # PORT [u]: the address in the host's network
{
	in_host ss "-Hln${2:-t}" "sport = :$1" | awk '{ print $4 }' | paste -sd' '
}

reload() # PATH PACKET...
{
	guard "${IN_ENGINE[@]}" "$PY" "$T/rootlessport.py" reload "$@" 2>&1
}

# One container

starts plain "$(config "$(map 8080)")" --stray 5 6 8 251
is "$(sed -n 2p "$T/plain.out")" 'holds' \
	'no descriptor is held: stdout, stderr, those nobody told of'
is "$(listening 8080)" '*:8080' 'without an address: both families'
for host in "$HOST4" "$HOST6"; do
	is "$(peer_net get "$host" 8080 2000000)" OK "TCP from $host, down"
	is "$(peer_net put "$host" 8080 2000000)" OK '... up'
done
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
	"the server sees the client's address and port"
is "$(peer_net who "$HOST6" 8080)" "$POD4 other-port" \
	'... not one of the other family'
is "$(host_net who 127.0.0.1 8080)" "$POD4 other-port" '... not of loopback'
is "$(host_net who "$HOST4" 8080)" "$HOST4 same-port" \
	"... the host's own address"
is "$(find "$TMP" -mindepth 1)" '' 'no file is made'
is "$(for p in $(family "$SUP"); do
	[ "$p" = "$SUP" ] || sed -n 's/^\(CapEff\|CapBnd\):\t/\1 /p' \
		"/proc/$p/status" | paste -sd' '
done | sort)" 'CapEff 0000000000000000 CapBnd 0000000000000000
CapEff 0000000000002000 CapBnd 0000000000000000' \
	'the power of its processes: none, and CAP_NET_RAW'
is "$(in_pod ss -Hlntu | grep -cv ':8[0-2] ')" 0 "none of the container's ports is taken"
kill -USR2 "$RP"
is "$(peer_net get "$HOST4" 8080 1000)" OK 'data on the exit pipe: it goes on'
hangup plain
leftovers plain

starts fds "$(config "$(map 8080)" '"ExitFD":9,"ReadyFD":3')"
is "$(peer_net get "$HOST4" 8080 1000)" OK 'other descriptors'
ends fds 143 TERM "$SUP"
leftovers SIGTERM

starts killed "$(config "$(map 8080)")"
ends killed 137 KILL "$SUP"
leftovers SIGKILL

starts orphan "$(config "$(map 8080)")"
kill -KILL "$RP"
reap "$RP"
leftovers 'without its starter'

starts split "$(config "$(map 8080),$(map 8081 '"container_port":82')")" --split
is "$(peer_net get "$HOST4" 8081 1000)" OK 'a configuration that comes bytewise'
hangup split

starts blanks "$(config "$(map 8080)")" --size 8000000
hangup blanks

# Fields: what is listened on, and whether it is the container's

while IFS='|' read -r more want proto; do
	starts "$more" "$(config "$(map 8080 "$more")")"
	is "$(listening 8080 "$proto" | tr ' ' '\n' | sort | paste -sd' ')" \
		"$want" '... listens'
	hangup "$more"
done <<END
"host_ip":"0.0.0.0"|*:8080|t
"host_ip":"::"|*:8080|t
"host_ip":"$HOST4"|$HOST4:8080|t
"host_ip":"$HOST6"|[$HOST6]:8080|t
"host_ip":"127.0.0.1"|127.0.0.1:8080|t
"host_ip":"::1"|[::1]:8080|t
"protocol":"tcp4"|0.0.0.0:8080|t
"protocol":"tcp6"|[::]:8080|t
"protocol":"udp"|*:8080|u
"protocol":"udp","host_ip":"$HOST4"|$HOST4:8080|u
END

starts several "$(config "$(map 8080 '"range":3'),$(map 8090 '"protocol":"tcp,udp"')")"
is "$(for p in 8080 8081 8082 8083; do listening "$p"; done | paste -sd,)" \
	'*:8080,*:8081,*:8082,' 'a range'
is "$(peer_net get "$HOST4" 8082 1000)" OK '... its last port leads to the last'
like "$(peer_net connect "$HOST4" 8081)" 'ECONNRESET$' \
	'... one that nobody serves there'
is "$(peer_net get "$HOST4" 8090 1000)" OK 'two protocols: TCP'
is "$(peer_net udp "$HOST4" 8090)" "OK $PEER4" \
	"... and UDP, with the client's address"
is "$(peer_net udp "$HOST4" 8090 40000)" "OK $PEER4" '... in fragments'
is "$(host_net udp 127.0.0.1 8090)" "OK $POD4" '... not of loopback'
is "$(peer_net udp "$HOST6" 8090)" "OK $POD4" '... from IPv6'
hangup several

starts unnamed "$(config "$(map 8081 '"container_port":81')" '"ChildIP":""')"
is "$(peer_net get "$HOST4" 8081 1000)" OK "no ChildIP: the container's loopback"
hangup unnamed

starts ports "$(config '' '"Mappings":null')"
hangup ports

starts range "$(config "$(map 20000 '"range":2000,"container_port":1')")"
is "$(peer_net get "$HOST4" 20079 1000)" OK 'a range of 2,000 ports'
hangup range

ln -s "/proc/$POD/ns/net" "$WORK/ns"
starts path "$(config "$(map 8080)" "\"NetNSPath\":\"$WORK/ns\"")"
is "$(peer_net get "$HOST4" 8080 1000)" OK 'a namespace by path'
hangup path
rm "$WORK/ns"

# A container with a user namespace of its own (--userns keep-id)
spawn keepid "${IN_ENGINE[@]}" "${STAYS[@]}" unshare -Un sleep 1000
KEEPID=$PID
wait_for 20 sleeps "$KEEPID"
nsenter -t "$KEEPID" -n -- ip link set lo up
spawn keepidserver nsenter -t "$KEEPID" -n -- "$PY" "$T/net.py" serve 80
wait_for 20 listens nsenter -t "$KEEPID" -n -- ss -Hlnt 'sport = :80'
starts keepid-rp "$(config "$(map 8080)" "\"NetNSPath\":\"/proc/$KEEPID/ns/net\",\"ChildIP\":\"\"")"
is "$(peer_net get "$HOST4" 8080 1000)" OK 'a user namespace below'
hangup keepid-rp
kill "$KEEPID"
leftovers fields

# What is refused: one line on stdout, status 1, nothing left

# refuses TEXT ARG...: TEXT is all that stdout says
refuses()
{
	local want=$1
	shift
	rp refused "$@"
	reap "$RP"
	is "$(cat "$T/refused.out")" "failed 1 $want" "refused: $want"
}

spawn taken "${IN_HOST[@]}" "$PY" "$T/net.py" serve 8099
spawn takenudp "${IN_HOST[@]}" "$PY" "$T/net.py" udp-serve 8098
wait_port host 8099 && wait_port host 8098 u
START=$(in_host cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
refuses 'listen tcp 0.0.0.0:8099: bind: address already in use' \
	"$(config "$(map 8099)")"
refuses 'listen tcp 127.0.0.1:8099: bind: address already in use' \
	"$(config "$(map 8090),$(map 8099 '"host_ip":"127.0.0.1"')")"
refuses 'listen udp 0.0.0.0:8098: bind: address already in use' \
	"$(config "$(map 8096 '"range":5,"protocol":"udp"')")"
refuses 'listen tcp 0.0.0.0:8080: bind: address already in use' \
	"$(config "$(map 8080),$(map 8080)")"
refuses 'listen tcp 203.0.113.7:8080: bind: cannot assign requested address' \
	"$(config "$(map 8080 '"host_ip":"203.0.113.7"')")"
refuses 'listen tcp [2001:db8:77::1]:8080: bind: cannot assign requested address' \
	"$(config "$(map 8080 '"host_ip":"2001:db8:77::1"')")"
if [ "$START" -gt 80 ]; then
	refuses "cannot expose privileged port 80, you can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently $START), or choose a larger port number (>= $START): listen tcp 0.0.0.0:80: bind: permission denied" \
		"$(config "$(map 80)")"
else
	skip 'refused: a privileged port' "they begin below $START"
fi
refuses 'unknown proto: "sctp"' "$(config "$(map 8080 '"protocol":"sctp"')")"
refuses 'unknown proto: "sctp"' \
	"$(config "$(map 8080 '"protocol":"tcp,sctp"')")"
refuses 'invalid ParentIP: "nowhere"' \
	"$(config "$(map 8080 '"host_ip":"nowhere"')")"
refuses 'invalid ParentPort: 0' "$(config "$(map 0)")"
refuses 'invalid ChildPort: 0' "$(config "$(map 8080 '"container_port":0')")"
refuses 'invalid ChildIP: "nowhere"' \
	"$(config "$(map 8080)" '"ChildIP":"nowhere"')"
refuses 'missing NetNSPath' "$(config "$(map 8080)" '"NetNSPath":""')"
refuses 'missing ExitFD' "$(config "$(map 8080)" '"ExitFD":0')"
refuses 'missing ReadyFD' "$(config "$(map 8080)" '"ReadyFD":null')"
refuses 'invalid ExitFD' "$(config "$(map 8080)" '"ExitFD":7777')"
refuses 'invalid ReadyFD' "$(config "$(map 8080)" '"ReadyFD":2')"
refuses 'podsplice: /nowhere: there is no such file (give a process id, or the path of a network namespace)' \
	"$(config "$(map 8080)" '"NetNSPath":"/nowhere"')"
refuses 'podsplice: /etc/passwd: no network namespace (like /proc/PID/ns/net)' \
	"$(config "$(map 8080)" '"NetNSPath":"/etc/passwd"')"
refuses "podsplice: mkdir /nowhere/rp: No such file or directory" \
	"$(config "$(map 8080)" '"TmpDir":"/nowhere","RootlessCNI":true')"
refuses 'invalid ContainerID' \
	"$(config "$(map 8080)" '"ContainerID":"../x","RootlessCNI":true')"
refuses 'configuration: not a JSON object' --raw '[]'
refuses 'configuration: Argument list too long' --raw '{}' --size 20000000
for raw in '' '{' '{"Mappings":[{}' '{}{}' 'null' '{"NetNSPath":"\u0000"}' "$(printf '%05000d' 0 | tr 0 '[')"; do
	rp refused --raw "$raw"
	reap "$RP"
	like "$(cat "$T/refused.out")" $'^failed 1 configuration: [^\n]+$' \
		"refused: ${raw:0:20}"
done
rp word "$(config "$(map 8080)")" --word x
reap "$RP"
is "$(cat "$T/word.out" "$T/word.err")" \
	'failed 1 
too many arguments, rootlessport expects a json config via STDIN' \
	'refused: an argument'
# somebody else's namespace
refuses "podsplice: /proc/$HOLD/ns/net: can't be opened: Permission denied" \
	"$(config "$(map 8080)" "\"NetNSPath\":\"/proc/$HOLD/ns/net\"")"
rp unready "$(config "$(map 8080)")" --unready
reap "$RP"
is "$(cat "$T/unready.out")" 'failed 1 ' 'nobody waits for it: it ends'
stop_taken()
{
	[ -z "$(listening 8099)" ]
}
for p in $(in_host ss -Hlntup 'sport = :8099 or sport = :8098' |
	grep -o 'pid=[0-9]*' | tr -d 'pid='); do
	kill "$p"
done
wait_for 10 stop_taken
leftovers refusals

# A container with other networks, to whose addresses a reload may lead

in_pod sh -ec '
	ip link add eth1 type veth peer name far1
	ip link set far1 up
	ip link set eth1 up
	ip addr add 10.89.0.2/24 dev eth1
	ip addr add 10.88.0.3/24 dev eth1
	ip addr add fd89::3/64 dev eth1 nodad'
for server in '2 4 10.89.0.2' '3 4 10.88.0.3' '3 6 fd89::3'; do
	read -r number family address <<<"$server"
	spawn "banner-$address" nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve \
		90 "$family" "$address" "banner$number"
	wait_for 20 listens in_pod ss -Hlnt "src [$address]:90"
done
spawn plain91 nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 91
spawn udp90 nsenter -t "$POD" -n -- "$PY" "$T/net.py" udp-serve 90 6
{ wait_port pod 91 && wait_port pod 90 u; } || bail 'no more servers'
BRIDGE='"ChildIP":"10.89.0.2","RootlessCNI":true'
RELOAD=$TMP/rp/c0ffee

MORE='"container_port":90,"range":2,"protocol":"tcp,udp"'

starts bridge "$(config "$(map 8080 "$MORE")" "$BRIDGE")"
is "$(cat "$T/bridge.err")" "podsplice: clients' addresses are not kept with UDP: it has more than one address, and servers may answer from any" \
	'several addresses: UDP is told'
is "$(stat -c %a "$TMP/rp")" 700 'the directory of reload sockets'
check '... has one' test -S "$RELOAD"
is "$(peer_net banner "$HOST4" 8080)" banner2 'the first container'
is "$(peer_net who "$HOST4" 8081)" "$PEER4 same-port" \
	"the server sees the client's address and port"
is "$(peer_net udp "$HOST4" 8080)" 'OK ::ffff:10.89.0.2' '... not of UDP'
is "$(reload "$RELOAD" $'"10.88.0.3"\n')" OK 'a reload'
is "$(peer_net banner "$HOST4" 8080)" banner3 '... leads to the other one'
is "$(peer_net udp "$HOST4" 8080)" 'OK ::ffff:10.88.0.3' '... UDP'
is "$(peer_net who "$HOST4" 8081)" "$PEER4 same-port" \
	"... with the client's address"
is "$(reload "$RELOAD" '"fd89::3"')" OK 'a reload to another family'
for host in "$HOST4" "$HOST6"; do
	is "$(peer_net banner "$host" 8080)" banner3 "... works from $host"
done
is "$(peer_net who "$HOST6" 8081)" "$PEER6 same-port" \
	"... with the client's address"
is "$(peer_net udp "$HOST6" 8080)" 'OK fd89::3' '... UDP'
is "$(reload "$RELOAD" '"10.' '89.0.2"')" OK 'a reload in two packets'
is "$(peer_net banner "$HOST4" 8080)" banner2 '... works, too'
while IFS='|' read -r request answer; do
	like "$(reload "$RELOAD" "$request")" "$answer" "reload $request"
done <<'END'
"nowhere"|^rootless port failed to add port: invalid ChildIP: "nowhere"$
5|^rootless port failed to decode ports: not a string$
x|^rootless port failed to decode ports: .
{"execute":"x"}|^rootless port failed to decode ports: not a string$
END
like "$(reload "$RELOAD" "\"$(printf '%05000d' 0)\"")" \
	'^rootless port failed to decode ports: too long$' 'a long reload'
is "$(reload "$RELOAD")" 'rootless port failed to decode ports: EOF' \
	'a reload that says nothing'
is "$(peer_net banner "$HOST4" 8080)" banner2 '... and nothing has changed'
spawn silent "${IN_ENGINE[@]}" "$PY" -c '
import os, socket, sys, time
os.chdir(os.path.dirname(sys.argv[1]))
all = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(40)]
for s in all:
    s.connect(os.path.basename(sys.argv[1]))
open(sys.argv[2], "w")
time.sleep(1000)' "$RELOAD" "$WORK/silent"
wait_for 20 test -e "$WORK/silent"
is "$(reload "$RELOAD" '"10.88.0.3"')" OK '40 silent clients stop nobody'
kill "$PID"
is "$(peer_net banner "$HOST4" 8080)" banner3 '... the reload counts'
spawn held "${IN_PEER[@]}" "$PY" "$T/net.py" slow "$HOST4" 8081 20000000 1
held_is_there()
{
	[ "$(in_host ss -Htn state established 'sport = :8081')" ]
}
wait_for 20 held_is_there
is "$(reload "$RELOAD" '"10.89.0.2"')" OK 'a reload while a flow is open'
reap "$PID"
is "$(cat "$T/held.out")" OK '... which goes on'
OLD=$RP
mv "$RELOAD" "$RELOAD.old"
starts successor "$(config "$(map 8090)" "$BRIDGE")"
NEW=$RP RP=$OLD
hangup bridge
check 'the socket of a successor stays' test -S "$RELOAD"
RP=$NEW
is "$(reload "$RELOAD" '""')" OK '... and works'
hangup successor
check 'its own goes with it' test ! -e "$RELOAD"
rm -rf "$TMP/rp"

# a restarted container's may not have ended yet
starts first "$(config "$(map 8080)" "$BRIDGE")"
OLD=$RP
starts second "$(config "$(map 8090)" "$BRIDGE")"
NEW=$RP RP=$OLD
hangup first
RP=$NEW
is "$(reload "$RELOAD" '"10.88.0.3"')" OK 'the second of a name has the socket'
hangup second

DEEP=$WORK/$(printf '%0100d' 0)/$(printf '%0100d' 1)
install -d -m 777 "${DEEP%/*}" "$DEEP"
starts deep "$(config "$(map 8080)" "$BRIDGE,\"TmpDir\":\"$DEEP\"")"
is "$(reload "$DEEP/rp/c0ffee" '"10.88.0.3"')" OK \
	'a path longer than a socket may have'
hangup deep
rm -rf "$TMP/rp" "$DEEP"
leftovers bridge

# Clients' addresses: what it takes, and what happens without

is "$(in_pod ip rule | grep -c 0x7073)" 1 'one rule, after all of them'
is "$(in_pod nft list tables)" 'table inet podsplice' '... and one table'
in_pod nft delete table inet podsplice

starts noanswer "$(config "$(map 8080 '"container_port":91')" "$BRIDGE")"
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" 'a way back'
is "$(in_pod nft list tables)" '' '... without nftables when there is no UDP'
in_pod ip rule del fwmark 0x70730001
is "$(peer_net who "$HOST4" 8080)" '10.89.0.2 other-port' \
	'the way back is gone: it is served, as somebody else'
is "$(guard timeout 2 "${IN_PEER[@]}" "$PY" "$T/net.py" who "$HOST4" 8080)" \
	'10.89.0.2 other-port' '... and the next at once'
is "$(reload "$RELOAD" '"10.88.0.3"')" OK '... until a reload'
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" '... which mends it'
hangup noanswer

spawn behind "${IN_ENGINE[@]}" "${STAYS[@]}" unshare -n sleep 1000
BEHIND=$PID
wait_for 20 sleeps "$BEHIND"
in_pod ip link add eth2 type veth peer name eth0 netns "$BEHIND"
in_pod sh -ec 'ip link set eth2 up; ip addr add 10.90.0.1/24 dev eth2'
nsenter -t "$BEHIND" -n -- sh -ec '
	ip link set eth0 up
	ip addr add 10.90.0.2/24 dev eth0'
spawn serverbehind nsenter -t "$BEHIND" -n -- "$PY" "$T/net.py" serve 80
wait_for 20 listens nsenter -t "$BEHIND" -n -- ss -Hlnt 'sport = :80'
starts behind-rp "$(config "$(map 8080)" '"ChildIP":"10.90.0.2"')"
is "$(cat "$T/behind-rp.err")" "podsplice: clients' addresses are not kept: a server there: Cannot assign requested address" \
	'an address behind the namespace: told'
is "$(peer_net who "$HOST4" 8080)" '10.90.0.1 other-port' '... and served'
hangup behind-rp
kill "$BEHIND"

spawn limited "${AS_USER[@]}" "${STAYS[@]}" unshare -Urn sleep 1000
LIMITED=$PID
wait_for 20 sleeps "$LIMITED"
nsenter -t "$LIMITED" -n -- ip link set lo up
spawn serverlimited nsenter -t "$LIMITED" -n -- "$PY" "$T/net.py" serve 80
wait_for 20 listens nsenter -t "$LIMITED" -n -- ss -Hlnt 'sport = :80'
IN_ENGINE=("${IN_HOST[@]}" "${CLEAN_ENV[@]}")
starts root "$(config "$(map 8080)" \
	"\"NetNSPath\":\"/proc/$LIMITED/ns/net\",\"ChildIP\":\"\"")"
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
	"by root, into a user's namespace: with the client's address"
hangup root
leftovers addresses
finish
