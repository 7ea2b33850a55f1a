#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -P: what the pod listens on is published while it does, on the same port or
# on a free one, and what can't be reached isn't; beside -p; bounded, whatever
# the pod's root does; with run and uplink.
. "$(dirname "$0")/uplink_lib.sh"

PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/control.sock

# "POD/PROTO>HOST", sorted; those of the same port without >HOST
ports()
{
	guard "${AS_USER[@]}" "$PODSPLICE" port --json --control "$SOCK" | "$PY" -c '
import json, sys
print(*sorted("%d/%s" % (p["pod_port"], p["proto"]) +
    (">%d" % p["host_port"] if p["host_port"] != p["pod_port"] else "")
    for p in json.load(sys.stdin)["ports"]))'
}

# shellcheck disable=SC2317 # by wait_for
ports_are() # TEXT
{
	[ "$(ports)" = "$1" ]
}

soon() # TEXT NAME
{
	wait_for 20 ports_are "$1"
	is "$(ports)" "$1" "$2"
}

# ADDR PORT...: a process in the pod that listens there, by TCP, or
# where PORT is PORTu by UDP; answers who asks with the address it sees
cat >"$WORK/listen.py" <<'PY'
import select, socket, sys
socks = []
for addr, port in zip(sys.argv[1::2], sys.argv[2::2]):
    udp = port.endswith('u')
    s = socket.socket(socket.AF_INET6 if ':' in addr else socket.AF_INET,
                      socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    if ':' in addr:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, int(port.rstrip('u'))))
    if not udp:
        s.listen()
    socks.append(s)
print('listening', flush=True)
while True:
    for s in select.select(socks, [], [])[0]:
        if s.type == socket.SOCK_DGRAM:
            s.sendto(b'x', s.recvfrom(100)[1])
            continue
        c, peer = s.accept()
        c.sendall(peer[0].encode())
        c.close()
PY
cat >"$WORK/seen.py" <<'PY'
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
    print(s.recv(100).decode())
except OSError as e:
    print(type(e).__name__)
PY

listen() # NAME ADDR PORT...
{
	local name=$1
	shift
	spawn "$name" nsenter -t "$POD" -n -- "$PY" "$WORK/listen.py" "$@"
	wait_for 20 grep -qs listening "$T/$name.out"
}

portfwd() # its pid
{
	as_user "$PY" -c "
import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect('$SOCK')
s.sendall(b'{\"execute\": \"info\"}\\n')
print(json.loads(s.makefile().readline())['return']['pids']['portfwd'])"
}

stop() # PID
{
	kill "$1"
	reap "$1"
}

seen() # HOST PORT
{
	guard "${IN_PEER[@]}" "$PY" "$WORK/seen.py" "$@"
}

spawn taken "${IN_HOST[@]}" "$PY" "$T/net.py" serve 6000
wait_port host 6000
pod all -P --control "$SOCK" -p 8080:80 -- sleep 1000 || bail 'no pod'
is "$(ports)" 80/tcp\>8080 'nothing but what -p says: nobody listens'

listen web 0.0.0.0 80 0.0.0.0 7000
WEB=$PID
soon '7000/tcp 80/tcp>8080' 'a server is published, but not twice'
is "$(seen "$HOST4" 7000)" "$PEER4" '... and sees its client'
listen six :: 7001 "$POD6" 7002 "$POD4" 7003
SIX=$PID
soon '7000/tcp 7001/tcp 7002/tcp 7003/tcp 80/tcp>8080' \
	"IPv6, and the pod's own addresses"
is "$(seen "$HOST6" 7001) $(seen "$HOST6" 7002) $(seen "$HOST4" 7003)" \
	"$PEER6 $PEER6 $PEER4" '... and each sees its client'
stop "$SIX"
soon '7000/tcp 80/tcp>8080' 'what has ended is withdrawn'
is "$(seen "$HOST6" 7001)" ConnectionRefusedError '... and refused'

listen hidden 127.0.0.1 7004 ::1 7005 127.0.0.1 7006u 0.0.0.0 40000u \
	0.0.0.0 7007u :: 40001
HIDDEN=$PID
soon '40001/tcp 7000/tcp 7007/udp 80/tcp>8080' \
	"UDP, but no client's port; nothing on the loopback"
stop "$HIDDEN"
soon '7000/tcp 80/tcp>8080' '... all withdrawn'

listen other 0.0.0.0 6000 0.0.0.0 443
OTHER=$PID
# shellcheck disable=SC2317 # by wait_for
two_elsewhere()
{
	[[ $(ports) =~ ^443/tcp\>([0-9]+)\ 6000/tcp\>([0-9]+)\ 7000/tcp ]]
}
check "one that is taken on the host, one below 1024: on others" \
	wait_for 20 two_elsewhere
