#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ports that are published and withdrawn while a pod runs: by the verb, by our
# control verbs and by slirp4netns'; what open flows notice; ranges; several
# writers, and clients of the socket that behave badly.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/control.sock
# what the host itself uses is none of the ranges below, from the beginning
in_host_net sysctl -qw net.ipv4.ip_local_port_range='62000 65535'

cat >"$T/ctl.py" <<'END'
"""ctl.py SOCK CODE: runs CODE, in which
    raw(TEXT)            what comes for TEXT and a half-close
    ask(VERB, **ARGS)    the reply, decoded
    add(SPEC)            the id, or the error's text
    rm(**ARGS)           'OK' or the error's text
    ids()                of all that is published
    connect()            a connected socket"""
import json
import socket
import sys
import threading
import time


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(50)
    s.connect(sys.argv[1])
    return s


def raw(text):
    with connect() as s:
        s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
        out = b''
        while data := s.recv(65536):
            out += data
    return out.decode()


def ask(verb, **args):
    return json.loads(raw(json.dumps({'execute': verb, 'arguments': args})))


def desc(reply):
    return reply['error']['desc']


def add(spec):
    r = ask('add_port', spec=spec)
    return r['return']['ports'][0]['id'] if 'return' in r else desc(r)


def rm(**args):
    r = ask('remove_port', **args)
    return 'OK' if 'return' in r else desc(r)


def ports():
    return ask('ports')['return']['ports']


def ids():
    return [p['id'] for p in ports()]


exec(sys.argv[2])
END

ctl()
{
	guard "${AS_USER[@]}" "$PY" "$T/ctl.py" "$SOCK" "$@" 2>&1 </dev/null
}

