#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# forward: ports that lead to an address, to a process's network namespace and
# to one that has a path, with clients on another host.
# shellcheck source=tests/ns/uplink_lib.sh
. "$(dirname "$0")/uplink_lib.sh"

install -m 644 "$LIB/attack.py" "$T/"
SOCKET=$WORK/control
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9001 4 || bail 'no UDP server there'
serve_peer_udp 9002 6 || bail 'no UDP server for IPv6 there'
spawn far "${IN_PEER[@]}" "$PY" "$T/net.py" serve 9003 6
wait_port peer 9003
PORTS_BEFORE=$(ports_of_host)

listening() # PORT: of the forwarder, or of nobody any more
{
	gone "$SUP" || [ "$(in_host ss -Hlntu "sport = :$1")" ]
}

answers() # it has its processes, and serves the control socket
{
	as_user "$PODSPLICE" stats --json --control "$SOCKET" \
		>"$T/stats.json" 2>/dev/null
}

# fwd NAME PORT ARG...: a forwarder, in the background; SUP: its process
fwd()
{
	local name=$1 port=$2
	shift 2
	spawn "$name" "${AS_USER[@]}" "$PODSPLICE" forward --control "$SOCKET" \
		"$@"
	SUP=$PID
	{ wait_for 20 listening "$port" && wait_for 20 answers; } ||
		bail "no forwarder: $(cat "$T/$name.err")"
}

stat_of() # EXPRESSION, of the stats
{
	answers
	"$PY" -c 'import json, sys
s = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$T/stats.json" "$1"
}

info_of() # EXPRESSION
{
	printf '{"execute":"info"}\n' | as_user "$PY" -c '
import json, socket, sys
c = socket.socket(socket.AF_UNIX)
c.connect(sys.argv[1])
c.sendall(sys.stdin.buffer.read())
i = json.loads(c.makefile().readline())["return"]
print(eval(sys.argv[2]))' "$SOCKET" "$1"
}

# nothing but what it needs
no_more_processes()
{
	is "$(family "$SUP" | wc -l)" 3 \
		"$1: supervisor, portfwd and maker, no TAP and no libslirp"
	is "$(info_of '[i["pids"]["netstack"], i["network"]]')" \
		'[None, None]' '... says who asks'
	is "$(stat_of 's["incomplete"]')" '[]' '... and nobody is missed'
}

transfers() # NAME PORT HOST...
{
	local name=$1 port=$2 host
	shift 2
	for host; do
		is "$(peer_net get "$host" "$port" 3000000)" OK \
			"$name: from $host, read"
		is "$(peer_net put "$host" "$port" 3000000)" OK '... and written'
	done
}

# To an address: host to host

fwd addr 8080 -p 8080:9000 -p 8081:9001/udp -p 8090-8092:9000-9002 "$PEER4"
transfers address 8080 "$HOST4" "$HOST6"
is "$(host_net get 127.0.0.1 8080 200000)" OK '... from the same host'
like "$(peer_net who "$HOST4" 8080)" "^$HOST4 " "... which the server sees"
is "$(peer_net get "$HOST4" 8090 20000)" OK '... the first of a range'
is "$(peer_net udp "$HOST4" 8081)" "OK $HOST4" '... UDP'
is "$(peer_net udp "$HOST6" 8081)" "OK $HOST4" '... from IPv6 to IPv4'
like "$(peer_net connect "$HOST4" 8091 2>&1)" 'reset|ECONNRESET' \
	'... a port without a server: a reset'
no_more_processes address
live address 9000 9001 "$(info_of 'i["pids"]["portfwd"]')"
verb port --control "$SOCKET" add 7100:9000
is "$(as_user "$PODSPLICE" port --json --control "$SOCKET" | "$PY" -c '
import json, sys
print({p["source"] for p in json.load(sys.stdin)["ports"]})')" "{'off'}" \
	"... a port added live keeps clients' addresses no more than the others"
verb port --control "$SOCKET" rm 7100:9000
is "$(netns_of "$SUP")" "$(in_host readlink /proc/self/ns/net)" \
	'... in no other network'
is "$(links_of_host)" "eth0@if${PEER_IFINDEX} lo " '... no device is made'
like "$(stat_of 's["errors"]["source_lost"]')" '^[1-9]' \
	'... the lost source addresses are counted'
like "$(as_user "$PODSPLICE" port --json --control "$SOCKET")" \
	"\"pod_addr\": *\"$PEER4\"" '... the target is listed'
