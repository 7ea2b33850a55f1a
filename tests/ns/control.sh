#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --control, stats and flows: what is told about real flows is true, also when
# a process of the helper doesn't answer; and the socket's life as a file.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/control.sock
serve_peer 9000 || bail 'no server on the other host'

cat >"$T/ask.py" <<'END'
"""ask.py SOCK EXPR: prints EXPR, in which f, s, i are what flows, stats, info
return. ask.py SOCK raw TEXT: sends TEXT, half-closes, prints what comes."""
import json
import socket
import sys
import time


def ask(text):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(sys.argv[1])
    s.sendall(text.encode())
    s.shutdown(socket.SHUT_WR)
    out = b''
    while data := s.recv(65536):
        out += data
    return out.decode()


class Lazy(dict):
    def __missing__(self, key):  # KeyError: a builtin
        verb = {'f': 'flows', 's': 'stats', 'i': 'info'}[key]
        reply = json.loads(ask('{"execute": "%s"}' % verb))['return']
        assert reply['schema'] == 1
        self[key] = reply
        return reply


if sys.argv[2] == 'raw':
    print(ask(sys.argv[3]), end='')
else:
    print(eval('(' + sys.argv[2] + ')', Lazy(time=time)))
END

ask()
{
	guard "${AS_USER[@]}" "$PY" "$T/ask.py" "$SOCK" "$@" 2>&1 </dev/null
}

says()
{
	[ "$(ask "$1")" = "$2" ]
}

# soon EXPR WANT NAME: EXPR becomes WANT
soon()
{
	wait_for 20 says "$1" "$2"
	is "$(ask "$1")" "$2" "$3"
}

# a connection that a client holds open until it is killed, after some bytes
talk() # NAME HOST PORT BYTES VIA...
{
	local name=$1 host=$2 port=$3 bytes=$4
	shift 4
	spawn "$name" "$@" "$PY" -c "
import socket, time
s = socket.create_connection(('$host', $port))
print(s.getsockname()[1], flush=True)
s.sendall(b'hold\n' + b'x' * ($bytes - 5))
time.sleep(1000)"
	TALK=$PID
	wait_for "$GUARD" test -s "$T/$name.out" || note "$name: not connected"
	PORT=$(cat "$T/$name.out")
}

# The socket

pod main --control "$SOCK" -p 8080:80 -- \
	"$PY" "$T/net.py" serve 80 || bail 'the pod did not start'
IN_POD=(nsenter -t "$POD" -n --)
wait_port pod 80
is "$(stat -c '%F %a %u' "$SOCK")" "socket 600 $ACCOUNT_UID" \
	'the socket is for its owner only'
is "$(ask 'i["datapath"], i["datapath_reason"], i["network"]["address"]')" \
	"('splice', None, '$POD4')" 'info: the network'
is "$(ask 'i["pids"]["infra"]')" "$POD" "info: the pod's first process"
like "$(ask raw 'nonsense')" '^\{"error":\{"desc":".*"\}\}$' \
	'nonsense gets an error'
like "$(ask raw '{"execute":"info"}
{"execute":"nope"}
{"execute":"info"}')" '^\{"return".*
\{"error":\{"desc":"bad request: execute: no such verb: nope"\}\}
\{"return"' 'three requests, three answers, in order'

# The flows

is "$(ask 'f["flows"], f["incomplete"]')" '([], [])' 'no flow, none listed'
talk egress "$PEER4" 9000 1000000 "${IN_POD[@]}"
EGRESS=$TALK
soon '[(x["path"], x["direction"], x["pod"], x["remote"], x["state"],
	x["bytes_in"], x["bytes_out"], x["uid"]) for x in f["flows"]]' \
	"[('splice', 'egress', '$POD4:$PORT', '$PEER4:9000', 'open', 0, 1000000, 65534)]" \
	'a spliced egress flow: its ends and its bytes'
HOST_END=$(ask 'f["flows"][0]["host"]')
is "$(in_host ss -Htn dst "$PEER4:9000" | awk '{ print $4 }')" "$HOST_END" \
	'... and its end on the host, as ss has it'
is "$(ask '0 < f["flows"][0]["rtt_ms"] < 1000 and
	0 < f["flows"][0]["age"] < 60')" True '... its round trip and age'