two_elsewhere
is "$(seen "$HOST4" "${BASH_REMATCH[1]}") $(seen "$HOST4" "${BASH_REMATCH[2]}")" \
	"$PEER4 $PEER4" '... which port tells'
stop "$OTHER"

# An open flow outlives its listener
spawn echo nsenter -t "$POD" -n -- "$PY" -c "
import socket
s = socket.create_server(('', 7010))
c, _ = s.accept()
s.close()
print('closed', flush=True)
c.sendall(c.recv(10))
"
ECHO=$PID
soon '7000/tcp 7010/tcp 80/tcp>8080' 'a server of one client'
mkfifo "$T/go"
spawn client "${IN_PEER[@]}" "$PY" -c "
import socket
s = socket.create_connection(('$HOST4', 7010))
open('$T/go').read()
s.sendall(b'hello')
print(s.recv(10).decode())
"
CLIENT=$PID
check '... has stopped listening' wait_for 20 grep -q closed "$T/echo.out"
soon '7000/tcp 80/tcp>8080' '... is withdrawn'
echo >"$T/go"
reap "$CLIENT"
is "$(cat "$T/client.out")" hello '... and its client is served'
reap "$ECHO"

# Flapping
spawn flap nsenter -t "$POD" -n -- "$PY" -c "
import socket, time
for _ in range(100):
    socket.create_server(('', 7020)).close()
    time.sleep(0.02)
s = socket.create_server(('', 7020))
while True:
    s.accept()[0].sendall(b'here')
"
FLAP=$PID
soon '7000/tcp 7020/tcp 80/tcp>8080' 'one that came and went 100 times'
is "$(seen "$HOST4" 7020)" here '... is served'
stop "$FLAP"

# Many
# shellcheck disable=SC2046 # words
listen many $(seq -f '0.0.0.0 %.0f' 10000 10199)
MANY=$PID
soon "$(seq -s' ' -f '%.0f/tcp' 10000 10199) 7000/tcp 80/tcp>8080" '200 at once'
is "$(seen "$HOST4" 10199)" "$PEER4" '... the last of them, too'
stop "$MANY"
soon '7000/tcp 80/tcp>8080' '... are withdrawn'

# Too many
spawn flood nsenter -t "$POD" -n -- "$PY" -c "
import resource, socket, signal
resource.setrlimit(resource.RLIMIT_NOFILE, (5000, 5000))
held = []
for port in range(20000, 23000):
    s = socket.socket()
    s.bind(('', port))
    s.listen()
    held.append(s)
signal.pause()
"
FLOOD=$PID
# shellcheck disable=SC2317 # by wait_for
n_ports()
{
	[ "$(ports | wc -w)" = "$1" ]
}
check '3,000 at once: 1,000 are published, and that of -p' \
	wait_for 40 n_ports 1001
is "$(seen "$HOST4" 7000)" "$PEER4" '... and those of before are served'
stop "$FLOOD"
soon '7000/tcp 80/tcp>8080' '... are withdrawn'
is "$(grep -c 'no more will be' "$T/all.err")" 1 '... told once'
stop "$WEB"
soon '80/tcp>8080' 'in the end there is what -p says'

# Removed by hand it stays away, as long as its listener stays
listen back 0.0.0.0 7030
BACK=$PID
soon '7030/tcp 80/tcp>8080' 'a server'
as_user "$PODSPLICE" port --control "$SOCK" rm 7030:7030 >/dev/null
listen back2 0.0.0.0 7031
soon '7031/tcp 80/tcp>8080' 'removed by hand: not published again'
stop "$BACK"
stop "$PID"

# The processes of the helper come back
listen web 0.0.0.0 7000
soon '7000/tcp 80/tcp>8080' 'a server, and a portfwd that dies'
kill -KILL "$(portfwd)"
check '... it is served by the next' wait_for 20 eval \
	"[ \"\$(seen $HOST4 7000)\" = $PEER4 ]"
pod_end
is "$STATUS" 143 'the end'