# n_fds PID, private_kb PID
n_fds()
{
	find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

private_kb()
{
	awk '/^Private/ { kb += $2 } END { print kb }' \
		"/proc/$1/smaps_rollup"
}

pid_of() # ROLE
{
	ctl "print(ask('info')['return']['pids']['$1'])"
}

n_listen() # FIRST LAST: TCP listeners of the host
{
	in_host ss -Hlnt "sport >= :$1 and sport <= :$2" | wc -l
}

pod main --name main --control "$SOCK" -p 8080:80 -- sh -c \
	"$PY $T/net.py serve 80 & exec $PY $T/net.py serve 81" ||
	bail 'the pod did not start'
wait_port pod 80
wait_port pod 81
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" 'a port of the start'

# One port

verb port main add 8081:81
is "$STATUS" 0 'port add'
like "$OUT" '2 +tcp +:: +8081 +10\.0\.2\.100 +81 +1 +keep +0' \
	'... prints what it is'
is "$(peer_net who "$HOST4" 8081)" "$PEER4 same-port" \
	'... it is served, with the address of the client'
is "$(peer_net who "$HOST6" 8081)" "$PEER6 same-port" '... over IPv6, too'
verb ps --json
like "$OUT" '"host_port":8081' '... and ps knows it'
verb port main add 80
is "$STATUS" 0 'port add, without a host port'
FREE=$(echo "$OUT" | awk '$1 == 3 { print $4 }')
is "$(peer_net who "$HOST4" "$FREE")" "$PEER4 same-port" \
	'... is served on the port that it prints'
verb port --control "$SOCK" rm "$FREE:80"
is "$STATUS $OUT$ERR" '0 ' 'port rm by that host port, over --control'
is "$(peer_net connect "$HOST4" "$FREE")" ECONNREFUSED '... and it is gone'

# Conflicts and mistakes change nothing

spawn other "${AS_USER[@]}" "$PY" "$T/net.py" serve 8090
wait_port host 8090
verb port main add 8085-8095:5085-5095
is "$STATUS" 125 'a range with a taken port'
like "$ERR" "^podsplice: main: \*:8090/tcp: address already in use \(by [0-9]+ python3" \
	'... names the owner'
is "$(n_listen 8080 8100)" 3 '... and leaves none of its ports bound'
verb port main add 8081:80
like "$ERR" 'address already in use \(by [0-9]+ podsplice' \
	'a port of our own is as taken as any'
verb port main add nonsense
is "$STATUS $ERR" "125 podsplice: nonsense: 'nonsense' is no pod port" \
	'a SPEC that is none'
verb port main rm 9999:80
like "$STATUS $ERR" '^125 podsplice: main: 9999:80: not published$' \
	'rm of what is not there'
verb port main rm 77
like "$STATUS $ERR" '^125 podsplice: main: id 77: not published$' \
	'rm of an id that is not there'
verb port main add
is "$STATUS $ERR" '125 podsplice: port add: one SPEC, please' 'add of nothing'
verb port main --drop
is "$STATUS $ERR" '125 podsplice: port: --drop goes with rm' '--drop alone'
for args in '' ',"spec":5' ',"spec":"80","id":2' ',"id":2,"drop":"yes"'; do
	like "$(ctl "print(raw('{\"execute\":\"remove_port\",\"arguments\":{\"x\":1$args}}'))")" \
		'^\{"error":\{"desc":"bad request: remove_port: ' \
		"remove_port with {$args} is refused"
done
like "$(ctl 'print(ask("add_port", spec="80/sctp"))')" 'bad request: add_port' \
	'add_port: a SPEC that is none'
is "$(ctl 'print(ids())')" '[1, 2]' 'nothing has changed'

# Open flows

held keep 8081
verb port main rm 2
is "$STATUS" 0 'port rm by id'
is "$(peer_net connect "$HOST4" 8081)" ECONNREFUSED \
	'... the port refuses from then on'
let_go keep
is "$HELD" 'still open' '... an open connection lives on'
is "$(ctl 'print(add("8081:81"))')" 4 'ids are not used again'
held dropped 8081
verb port main rm --drop 8081:81
let_go dropped
is "$HELD" ECONNRESET 'port rm --drop resets open connections'
for _ in $(seq 20); do
	ctl 'print(add("8081:81"), rm(spec="8081:81"))'
done >"$T/loop.txt"
is "$(awk '$2 == "OK"' "$T/loop.txt" | wc -l)" 20 \
	'who has removed a port can have it again at once, 20 times'

# Counters

is "$(ctl 'print(add("8082:81,max=1"))')" 25 'a port with a limit'
is "$(peer_net get "$HOST4" 8082 1000000)" OK '... a download'
held one 8082
like "$(peer_net connect "$HOST4" 8082)" 'ECONNRESET$' \
	'... one client too many is reset'
is "$(host_net who 127.0.0.1 8080)" "$GW4 other-port" \
	'a client on loopback is the gateway'
is "$(ctl 'p = {p["id"]: p for p in ports()}
print(p[25]["flows"], p[25]["bytes_out"], p[25]["errors"], p[25]["source_lost"])
print(p[1]["flows"], p[1]["errors"], p[1]["source_lost"])')" \
	"1 1000000 1 {'n': 0, 'why': None}
0 0 {'n': 1, 'why': 'loopback or link-local client'}" \
	'port --json counts flows, bytes, errors, and lost addresses'
let_go one
is "$HELD" 'still open' '...'
ctl 'rm(id=25)'

# UDP

spawn udp nsenter -t "$POD" -n -- "$PY" "$T/net.py" udp-serve 53
wait_port pod 53 u
is "$(ctl 'print(add("5353:53/udp"))')" 26 'a UDP port'
like "$(peer_net udp "$HOST4" 5353)" '^OK' '... is served'
is "$(ctl 'print([(p["proto"], p["flows"], p["bytes_in"] > 0, p["bytes_out"] > 0)
	for p in ports() if p["id"] == 26])')" "[('udp', 1, True, True)]" \
	'... and counted'
is "$(ctl 'print(rm(spec="5353:53/udp"), add("5353:53/udp"), rm(id=27))')" \
	'OK 27 OK' '... and can be had again at once'
is "$(in_host ss -Hlnu 'sport = :5353')" '' '... and goes'

# slirp4netns' verbs

hostfwd='"proto":"tcp","host_addr":"0.0.0.0","host_port":8083'
is "$(ctl "print(raw('{\"execute\":\"add_hostfwd\",\"arguments\":{$hostfwd,\"guest_addr\":\"\",\"guest_port\":81}}'), end='')")" \
	'{"return":{"id":28}}' 'add_hostfwd'
is "$(peer_net who "$HOST4" 8083)" "$PEER4 same-port" '... is served'
is "$(ctl 'r = ask("list_hostfwd")
print(r["entries"] == r["return"]["entries"], r["entries"][-1])')" \
	"True {'id': 28, 'proto': 'tcp', 'host_addr': '0.0.0.0', 'host_port': 8083, 'guest_addr': '10.0.2.100', 'guest_port': 81}" \
	'list_hostfwd: entries in both places'