talk ingress "$HOST4" 8080 5000 "${IN_PEER[@]}"
INGRESS=$TALK
soon '[(x["path"], x["pod"], x["remote"], x["host"], x["state"],
	x["bytes_in"], x["bytes_out"]) for x in f["flows"]
	if x["direction"] == "ingress"]' \
	"[('splice', '$POD4:80', '$PEER4:$PORT', '$HOST4:8080', 'open', 5000, 0)]" \
	'an ingress flow'
talk ingress6 "$HOST6" 8080 5000 "${IN_PEER[@]}"
soon '[(x["remote"], x["host"]) for x in f["flows"]
	if x["remote"][0] == "["]' "[('[$PEER6]:$PORT', '[$HOST6]:8080')]" \
	'... over IPv6'
kill "$TALK"
soon 'len(f["flows"])' 2 'a flow that ended is gone'
is "$(ask 's["flows"]["splice"]["open"], s["flows"]["splice"]["total"] >= 3')" \
	'(2, True)' 'stats has them, too'
is "$(ask 'sum(s["traffic"][p]["bytes_out"] for p in ("splice", "copy")),
	sum(s["traffic"][p]["bytes_in"] for p in ("splice", "copy"))')" \
	'(1000000, 10000)' '... and all the bytes, those of ended flows included'
kill "$EGRESS" "$INGRESS"
soon 'f["flows"]' '[]' 'no flow is left'
is "$(pod_net get "$PEER4" 9000 50000000)" OK 'a download of 50 MB'
like "$(ask 'sum(s["traffic"][p]["bytes_in"] for p in ("splice", "copy"))')" \
	'^50010000$' '... counted to the byte'

# half-closed, and one that waits for the host side
spawn half "${IN_POD[@]}" "$PY" -c "
import socket, time
s = socket.create_connection(('$PEER4', 9000))
s.sendall(b'slow 1000\n')
s.shutdown(socket.SHUT_WR)
time.sleep(1000)"
HALF=$PID
soon '[x["state"] for x in f["flows"]]' "['half-closed']" 'a half-closed flow'
kill "$HALF"
in_peer_net nft add table inet black '{
	chain in { type filter hook input priority 0;
		tcp dport 9999 drop; }; }' || note 'no nft'
spawn black "${IN_POD[@]}" "$PY" "$T/net.py" connect "$PEER4" 9999
BLACK=$PID
soon '[(x["remote"], x["state"]) for x in f["flows"]
	if x["state"] == "connecting"]' "[('$PEER4:9999', 'connecting')]" \
	'a flow whose remote does not answer'
kill "$BLACK"

# Errors

policy()
{
	ask 's["errors"]["policy"]'
}
refused()
{
	ask 's["errors"]["refused"]'
}
BEFORE=$(policy) REFUSED=$(refused)
is "$(pod_net connect "$DNS4" 9)" ECONNREFUSED 'a destination that is refused'
is "$(policy)" $((BEFORE + 1)) '... is counted as policy'
is "$(refused)" "$REFUSED" '... not as refused by a server'
is "$(pod_net connect "$PEER4" 9)" ECONNREFUSED 'a server that refuses'
is "$(refused)" $((REFUSED + 1)) '... is counted as refused'
in_peer nft -f - <<'END' || bail "the peer's rules"
table inet answers {
	chain input {
		type filter hook input priority 0;
		tcp dport 9109 reject with icmp prot-unreachable
	}
}
END
BEFORE=$(ask 's["errors"]["unreachable"]')
is "$(pod_net connect "$PEER4" 9109)" ENOPROTOOPT 'a host without TCP'
is "$(ask 's["errors"]["unreachable"]')" $((BEFORE + 1)) \
	'... is counted as unreachable'
in_peer nft delete table inet answers
BEFORE=$(ask 's["errors"]["source_lost"]')
is "$(host_net who 127.0.0.1 8080 | cut -d' ' -f1)" "$GW4" 'a loopback client'
is "$(ask 's["errors"]["source_lost"]')" $((BEFORE + 1)) \
	'... is counted as a lost source'
is "$(ask '[p for p in ("supervisor", "netstack", "portfwd", "maker")
	if not 100000 < s["memory"][p]["private"] < s["memory"][p]["rss"]]')" \
	'[]' 'every process tells its memory'