# Real servers, in the background, and what is told about them
if command -v redis-server >/dev/null && command -v nginx >/dev/null; then
	cat >"$WORK/nginx.conf" <<-END
		daemon off; pid $WORK/nginx.pid; error_log stderr;
		events {}
		http {
			access_log off;
			client_body_temp_path $WORK/n1; proxy_temp_path $WORK/n2;
			fastcgi_temp_path $WORK/n3; uwsgi_temp_path $WORK/n4;
			scgi_temp_path $WORK/n5;
			server { listen 8000; listen [::]:8000; return 200 "nginx \$remote_addr"; }
		}
	END
	cat >"$WORK/both.sh" <<-END
		redis-server --port 6379 --bind '*' --save '' --protected-mode no &
		exec nginx -c $WORK/nginx.conf
	END
	is "$(as_user "$PODSPLICE" run -d --name real -P -- \
		sh "$WORK/both.sh" 2>&1)" real 'nginx and redis in the background'
	# shellcheck disable=SC2317 # by wait_for
	real_ports()
	{
		[[ $(as_user "$PODSPLICE" ps) =~ 6379.*8000|8000.*6379 ]]
	}
	check '... ps has their ports' wait_for 20 real_ports
	is "$(guard "${IN_PEER[@]}" curl -sS "http://$HOST4:8000/"
		guard "${IN_PEER[@]}" curl -sS "http://[$HOST6]:8000/")" \
		"nginx ${PEER4}nginx $PEER6" '... nginx answers, and sees its clients'
	is "$(guard "${IN_PEER[@]}" redis-cli -h "$HOST4" ping)" PONG \
		'... redis answers'
	as_user "$PODSPLICE" stop real >/dev/null
	as_user "$PODSPLICE" rm real >/dev/null
else
	skip 'nginx and redis' 'nginx or redis-server is not installed'
fi

# uplink
target theirs -Urn
up theirs-up -P --control "$SOCK" "$POD" || bail 'no uplink'
is "$(ports)" '' "uplink -P: nothing of the helper's own"
listen web 0.0.0.0 7000
WEB=$PID
soon 7000/tcp '... a server is published'
is "$(seen "$HOST4" 7000)" "$PEER4" '... and sees its client'
stop "$WEB"
soon '' '... and withdrawn'
up_end
target_end

# few N: an uplink -P with as many descriptors
few()
{
	target "few$1" -Urn
	# shellcheck disable=SC2016 # for the inner shell
	run_up "few$1-up" sh -c 'ulimit -n "$1"; shift; exec "$@"' sh "$1" \
		"$PODSPLICE" uplink --ready-fd 3 -P --control "$SOCK" "$POD" ||
		bail "no uplink with $1 descriptors"
}

# More ports than descriptors
few 256
# shellcheck disable=SC2046 # words
listen hostile $(seq -f '0.0.0.0 %.0f' 20000 20399)
MANY=$PID
check '400 ports of 256 descriptors: not all' wait_for 20 \
	grep -q 'too many open files' "$T/few256-up.err"
SOME=$(ports | wc -w)
check "... but $SOME" test "$SOME" -gt 100 -a "$SOME" -lt 240
is "$(wc -l <"$T/few256-up.err")" 1 '... in one line'
kill -KILL "$(portfwd)"
check '... and there are some left for a new portfwd' wait_for 20 eval \
	"[ \"\$(seen $HOST4 20000)\" = $PEER4 ]"
stop "$MANY"
soon '' '... all are withdrawn'
listen next 0.0.0.0 7000
soon 7000/tcp '... and there is room for others'
stop "$PID"
up_end
target_end

# A portfwd whose descriptors are all taken, by what goes out of the pod
serve_peer 9000 || bail 'no server on the other host'
few 600
spawn out nsenter -t "$POD" -n -- "$PY" -c "
import socket, time
all = [socket.socket() for _ in range(300)]
for s in all:
    s.setblocking(False)
    s.connect_ex(('$PEER4', 9000))
time.sleep(1000)"
OUT=$PID
full()
{
	[ "$(stat_of 's["errors"]["emfile"]')" -gt 0 ]
}
check '300 connections of a pod with 600 descriptors' wait_for 20 full
# shellcheck disable=SC2046 # words
listen late $(seq -f '0.0.0.0 %.0f' 7000 7299)
LATE=$PID
check '... 300 ports are too many' wait_for 20 \
	grep -q 'too many open files' "$T/few600-up.err"
PUBLISHED=$(ports)
unlike "$PUBLISHED" 7299 '... and none is listed that is not served'
stop "$OUT"
soon "$(seq -s' ' -f '%.0f/tcp' 7000 7299)" '... until the others are gone'
is "$(seen "$HOST4" 7000) $(seen "$HOST4" 7299)" "$PEER4 $PEER4" \
	'... then all are served'
is "$(wc -l <"$T/few600-up.err")" 1 '... of which one line tells'
stop "$LATE"
up_end
target_end

stop_spawned
leftovers publish_all
finish