for p in portfwd maker; do
	OLD=$(info_of "i['pids']['$p']")
	kill -KILL "$OLD"
	successor()
	{
		case $(info_of "i['pids']['$p']" 2>/dev/null) in
		"$OLD" | None | '') return 1 ;;
		esac
	}
	check "$p has a successor" wait_for 20 successor
	is "$(peer_net get "$HOST4" 8080 200000)" OK '... with the same ports'
done
up_end
is "$STATUS" 0 'SIGTERM ends it with status 0'
leftovers address

fwd addr6 8080 -p 8080:9003 -p 8081:9002/udp "$PEER6"
transfers 'an IPv6 address' 8080 "$HOST4" "$HOST6"
is "$(peer_net udp "$HOST4" 8081)" "OK $HOST6" '... UDP'
kill -INT "$SUP"
reap "$SUP"
is "$STATUS" 0 'SIGINT ends it with status 0'

mkfifo -m 666 "$T/stray"
# shellcheck disable=SC2016 # for the inner shell
spawn strays "${AS_USER[@]}" sh -c 'exec "$@" 6<>"$0" 8</dev/null' "$T/stray" \
	"$PODSPLICE" forward -p 8080:9000 "$PEER4"
SUP=$PID
check 'started with descriptors of others' wait_for 20 listening 8080
is "$(for p in $(family "$SUP"); do
	find "/proc/$p/fd" -lname "$T/stray"
done)" '' '... it has none of them'
up_end

fwd rude 8080 -p 8080:9000 "$PEER4"
kill -KILL "$SUP"
reap "$SUP"
leftovers 'a killed one'

# To a process: another user namespace, a network that is not connected

target proc -Urn
in_pod ip link set lo up
spawn inner nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
wait_port pod 80
spawn inner4 nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 81 4 127.0.0.1
spawn inner6 nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 82 6 ::1
spawn innerudp nsenter -t "$POD" -n -- "$PY" "$T/net.py" udp-serve 83 4
wait_port pod 81 && wait_port pod 82 && wait_port pod 83 u
fwd pid 8080 -p 8080-8082:80-82 -p 8083:83/udp "pid:$POD"
transfers process 8080 "$HOST4" "$HOST6"
for p in 8081 8082; do
	is "$(peer_net get "$HOST4" "$p" 20000)" OK \
		"... a server of one family, port $p, from IPv4"
	is "$(peer_net get "$HOST6" "$p" 20000)" OK '... and from IPv6'
done
is "$(peer_net udp "$HOST4" 8083)" 'OK 127.0.0.1' '... UDP'
no_more_processes process
live process 80 83 "$(info_of 'i["pids"]["portfwd"]')"
is "$(in_pod ip -o link | wc -l)" 1 '... no device is made there'
MAKER=$(info_of 'i["pids"]["maker"]')
is "$(netns_of "$MAKER")" "$(netns_of "$POD")" '... the maker is there'
is "$(grep -c '^Cap...:	0*$' "/proc/$MAKER/status")" 5 \
	'... without a capability'
p=maker OLD=$MAKER
kill -KILL "$MAKER"
check '... and has a successor' wait_for 20 successor
is "$(peer_net get "$HOST4" 8080 200000)" OK '... that works as well'
OLD=$POD
for p in $(family "$SUP"); do
	like "$(guard nsenter -t "$POD" -U -n -- "$PY" "$T/attack.py" \
		processes "$p" 2>&1)" '^tried [1-9][0-9]+$' \
		"the target's root has no way into $p"
done
kill "$OLD"
reap "$OLD"
reap "$SUP"
is "$STATUS" 0 'the end of the process ends it, with status 0'
leftovers process

# To a namespace with a path: the process's, and one of root's

target path -Urn
in_pod ip link set lo up
spawn inner nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
wait_port pod 80
ln -s "/proc/$POD/ns/net" "$WORK/path"
fwd path 8080 -p 8080:80 "netns:$WORK/path"
transfers path 8080 "$HOST4"
rm "$WORK/path"
reap "$SUP"
is "$STATUS" 0 'the end of the path ends it, with status 0'
target_end