like "$(ctl 'print(desc(ask("add_hostfwd", proto="tcp", host_port=8083,
	guest_port=81)))')" \
	'^bad request: add_hostfwd: slirp_add_hostfwd failed: 0\.0\.0\.0:8083/tcp: address already in use \(by ' \
	'... a conflict'
is "$(ctl 'print(ask("remove_hostfwd", id=28))')" "{'return': {}}" \
	'remove_hostfwd'
is "$(ctl 'good = dict(proto="tcp", host_addr="0.0.0.0", host_port=8083,
	guest_addr="10.0.2.100", guest_port=81)
for bad in (dict(proto="sctp"), dict(proto=None), dict(host_addr="::1"),
	    dict(host_port=0), dict(host_port=88083), dict(guest_addr="x"),
	    dict(guest_addr="127.0.0.1"), dict(guest_port="81")):
	print(desc(ask("add_hostfwd", **{**good, **bad})).split()[-1])
print(desc(ask("remove_hostfwd", id=28)), desc(ask("remove_hostfwd")), sep="\n")')" \
	'arguments.proto
arguments.proto
arguments.host_addr
arguments.host_port
arguments.host_port
arguments.guest_addr
arguments.guest_addr
arguments.guest_port
bad request: remove_hostfwd: bad arguments.id
bad request: remove_hostfwd: bad arguments.id' 'bad arguments, one by one'
is "$(ctl 'print(ids())')" '[1]' '... have changed nothing'

# Many writers, and clients that behave badly

is "$(ctl 'out = []
def one(i):
	for k in range(5):
		a = add("%d:81" % (8300 + i))
		out.append(type(a) is int and rm(id=a))
	out.append(type(add("%d:81" % (8300 + i))) is int)
	# all of them want this one
	out.append(("same", type(add("8400:81")) is int))
t = [threading.Thread(target=one, args=(i,)) for i in range(10)]
[x.start() for x in t]
[x.join() for x in t]
print(out.count("OK"), out.count(True), out.count(("same", True)),
      len(set(ids())), len(ids()))')" '50 10 1 12 12' \
	'10 writers at once: each gets its own, one gets what all want'
is "$(n_listen 8300 8400)" 11 '... as the kernel has it'
is "$(ctl '[rm(id=i) for i in ids() if i > 1]
print(ids())')" '[1]' '... and all go'
is "$(ctl 'half = [connect() for _ in range(8)]
[s.sendall(b"{\"execute\":\"add_port\",\"arguments\":{\"spec\":\"85") for s in half]
mute = [connect() for _ in range(8)]
for s in mute:  # asks a lot and never reads
	s.settimeout(0.2)
	try:
		for _ in range(200000):
			s.sendall(b"{\"execute\":\"ports\"}\n")
	except OSError:
		pass
long = connect()
try:
	long.sendall(b"{\"execute\":\"add_port\",\"arguments\":{\"spec\":\"" + b"8" * 100000)
except OSError:
	pass
print(type(add("8500:81")) is int, rm(spec="8500:81"), ids())
print(b"too long" in long.recv(1000))')" "True OK [1]
True" 'half requests, a flood, and clients that never read: others are served'
is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" '... and so is traffic'
is "$(ctl 'print(ids())')" '[1]' '... and half a request has changed nothing'

# A large range

SUPERVISOR=$(pid_of supervisor) PORTFWD=$(pid_of portfwd)
ctl 'print(rm(id=add("30000-30999:20000-20999")))' >"$T/warm.txt"
FDS=$(n_fds "$SUPERVISOR") FDS_PORTFWD=$(n_fds "$PORTFWD")
KB=$(($(private_kb "$SUPERVISOR") + $(private_kb "$PORTFWD")))
spawn last nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 24999
wait_port pod 24999
held range 8080
like "$(ctl 'print(add("10000-14999:20000-24999"))')" '^[0-9]+$' \
	'5,000 ports, live'
is "$(n_listen 10000 14999)" 5000 '... listen'
is "$(ctl 'print([(p["count"], p["host_port"], p["pod_port"]) for p in ports()])')" \
	'[(1, 8080, 80), (5000, 10000, 20000)]' '... and are one entry'
is "$(peer_net who "$HOST4" 14999)" "$PEER4 same-port" \
	'... the last of them is served'
like "$(peer_net connect "$HOST4" 10000)" 'ECONNRESET$' \
	'... the first one, on which nobody listens, resets'
