#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sockets that a service manager passes in, below 1024, too; and the states it
# is told. With systemd-socket-activate, and with a manager of our own.
# shellcheck source=tests/ns/uplink_lib.sh
. "$(dirname "$0")/uplink_lib.sh"

install -m 755 "$LIB/activate.py" "$T/"
command -v systemd-socket-activate >/dev/null ||
	skip_all 'systemd-socket-activate is not installed'
serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9001 4 || bail 'no UDP server there'
PORTS_BEFORE=$(ports_of_host)

# as root, in the host's network; what the account's env -i would take away
# stays
DROP=(setpriv "--reuid=$ACCOUNT_UID" "--regid=$ACCOUNT_GID" --init-groups --
	env "${CLEAN_ENV[@]:2}")
START=("${IN_HOST[@]}" "$PY" "$T/activate.py" start)
[ "$(in_host cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 80 ] ||
	bail 'port 80 needs no privilege here'

# states NAME: a manager that listens at NAME; MANAGER: its pid
states()
{
	spawn states "${IN_HOST[@]}" "$PY" "$T/activate.py" listen "$1"
	MANAGER=$PID
	wait_for 20 in_host grep -qF "$1" /proc/net/unix
}

told() # WORDS: a state that was told
{
	grep -q "$1" "$T/states.out"
}

# systemd-socket-activate

spawn first "${IN_HOST[@]}" systemd-socket-activate -l 80 -- "${DROP[@]}" \
	"$PODSPLICE" run -p 80:80 -- "$PY" "$T/net.py" serve 80
SUP=$PID
wait_port host 80
# this client starts the pod, whose server isn't there when it is
like "$(peer_net who "$HOST4" 80)" "^$PEER4 " \
	'run: the connection that starts it is served'
pod_waits first || bail 'the pod did not start'
like "$(peer_net who "$HOST4" 80)" "^$PEER4 " \
	'run: port 80 of systemd-socket-activate, with the address of the client'
like "$(peer_net who "$HOST6" 80)" "^$PEER6 " '... over IPv6'
is "$(grep -v ^Exec "$T/first.err" | grep podsplice:)" '' '... without a word'
pod_end
leftovers run

spawn late "${IN_HOST[@]}" systemd-socket-activate -l 80 -- "${DROP[@]}" \
	"$PODSPLICE" run -p 80:80 -p 8080:80 -- sh -c "
	until [ -e $WORK/go ]; do sleep .05; done; exec $PY $T/net.py serve 80"
SUP=$PID
wait_port host 80
for i in $(seq 30); do
	spawn "early$i" "${IN_PEER[@]}" "$PY" "$T/net.py" get "$HOST4" 80 10000
	EARLY[i]=$PID
done
pod_waits late || bail 'the pod did not start'
refused() # N: so often, by the pod
{
	[ "$(in_pod nstat -asz TcpOutRsts | awk '/TcpOutRsts/ { print $2 }')" -ge "$1" ]
}
check 'a server that is late: clients are refused, again and again' \
	wait_for 20 refused 100
like "$(peer_net connect "$HOST4" 8080)" 'ECONNRESET$' \
	'... one of a port that was not passed in is told'
touch "$WORK/go"
for i in $(seq 30); do
	reap "${EARLY[i]}"
	cat "$T/early$i.out"
done >"$T/early.out"
is "$(sort "$T/early.out" | uniq -c | xargs)" '30 OK' \
	'... and all of them are served when it listens'
rm "$WORK/go"
kill "$(in_pod ss -Hlntp 'sport = :80' | sed 's/.*pid=\([0-9]*\).*/\1/')"
reap "$SUP"
leftovers late

spawn second "${IN_HOST[@]}" systemd-socket-activate -l "$HOST4:80" \
	-l "[$HOST6]:81" -- "${DROP[@]}" \
	"$PODSPLICE" forward -p "$HOST4:80:9000" -p "[$HOST6]:81:9000" "$PEER4"
SUP=$PID
wait_port host 81
is "$(peer_net get "$HOST4" 80 200000)" OK \
	'forward: the connection to port 80 that starts it is served'
is "$(peer_net get "$HOST6" 81 200000)" OK '... two of them'
up_end
leftovers forward

# All sorts, of a manager of our own

target one -Urn
in_pod ip link set lo up
spawn sorts "${START[@]}" tcpd,::,80 udpd,::,80 "tcp4,$HOST4,82" tcp6,::,83 \
	tcp4,0.0.0.0,84 tcp4,127.0.0.1,85 -- "${DROP[@]}" \
	"$PODSPLICE" uplink -p 80:80 -p 80:80/udp -p "$HOST4:81-82:81-82" \
	-p '[::]:83:83' -p 84:84 -p 8086:85 "$POD"
SUP=$PID
reap "$SUP"
is "$STATUS" 125 'port 81 of a range was not passed in: it needs privileges'
like "$(cat "$T/sorts.err")" "$HOST4:81/tcp: ports below" '... which is told'

states "$WORK/notify"
rm -f "$T/sorts.err"
spawn sorts env "NOTIFY_SOCKET=$WORK/notify" "${START[@]}" tcpd,::,80 \
	udpd,::,80 "tcp4,$HOST4,8082" tcp6,::,83 tcp4,0.0.0.0,84 \
	tcp4,127.0.0.1,85 -- "${DROP[@]}" "$PODSPLICE" uplink \
	-p 80:80 -p 80:80/udp -p "$HOST4:8081-8082:81-82" -p '[::]:83:83' \
	-p 8086:85 "$POD"
SUP=$PID
check 'uplink: the manager is told when it is ready' wait_for 20 \
	told "^READY=1 MAINPID=$SUP\$"
for p in 80 81 82 83 85; do
	spawn "inner$p" nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve "$p"
	wait_port pod "$p"
done
spawn innerudp nsenter -t "$POD" -n -- "$PY" "$T/net.py" udp-serve 80 4
wait_port pod 80 u
like "$(peer_net who "$HOST4" 80)" "^$PEER4 " '... TCP of both families'
like "$(peer_net who "$HOST6" 80)" "^$PEER6 " '... IPv6'
is "$(peer_net udp "$HOST4" 80)" "OK $PEER4" '... UDP'
like "$(peer_net who "$HOST4" 8081)" "^$PEER4 " \
	'... a range, of which one port is bound'
like "$(peer_net who "$HOST4" 8082)" "^$PEER4 " '... and one was passed in'
like "$(peer_net who "$HOST6" 83)" "^$PEER6 " '... IPv6 alone'
is "$(cat "$T/sorts.err")" \
	"podsplice: LISTEN_FDS: 0.0.0.0:84: no --publish is for it: closed
podsplice: LISTEN_FDS: 127.0.0.1:85: no --publish is for it: closed" \
	'... what no SPEC is for is closed, one line each'
is "$(in_host ss -Hlnt 'sport = :84 or sport = :85')" '' \
	'... nobody listens there'
check 'its processes are there' helper
kill -KILL "$PORTFWD"
client_is_seen()
{
	[ "$(peer_net who "$HOST4" 80 2>/dev/null | cut -d' ' -f1)" = "$PEER4" ]
}
check '... they survive portfwd' wait_for 20 client_is_seen
kill -TERM "$SUP"
check '... the manager is told that it ends' wait_for 20 told '^STOPPING=1$'
reap "$SUP"
is "$STATUS" 0 '... with status 0'
is "$(wc -l <"$T/states.out")" 2 '... two states, no more'
kill "$MANAGER"
target_end
rm -f "$WORK/notify"
stop_spawned

# What isn't equal isn't used: protocol, family, address, a port of one's own
mismatch() # SOCKET SPEC
{
	timeout -k 5 "$GUARD" "${START[@]}" "$1" -- "${DROP[@]}" \
		"$PODSPLICE" run -p "$2" -- true >"$T/mis.out" 2>"$T/mis.err"
	like "$(cat "$T/mis.err")" "LISTEN_FDS: .*: no --publish is for it" \
		"$1 is not for $2"
}
mismatch udpd,::,8080 8080:80
mismatch tcpd,::,8080 8080:80/udp
mismatch tcp4,0.0.0.0,8080 '[::]:8080:80'
mismatch tcp6,::,8080 0.0.0.0:8080:80
mismatch "tcp4,$HOST4,8080" 127.0.0.1:8080:80
mismatch tcpd,::,8080 80
mismatch tcpd,::,8080 %eth0:8081:80

# The command gets none of it, run tells when it runs
states "@podsplice-$$"
spawn env env "NOTIFY_SOCKET=@podsplice-$$" "${START[@]}" tcpd,::,80 -- \
	"${DROP[@]}" "$PODSPLICE" run -p 80:80 -- sh -c \
	'env; ls -l /proc/self/fd; echo end; exec sleep 100'
SUP=$PID
pod_waits env
wait_for 20 grep -q '^end' "$T/env.out"
unlike "$(cat "$T/env.out")" 'LISTEN_|NOTIFY_' \
	'the command sees no variable of it'
unlike "$(cat "$T/env.out")" 'socket:' '... and has no socket'
check '... run tells a socket without a file' wait_for 20 \
	told "^READY=1 MAINPID=$SUP\$"
pod_end
check '... and its end' told '^STOPPING=1$'

kill "$MANAGER"
reap "$MANAGER"
states "@podsplice-$$-2"
MAIN=$(guard env "NOTIFY_SOCKET=@podsplice-$$-2" "${START[@]}" tcpd,::,80 -- \
	"${DROP[@]}" sh -c 'echo $$; exec "$@"' sh "$PODSPLICE" run -d \
	--name detached -p 80:80 -- "$PY" "$T/net.py" serve 80)
check 'run -d: tells, too' wait_for 20 told '^READY=1 MAINPID='
unlike "$(cat "$T/states.out")" "MAINPID=$(echo "$MAIN" | head -n 1)\$" \
	'... the process that stays'
check '... serves what was passed in' wait_for 20 client_is_seen
as_user "$PODSPLICE" rm -f detached >/dev/null
kill "$MANAGER"
reap "$MANAGER"

states "@podsplice-$$-3"
verb run -d --name again -- sleep 1000
verb stop -t 0 again
is "$(guard "${AS_USER[@]}" "NOTIFY_SOCKET=@podsplice-$$-3" \
	"$PODSPLICE" start again 2>&1)" again 'start'
check '... tells, too' wait_for 20 told '^READY=1 MAINPID='
verb rm -f again
check '... and its end' wait_for 20 told '^STOPPING=1$'
kill "$MANAGER"

# Variables that are meant for others, and broken ones
with_env() # NAME=VALUE...: run env, with those in our own environment
{
	guard "${IN_HOST[@]}" "${DROP[@]}" env "$@" "$PODSPLICE" run -- env \
		2>"$T/with.err" | grep -cE '^(LISTEN_|NOTIFY_)'
}
is "$(with_env LISTEN_PID=1 LISTEN_FDS=3)" 0 "another process's variables"
is "$(cat "$T/with.err")" '' '... are no concern of ours'
is "$(with_env NOTIFY_SOCKET=nowhere)" 0 'a manager that is nowhere'
like "$(cat "$T/with.err")" \
	'^podsplice: NOTIFY_SOCKET nowhere: .*: nobody is told[^
]*$' '... is one warning'
stop_spawned
leftovers 'all sorts'
finish