BEFORE=$(ask 's["dns"]["queries"]')
# nobody answers it
spawn query "${IN_POD[@]}" nslookup -retry=0 example.test "$DNS4"
soon "s['dns']['queries'] > $BEFORE" True 'DNS queries are counted'

# The verbs

talk verbs "$PEER4" 9000 2000 "${IN_POD[@]}"
soon 'sum(x["bytes_out"] for x in f["flows"] if x["state"] == "open")' 2000 \
	'one flow for the verbs'
verb flows --control "$SOCK"
like "$STATUS $OUT" "^0 DIRECTION .*egress +splice +$POD4:$PORT +$PEER4:9000" \
	'podsplice flows'
verb flows --json "--control=$SOCK"
is "$("$PY" -c 'import json, sys
d = json.load(sys.stdin)
print(sorted(d), [sorted(x) for x in d["flows"] if x["state"] == "open"])
' <<<"$OUT")" "['flows', 'incomplete', 'schema'] [['age', 'bytes_in', \
'bytes_out', 'direction', 'host', 'path', 'pod', 'proto', 'remote', 'rtt_ms', \
'state', 'uid']]" 'podsplice flows --json'
verb stats --control "$SOCK"
like "$STATUS $OUT" '^0 PATH .*splice .*errors: refused .*portfwd +[0-9]' \
	'podsplice stats'
verb stats --json --control "$SOCK"
is "$STATUS $("$PY" -c 'import json, sys
print(sorted(json.load(sys.stdin)))' <<<"$OUT")" "0 ['dns', 'errors', 'flows', \
'incomplete', 'memory', 'restarts', 'schema', 'state', 'state_reason', 'traffic']" \
	'podsplice stats --json'
kill "$TALK"
verb stats
like "$STATUS $ERR" '^125 podsplice: stats: .*--control' 'stats without a pod'
verb flows nosuch
is "$STATUS $ERR" \
	'125 podsplice: nosuch: no such container (podsplice ps -a)' \
	'flows of a container that is not there'
verb flows --control "$WORK/nobody"
like "$STATUS $OUT$ERR" '^125 podsplice: [^
]*no pod listens there[^
]*$' 'nobody there: one line'
for name in stats flows port exec; do
	verb "$name" --control ''
	is "$STATUS $OUT$ERR" '125 podsplice: --control: the path is empty' \
		"$name of an empty path"
done
is "$("${IN_HOST[@]}" setpriv --reuid=65534 --regid=65534 --clear-groups -- \
	"$PODSPLICE" stats --control "$SOCK" 2>&1)" \
	"podsplice: $SOCK: Permission denied" 'another user is kept out'

# A process that doesn't answer

PORTFWD=$(ask 'i["pids"]["portfwd"]') NETSTACK=$(ask 'i["pids"]["netstack"]')
kill -STOP "$PORTFWD"
is "$(ask "(lambda t: (s['incomplete'], s['flows']['splice']['open'],
	s['memory']['portfwd'], s['dns']['queries'] is not None,
	time.monotonic() - t < 5))(time.monotonic())")" \
	"(['portfwd'], None, None, True, True)" \
	'a stopped portfwd is named, the rest is told'
is "$(ask 'f["flows"], f["incomplete"]')" "([], ['portfwd'])" '... by flows, too'
verb stats --control "$SOCK"
like "$STATUS $ERR" '^0 podsplice: portfwd: no answer' '... and by the verb'
# many questions meanwhile fill no socket
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	spawn "many-$i" "${AS_USER[@]}" "$PODSPLICE" flows --control "$SOCK"
done
ask 's["incomplete"]' >/dev/null
kill -CONT "$PORTFWD"
soon 's["incomplete"] + f["incomplete"]' '[]' 'it answers again'
kill -STOP "$NETSTACK"
is "$(ask 's["incomplete"], s["flows"]["slirp"]["open"]')" \
	"(['netstack'], None)" 'a stopped netstack is named'
kill -CONT "$NETSTACK"
soon 's["incomplete"]' '[]' 'it answers again'

# A stopped supervisor doesn't stop the network
kill -STOP "$SUP"
spawn asks "${AS_USER[@]}" "$PODSPLICE" flows --control "$SOCK"
is "$(pod_net get "$PEER4" 9000 5000000)" OK 'the supervisor is stopped: traffic'
kill -CONT "$SUP"
soon 's["incomplete"]' '[]' '... continued: it answers'

