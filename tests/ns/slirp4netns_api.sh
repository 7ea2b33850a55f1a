#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# slirp4netns' API socket: what is asked for and answered, by the original, too,
# and clients that know no manners.
# shellcheck source=tests/ns/slirp4netns_lib.sh
. "$(dirname "$0")/slirp4netns_lib.sh"

install -m 644 "$LIB/slirp4netns_api.py" "$T/"
PORTS_BEFORE=$(ports_of_host)
SOCKET=$WORK/api

api()
{
	guard "${AS_USER[@]}" "$PY" "$T/slirp4netns_api.py" "$SOCKET" "$@" 2>&1
}

cat >"$T/errors" <<'END'
bad request: cannot parse JSON
bad request: cannot parse JSON
bad request: cannot parse JSON
bad request: cannot parse JSON
bad request: cannot parse JSON
bad request: too large message
bad request: too large message
bad request: json_object() failed
bad request: json_object() failed
bad request: no execute found
bad request: no execute found
bad request: unknown execute
bad request: unknown execute
bad request: cannot parse JSON
bad request: add_hostfwd: bad arguments.proto
bad request: add_hostfwd: bad arguments.host_addr
bad request: add_hostfwd: bad arguments.host_addr
bad request: add_hostfwd: bad arguments.host_port
bad request: add_hostfwd: bad arguments.host_port
bad request: add_hostfwd: bad arguments.guest_addr
bad request: add_hostfwd: bad arguments.guest_port
bad request: add_hostfwd: bad arguments.guest_port
bad request: add_hostfwd: bad arguments.proto
bad request: add_hostfwd: bad arguments.host_addr
bad request: remove_hostfwd: bad arguments.id
bad request: remove_hostfwd: bad arguments.id
bad request: remove_hostfwd: bad arguments.id
bad request: remove_hostfwd: bad arguments.id
END
cat >"$T/forward" <<'END'
{"return":{"id":1}}
{"return":{"id":2}}
{"return":{"id":3}}
bad request: add_hostfwd: slirp_add_hostfwd failed
1 tcp 0.0.0.0 8080 10.0.2.100 80
2 tcp 127.0.0.1 8081 10.0.2.100 80
3 udp 0.0.0.0 8080 10.0.2.100 90
{"return":{}}
bad request: remove_hostfwd: bad arguments.id
{"return":{"id":4}}
END

# without blanks: libraries differ in them
squeeze()
{
	sed '/^{/s/ //g'
}

talk()
{
	target talk -Urn
	: >"$SOCKET" # what has the name is replaced
	chmod 666 "$SOCKET"
	chown "$ACCOUNT" "$SOCKET"
	s4 talk -c -a "$SOCKET" "$POD" tap0
	is "$(api errors)" "$(cat "$T/errors")" "$WHO: errors, in their order"
	is "$(api forward | sed 's/\(hostfwd failed\).*/\1/' | squeeze)" \
		"$(cat "$T/forward")" "$WHO: forwards"
	is "$(api one_write)" "True b'}' b''" "$WHO: a reply in one piece, and the end"
	spawn served nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
	wait_port pod 80
	like "$(peer_net who "$HOST4" 8080)" "^$PEER4 " "$WHO: a forwarded port"
	kill "$PID"
	reap "$PID"
	s4_end
	rm -f "$SOCKET"
	target_end
}
both talk
leftovers talk

# Ours only
target own -Urn
s4 own -c --mtu=65520 -a "$SOCKET" "$POD" tap0
is "$(api ours)" "bad request: add_hostfwd: bad arguments.proto
bad request: add_hostfwd: bad arguments.proto
bad request: add_hostfwd: bad arguments.proto
bad request: add_hostfwd: bad arguments.host_port
bad request: add_hostfwd: bad arguments.guest_port" \
	'what ends or confuses the original is refused'
is "$(api pieces)" "['entries', 'return']" 'a request in pieces'
is "$(api flood)" 'True
bad request: too large message' 'a flood'
is "$(api crowd)" '200 1' 'a crowd, and silent ones'
is "$(stat -c %a "$SOCKET")" 600 'the socket is for its owner'
like "$(api only '' 8080 80)" '"id": ?1' 'a port'
spawn served nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 80
wait_port pod 80
is "$(peer_net get "$HOST4" 8080 100000000)" OK 'much, at MTU 65520'
flow_of_port()
{
	as_user "$PODSPLICE" flows --control "$SOCKET" --json |
		grep -c '"path":"splice","direction":"ingress"'
}
spawn slow "${IN_PEER[@]}" "$PY" "$T/net.py" slow "$HOST4" 8080 50000000 100
spliced()
{
	[ "$(flow_of_port)" = 1 ]
}
check '... spliced' wait_for 20 spliced
kill "$PID"
reap "$PID"
in_pod ip addr add 10.0.2.15/24 dev tap0
spawn other nsenter -t "$POD" -n -- "$PY" "$T/net.py" serve 81 4 10.0.2.15
wait_port pod 81
like "$(api only 10.0.2.15 8081 81)" '"id": ?2' \
	'another address of the pod is a guest_addr'
like "$(peer_net who "$HOST4" 8081)" "^$PEER4 " "... with the client's address"
s4_end
is "$(ls "$WORK")" '' 'the socket goes with it'
target_end
leftovers own
stop_spawned
finish