EXTRA_NS+=("psf$$")
ip netns add "psf$$"
ip netns exec "psf$$" ip link set lo up
spawn inner ip netns exec "psf$$" "$PY" "$T/net.py" serve 80
wait_for 20 listens ip netns exec "psf$$" ss -Hlnt 'sport = :80'
spawn root nsenter "--net=/run/netns/$HOSTNS" -- "${CLEAN_ENV[@]}" "$PODSPLICE" forward -p 8080:80 \
	"netns:/run/netns/psf$$"
SUP=$PID
check "root's forwarder is there" wait_for 20 listening 8080
transfers "root's path" 8080 "$HOST4"
ip netns del "psf$$"
reap "$SUP"
is "$STATUS" 0 '... ends with it'
leftovers path

# To a unix socket: real servers, one that is not there, one that is busy

redis()
{
	spawn redis "${AS_USER[@]}" redis-server --port 0 --save '' \
		--unixsocket "$WORK/redis.sock" --dir "$WORK"
	REDIS=$PID
	wait_for 20 test -S "$WORK/redis.sock"
}

redis_cli()
{
	guard "${IN_PEER[@]}" redis-cli -h "$HOST4" -p 6380 "$@" 2>&1
}

pings()
{
	[ "$(redis_cli ping)" = PONG ]
}

redis || bail 'no redis'
fwd unix 6380 -p 6380:6379 "unix:$WORK/redis.sock"
is "$(redis_cli ping)" PONG 'redis on a unix socket'
is "$("${AS_USER[@]}" redis-cli -s "$WORK/redis.sock" info clients |
	sed -n 's/^connected_clients:\([0-9]*\).*/\1/p')" 1 \
	'... no connection is made ahead of need'
head -c 3000000 /dev/urandom | base64 >"$T/value"
redis_cli -x set key <"$T/value" >"$T/set"
is "$(cat "$T/set")" OK '... a long value'
is "$(redis_cli get key | sha256sum)" "$( (cat "$T/value"; echo) | sha256sum)" \
	'... comes back whole'
is "$(guard "${IN_PEER[@]}" redis-benchmark -h "$HOST4" -p 6380 -q -n 2000 \
	-c 40 -k 0 -t ping_mbulk 2>&1 | tr '\r' '\n' | grep -c 'per second')" 1 \
	'... 2,000 connections, 40 at once'
no_more_processes 'a unix socket'
verb port --control "$SOCKET" add 6390:6379
is "$STATUS $(guard "${IN_PEER[@]}" redis-cli -h "$HOST4" -p 6390 ping)" \
	'0 PONG' '... a port is added while it runs'
verb port --control "$SOCKET" rm 6390:6379
is "$STATUS $(peer_net connect "$HOST4" 6390)" '0 ECONNREFUSED' \
	'... and withdrawn'
verb port --control "$SOCKET" add 6391:53/udp
like "$STATUS $ERR" "^125 podsplice: .*UDP can't lead to a unix socket" \
	'... not a UDP port'
like "$(as_user "$PODSPLICE" port --json --control "$SOCKET")" \
	"\"pod_addr\": *\"unix:$WORK/redis.sock\"" '... it is listed'
MAKER=$(info_of 'i["pids"]["maker"]')
is "$(grep -c '^Seccomp:	2$' "/proc/$MAKER/status")" 1 \
	'... the maker is locked up'
kill "$REDIS"
reap "$REDIS"
like "$(peer_net connect "$HOST4" 6380 2>&1)" 'reset|ECONNRESET' \
	'... without its server: a reset'
redis
check '... and its successor is found' wait_for 10 pings
p=maker OLD=$MAKER
kill -KILL "$MAKER"
check '... a new maker' wait_for 20 successor
is "$(redis_cli ping)" PONG '... knows the path, too'
kill "$REDIS"
reap "$REDIS"
up_end
is "$STATUS" 0 '... SIGTERM ends it with status 0'

install -d -m 1777 "$WORK/www"
"$PY" -c 'import sys; sys.stdout.buffer.write(bytes(range(251)) * 80000)' \
	>"$WORK/www/big"