# Many

spawn many "${IN_POD[@]}" "$PY" -c "
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
l = [socket.create_connection(('$PEER4', 9000)) for _ in range(2000)]
print(len(l), flush=True)
time.sleep(1000)"
MANY=$PID
wait_for "$GUARD" grep -q 2000 "$T/many.out"
soon 'len([x for x in f["flows"] if x["state"] == "open"])' 2000 \
	'2,000 flows are all listed'
is "$(ask 'len(set(x["pod"] for x in f["flows"]))' |
	"$PY" -c 'print(int(input()) >= 2000)')" True '... each once'
# while they come and go, every answer is whole
kill "$MANY"
for i in 1 2 3 4 5; do
	[ "$(ask 'f["incomplete"]')" = '[]' ] || not_ok 'an answer was cut short'
done
soon 'len([x for x in f["flows"] if x["state"] == "open"])' 0 'and gone'

# Two pods can't have one socket
run_user --control "$SOCK" -- true
like "$STATUS $ERR" '^125 podsplice: --control [^
]*: already in use[^
]*$' 'a second pod is refused the same socket'
is "$(ask 'f["incomplete"]')" '[]' '... which lives on'

# The end
pod_end
is "$(ls "$WORK")" '' 'the socket goes away with the pod'
leftovers control

# slirp

pod slirp --datapath slirp --control "$SOCK" -- sleep 1000 ||
	bail 'the pod did not start'
is "$(ask 'i["datapath"], i["datapath_reason"]')" \
	"('slirp', 'asked for with --datapath slirp')" 'slirp: info says why'
is "$(pod_net get "$PEER4" 9000 1000000)" OK 'slirp: a download'
is "$(ask 'f["flows"], s["flows"]["splice"]["total"],
	s["flows"]["slirp"]["total"] > 0,
	s["traffic"]["slirp"]["bytes_in"] > 1000000,
	s["traffic"]["slirp"]["packets_in"] > 100')" \
	'([], 0, True, True, True)' 'slirp: counted, not listed'
# killed: the socket stays, and the next pod takes its place
kill -KILL "$SUP"
reap "$SUP"
wait_for 10 no_process
is "$(stat -c %F "$SOCK")" socket 'a killed supervisor leaves its socket'
verb stats --control "$SOCK"
like "$STATUS $ERR" '^125 podsplice: [^
]*no pod listens there' '... where nobody listens'
pod next --control "$SOCK" -- sleep 1000 || bail 'the pod did not start'
is "$(ask 'f["flows"]')" '[]' '... and the next pod replaces it'
pod_end
is "$(ls "$WORK")" '' '... and removes it'

# Where it can't be made: one line, 125, nothing was started
touch "$WORK/file"
run_user --control "$WORK/file" -- true
like "$STATUS $ERR" '^125 podsplice: --control [^
]*/file: there is something else[^
]*$' 'a file in its place'
is "$(ls "$WORK")" file '... stays'
rm "$WORK/file"
run_user --control "$WORK/none/sock" -- true
like "$STATUS $ERR" '^125 podsplice: --control [^
]*: No such file or directory$' 'no such directory'
run_user --control /sys/sock -- true
like "$STATUS $ERR" '^125 podsplice: --control /sys/sock: [^
]*$' 'a directory that is not writable'
mkdir "$T/full"
in_host mount -t tmpfs -o nr_inodes=1,mode=1777 tmpfs "$T/full"
run_user --control "$T/full/sock" -- true
like "$STATUS $ERR" '^125 podsplice: --control [^
]*: No space left on device$' 'a full file system'
in_host umount "$T/full"
DEEP=$WORK/$(printf '%0150d' 1)
as_user mkdir "$DEEP"
pod deep --control "$DEEP/sock" -- sleep 1000 || bail 'the pod did not start'
verb flows --json --control "$DEEP/sock"
is "$STATUS $OUT" '0 {"schema":1,"flows":[],"incomplete":[]}' 'a long path'
pod_end
as_user rmdir "$DEEP" || not_ok 'the long path: something is left'

stop_spawned
leftovers 'the end'
finish
