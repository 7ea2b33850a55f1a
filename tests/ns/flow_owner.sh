#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# flows tell whose a flow's socket in the pod is: two users of a pod, in and
# out, IPv4, IPv6 and UDP; and in a namespace that somebody else made.
. "$(dirname "$0")/uplink_lib.sh"

PORTS_BEFORE=$(ports_of_host)
SOCK=$WORK/control.sock

owners()
{
	as_user "$PODSPLICE" flows --json --control "$SOCK" | "$PY" -c '
import json, sys
port = lambda end: end.rsplit(":", 1)[1]
print(*sorted("%s/%s=%d" % (port(f["pod"] if f["direction"] == "ingress"
    else f["remote"]), f["proto"], f["uid"])
    for f in json.load(sys.stdin)["flows"]))'
}

# shellcheck disable=SC2317 # by wait_for
owners_are() # TEXT
{
	[ "$(owners)" = "$1" ]
}

owned() # TEXT NAME
{
	wait_for 20 owners_are "$1"
	is "$(owners)" "$1" "$2"
}

# UID PORT PEER OUT: a user who serves PORT, by TCP and UDP, and has one flow
# out; UID - is the one it is started as
cat >"$WORK/user.py" <<'PY'
import os, select, socket, sys
uid, port, peer, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if uid != '-':
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
held = [socket.create_connection((peer, int(out)))]
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(('::', port))
tcp = socket.create_server(('::', port), family=socket.AF_INET6,
                           dualstack_ipv6=True)
while True:
    for s in select.select([tcp, udp], [], [])[0]:
        if s is tcp:
            held.append(s.accept()[0])
        else:
            s.sendto(*s.recvfrom(100))
PY
# ADDR PORT...: a client of both protocols
cat >"$WORK/client.py" <<'PY'
import signal, socket, sys
held = []
for addr, port in zip(sys.argv[1::2], sys.argv[2::2]):
    held.append(socket.create_connection((addr, int(port))))
    u = socket.socket(socket.AF_INET6 if ':' in addr else socket.AF_INET,
                      socket.SOCK_DGRAM)
    u.connect((addr, int(port)))
    u.settimeout(1)
    while True:
        u.send(b'x')
        try:
            u.recv(10)
            break
        except (TimeoutError, ConnectionRefusedError):
            pass
    held.append(u)
signal.pause()
PY
cat >"$WORK/two.sh" <<END
$PY $WORK/user.py 7 7000 $PEER4 9000 &
$PY $WORK/user.py 8 8000 $PEER6 9001 &
wait
END
serve_peer 9000
serve_peer 9001
pod owner --control "$SOCK" -p 7000:7000 -p 8000:8000 -p 7000:7000/udp \
	-p 8000:8000/udp -- sh "$WORK/two.sh" || bail 'no pod'
wait_port pod 7000
wait_port pod 8000
owned '9000/tcp=7 9001/tcp=8' "flows out of the pod are their users'"
spawn client "${IN_PEER[@]}" "$PY" "$WORK/client.py" "$HOST4" 7000 "$HOST6" 8000
CLIENT=$PID
owned '7000/tcp=7 7000/udp=7 8000/tcp=8 8000/udp=8 9000/tcp=7 9001/tcp=8' \
	'... so are those into it, and of datagrams'
is "$(as_user "$PODSPLICE" flows --control "$SOCK" | awk 'NR > 1 { print $NF }' |
	sort -u | paste -sd' ')" '7 8' 'the table has them, too'
kill "$CLIENT"
reap "$CLIENT"
pod_end

target theirs -Urn
up theirs-up --control "$SOCK" -p 7000:7000 -p 7000:7000/udp "$POD" ||
	bail 'no uplink'
spawn server "${AS_USER[@]}" nsenter -t "$POD" -U -n --preserve-credentials \
	"$PY" "$WORK/user.py" - 7000 "$PEER4" 9000
wait_port pod 7000
spawn client "${IN_PEER[@]}" "$PY" "$WORK/client.py" "$HOST4" 7000
owned '7000/tcp=0 7000/udp=0 9000/tcp=0' \
	'uplink: as the user namespace of the target has it'
up_end
target_end
stop_spawned
leftovers flow_owner
finish