cat >"$WORK/nginx.conf" <<END
error_log $WORK/error.log;
pid $WORK/nginx.pid;
events { }
http {
	access_log off;
	client_body_temp_path $WORK/t1;
	proxy_temp_path $WORK/t2;
	fastcgi_temp_path $WORK/t3;
	uwsgi_temp_path $WORK/t4;
	scgi_temp_path $WORK/t5;
	client_max_body_size 0;
	server {
		listen unix:$WORK/nginx.sock;
		root $WORK/www;
		location /up/ { dav_methods PUT; create_full_put_path on; }
	}
}
END
spawn nginx "${AS_USER[@]}" nginx -g 'daemon off;' -c "$WORK/nginx.conf"
NGINX=$PID
wait_for 20 test -S "$WORK/nginx.sock" || bail 'no nginx'
fwd nginx 8080 -p 8080:80 "unix:$WORK/nginx.sock"
BIG=$(sha256sum <"$WORK/www/big")
for host in "$HOST4" "[$HOST6]"; do
	is "$(guard "${IN_PEER[@]}" curl -sS "http://$host:8080/big" |
		sha256sum)" "$BIG" "nginx on a unix socket, from $host: 20 MB"
done
guard "${IN_PEER[@]}" curl -sS -T "$WORK/www/big" "http://$HOST4:8080/up/big"
is "$(sha256sum <"$WORK/www/up/big")" "$BIG" '... and 20 MB uploaded'
kill "$NGINX"
reap "$NGINX"
up_end

# it accepts nothing until it is told to
cat >"$T/busy.py" <<'END'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(0)
sys.stdin.read(1)
while True:
    c, _ = s.accept()
    c.sendall(b'hello\n')
    c.close()
END
mkfifo "$T/go"
exec {GO}<>"$T/go"
"${AS_USER[@]}" "$PY" "$T/busy.py" "$WORK/busy.sock" <"$T/go" &
BUSY=$!
SPAWNED+=("$BUSY")
wait_for 20 test -S "$WORK/busy.sock"
fwd busy 8080 -p 8080:80 "unix:$WORK/busy.sock"
for i in 1 2 3 4 5 6; do
	spawn "wait$i" "${IN_PEER[@]}" "$PY" -c '
import socket, sys
print(socket.create_connection((sys.argv[1], 8080)).makefile().read())' "$HOST4"
done
all_wait()
{
	[ "$(in_host ss -Htn state established 'sport = :8080' | wc -l)" = 6 ]
}
check 'a server that accepts nothing: clients wait' wait_for 20 all_wait
echo >&"$GO"
all_served()
{
	[ "$(cat "$T"/wait?.out | grep -c hello)" = 6 ]
}
check '... and are served when it does' wait_for 20 all_served
is "$(guard "${IN_PEER[@]}" "$PY" -c '
import socket, sys
print({socket.create_connection((sys.argv[1], 8080)).makefile().read()
       for _ in range(500)})' "$HOST4" 2>&1)" "{'hello\\n'}" \
	'... one that speaks and closes at once is heard, 500 times'
exec {GO}>&-
kill "$BUSY"
up_end
rm -f "$WORK"/*.sock
leftovers 'unix sockets'

# What it refuses

fails_to() # REGEX ARG...: one line, no more, and the status of failure
{
	local regex=$1
	shift
	timeout -k 5 "$GUARD" "${AS_USER[@]}" "$PODSPLICE" forward "$@" \
		>"$T/fail.out" 2>"$T/fail.log" </dev/null
	STATUS=$?
	like "$STATUS:$(cat "$T/fail.out" "$T/fail.log")" \
		"^125:podsplice: $regex\$" "forward $*"
}

fails_to 'forward: nothing to forward .*' "$PEER4"
fails_to 'forward: one target, not none .*' -p 8080:80
fails_to 'forward: one target, not several .*' -p 8080:80 "$PEER4" "$PEER4"
fails_to 'forward: nowhere: no target .*' -p 8080:80 nowhere
fails_to "forward: 0.0.0.0: can't be connected to .*" -p 8080:80 0.0.0.0
fails_to 'pid:x: not a process id' -p 8080:80 pid:x
fails_to '4194304: there is no such process .*' -p 8080:80 pid:4194304
fails_to '/nowhere: there is no such file .*' -p 8080:80 netns:/nowhere
fails_to "process $HOLD: not ours to look into .*" -p 8080:80 "pid:$HOLD"
fails_to "$PEER4.*UDP can't lead to a unix socket.*" \
	-p "$PEER4:80:80/udp" unix:/nowhere
fails_to 'unix: the path is empty' -p 8080:80 unix:
spawn taken "${IN_HOST[@]}" "$PY" "$T/net.py" serve 8099
wait_port host 8099
fails_to '.*8099/tcp: address already in use.*' -p 8099:80 "$PEER4"
kill "$PID"
reap "$PID"
leftovers refusals
finish