like "$(ctl 'print(add("14999-15100:30000-30101"))')" 'address already in use' \
	'... a range that overlaps is refused'
is "$(n_listen 15000 15100)" 0 '... whole'

# A new portfwd

ctl 'rm(id=add("8600:81")); add("8601:81")' >"$T/before.txt"
BEFORE=$(ctl 'print(ids())')
kill -KILL "$PORTFWD"
portfwd_is_new()
{
	PORTFWD=$(pid_of portfwd)
	[ "$PORTFWD" != None ] && [ "$PORTFWD" != "$1" ]
}
wait_for "$GUARD" portfwd_is_new "$PORTFWD"
let_go range
is "$HELD" ECONNRESET 'a killed portfwd: its flows are reset'
is "$(ctl 'print(ids())')" "$BEFORE" '... all that was published still is'
is "$(peer_net who "$HOST4" 14999)" "$PEER4 same-port" '... the large range'
is "$(peer_net who "$HOST4" 8601)" "$PEER4 same-port" '... a port added live'
is "$(peer_net connect "$HOST4" 8600)" ECONNREFUSED '... none that was removed'

# While portfwd says nothing

kill -STOP "$PORTFWD"
like "$(ctl 'r = ask("add_port", spec="8700:81")["return"]
print(r["incomplete"], r["ports"][0]["flows"])
print(ask("ports")["return"]["incomplete"], ask("remove_port",
	spec="8601:81")["return"]["incomplete"])')" \
	"^\['portfwd'\] None
\['portfwd'\] \['portfwd'\]$" 'a stopped portfwd: changes are taken, and say so'
kill -CONT "$PORTFWD"
is "$(peer_net who "$HOST4" 8700)" "$PEER4 same-port" \
	'... it makes them when it goes on'
wait_for "$GUARD" eval '[ "$(n_listen 8601 8601)" = 0 ]'
is "$(n_listen 8601 8601)" 0 '... all of them'

# What is left

ctl 'print([rm(id=i) for i in ids() if i > 1])' >"$T/after.txt"
is "$(n_listen 8081 15100)" 1 'after removing all, nothing listens but the other'
is "$(n_fds "$SUPERVISOR")" "$FDS" '... the supervisor has no descriptor of it'
# its reserve of sockets varies
check '... nor has portfwd' test "$(n_fds "$PORTFWD")" -le $((FDS_PORTFWD + 64))
NOW=$(($(private_kb "$SUPERVISOR") + $(private_kb "$PORTFWD")))
check "... nor memory ($KB KiB before, $NOW KiB after)" \
	test "$NOW" -le $((KB + 1024))

# More than the socket to a portfwd that says nothing takes

LIMIT=$(in_host sh -c 'ulimit -Hn')
if [ "$LIMIT" -ge 16000 ]; then
	kill -STOP "$PORTFWD"
	is "$(ctl 'r = ask("add_port", spec="20000-31999:20000-31999")["return"]
print(r["incomplete"], r["ports"][0]["flows"])
print(ask("ports")["return"]["incomplete"],
      ask("add_port", spec="8081:81")["return"]["incomplete"],
      ask("remove_port", spec="8081:81")["return"]["incomplete"])')" \
		"['portfwd'] None
['portfwd'] ['portfwd'] ['portfwd']" \
		'12,000 ports for a stopped portfwd: who asks is told that'
	kill -CONT "$PORTFWD"
	all_told()
	{
		[ "$(ctl 'print(ask("ports")["return"]["incomplete"])')" = '[]' ]
	}
	check '... it takes them when it goes on' wait_for "$GUARD" all_told
	is "$(peer_net connect "$HOST4" 8081)" ECONNREFUSED \
		'... and what was removed is gone'
	is "$(ctl 'print([rm(id=i) for i in ids() if i > 1], ids())')" \
		"['OK'] [1]" '... all can be removed'
else
	skip '12,000 ports for a stopped portfwd' "$LIMIT are allowed here"
fi

# More than there are descriptors for

if [ "$LIMIT" -lt 42000 ]; then
	like "$(ctl 'print(add("20000-61999:20000-61999"))')" \
		'too many open files' 'more ports than descriptors'
	is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
		'... changes nothing'
else
	skip 'more ports than descriptors' "$LIMIT are allowed here"
fi

pod_end
stop_spawned
leftovers 'afterwards'
finish
