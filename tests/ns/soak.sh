#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two minutes, or an hour with --long, of everything at once, each byte
# checked, while netstack is killed again and again: no spliced flow notices,
# and nothing grows. PODSPLICE_SOAK_SECONDS and PODSPLICE_SOAK_SEED choose
# another time, and the kills of an earlier run.
# Runs alone: it keeps the processors busy, and waits for no answer for ever.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
LOAD=120 EVERY=2
[ -z "$LONG" ] || LOAD=3600 EVERY=10
# with sanitizers, whose memory says nothing about ours, two minutes will do
[ -z "${ASAN_OPTIONS-}" ] || LOAD=120 EVERY=2
LOAD=${PODSPLICE_SOAK_SECONDS:-$LOAD}
SEED=${PODSPLICE_SOAK_SEED:-$RANDOM}
WARM_UP=70 # an element of closing4 is there for 60 s
SOCK=$WORK/control.sock
SECOND4=10.0.2.77 SECOND6=fd00::77
export HOST4 HOST6 PEER4 PEER6 FAR4 FAR6 GW4 GW6 DNS4 DNS6 SECOND4 SECOND6
install -m 644 "$LIB/soak.py" "$LIB/soak_watch.py" "$T/"
note "$LOAD s of load, seed $SEED"

# The servers

WWW=$WORK/www
install -d -m 755 "$WWW"
PYTHONPATH=$T "$PY" -c 'import soak, sys; sys.stdout.buffer.write(soak.BLOCK)' \
	>"$WWW/block"
nginx_conf() # NAME PORT: a file for nginx that listens there
{
	install -d -m 1777 "$WORK/$1"
	cat >"$WORK/$1/conf" <<END
error_log $WORK/$1/error.log;
pid $WORK/$1/pid;
worker_processes 1;
events { worker_connections 1000; }
http {
	access_log off;
	client_body_temp_path $WORK/$1/t1;
	proxy_temp_path $WORK/$1/t2;
	fastcgi_temp_path $WORK/$1/t3;
	uwsgi_temp_path $WORK/$1/t4;
	scgi_temp_path $WORK/$1/t5;
	server {
		listen $2;
		listen [::]:$2;
		root $WWW;
	}
}
END
}
nginx_conf peer 9001
nginx_conf pod 81
spawn peer-nginx "${IN_PEER[@]}" nginx -g 'daemon off; user root;' \
	-c "$WORK/peer/conf"
spawn peer-serve "${IN_PEER[@]}" "$PY" "$T/soak.py" serve 9000
spawn dnsmasq "${IN_HOST[@]}" dnsmasq --keep-in-foreground --no-resolv \
	--no-hosts --conf-file=/dev/null --user=root --pid-file= \
	--bind-interfaces --except-interface=nosuch \
	--listen-address=127.0.0.53 --synth-domain=syn.test,10.0.0.0/8,ip-
wait_port peer 9000 || bail 'no server on the other host'
wait_port peer 9001 || bail 'no nginx on the other host'
wait_port host 53 || bail 'no dnsmasq'
resolv 'nameserver 127.0.0.53'
# libslirp's ping is the account's
in_host sysctl -qw "net.ipv4.ping_group_range=$ACCOUNT_GID $ACCOUNT_GID"

pod soak --control "$SOCK" -p 8080:80 -p 8081:81 -- sh -c \
	"nginx -g 'daemon off;' -c '$WORK/pod/conf' & exec $PY $T/soak.py serve 80" ||
	bail 'the pod did not start'
wait_port pod 80 || bail 'no server in the pod'
wait_port pod 81 || bail 'no nginx in the pod'
in_pod ip addr add "$SECOND4/24" dev tap0
# deprecated: only who asks for it has it
in_pod ip addr add "$SECOND6/64" dev tap0 nodad preferred_lft 0

# load PLACE SECONDS NAME VIA...: its pid in PID
load()
{
	local place=$1 seconds=$2 name=$3
	shift 3
	spawn "$name" "$@" "$PY" "$T/soak.py" load "$place" "$seconds" \
		"$SEED" "$T/kills"
}

# What is there before: after a first flow of each kind, so that the pool of
# sockets and the heap are as in use
: >"$T/kills"
touch -d '1 hour ago' "$T/kills"
load pod 1 first-pod nsenter -t "$POD" -n --
FIRST=$PID
load peer 1 first-peer "${IN_PEER[@]}"
reap "$PID"
reap "$FIRST"
watcher()
{
	"$PY" "$T/soak_watch.py" "$@"
}
resting()
{
	watcher idle "$SOCK" >"$T/resting"
	! grep -Eq ' flows=[^0]' "$T/resting"
}
check 'after a first second of it no flow is left' wait_for 60 resting
grep fds= "$T/resting" >"$T/before"

# The load, and the kills

RANDOM=$SEED
netstack_is_new()
{
	NETSTACK=$(watcher netstack "$SOCK") && [ "$NETSTACK" ] &&
		[ "$NETSTACK" != "${OLD-}" ]
}

# how long to wait for the next kill: mostly such that it is a crash loop, now
# and then, in a long run, such that it isn't
pause()
{
	PAUSE=$((3 + RANDOM % 15))
	[ "$LOAD" -le 200 ] || [ $((RANDOM % 5)) != 0 ] || PAUSE=$((PAUSE + 61))
}

netstack_is_new || bail 'no netstack'
KILLED=0
spawn watch "$PY" "$T/soak_watch.py" watch "$SOCK" "$LOAD" "$EVERY"
WATCH=$PID
load pod "$LOAD" load-pod nsenter -t "$POD" -n --
LOADS=$PID
load peer "$LOAD" load-peer "${IN_PEER[@]}"
LOADS="$LOADS $PID"
load host "$LOAD" load-host "${IN_HOST[@]}"
LOADS="$LOADS $PID"
END_AT=$((SECONDS + LOAD))
while pause; [ $((SECONDS + PAUSE)) -lt $END_AT ]; do
	sleep "$PAUSE"
	OLD=$NETSTACK
	date +%s >>"$T/kills"
	kill -KILL "$OLD"
	KILLED=$((KILLED + 1))
	wait_for 20 netstack_is_new || note "netstack $OLD has no successor"
	date +%s >>"$T/kills"
done
for PID in $LOADS; do
	wait_for $((END_AT + GUARD - SECONDS)) gone "$PID"
	reap "$PID"
	is "$STATUS" 0 "a load ended by itself"
done
reap "$WATCH"
is "$STATUS" 0 'what the helper has was watched'
check "netstack was killed ($KILLED times)" [ "$KILLED" -gt 0 ]

# What was done

tap() # CMD...: what it prints are tests of ours
{
	local line n=0
	"$@" >"$T/tap"
	while read -r line; do
		case $line in
		ok*) ok "${line#ok }" ;;
		not*) not_ok "${line#not ok }" ;;
		*) note "${line#\# }" ;;
		esac
		n=$((n + 1))
	done <"$T/tap"
	check "$2: something was told" [ "$n" -gt 0 ]
}

tap watcher total "$T"/load-*.out
note "$KILLED kills of netstack"
is "$(grep -h '^BAD' "$T"/*.out | head -n 50)" '' \
	'no server or client saw anything wrong'

# What it took

UNITS=(fds elements)
[ "${ASAN_OPTIONS-}" ] || UNITS+=(KiB)
tap watcher judge "$T/watch.out" "$WARM_UP" "${UNITS[@]}"

# ... and what is left

as_before()
{
	resting
	grep fds= "$T/resting" | diff "$T/before" - >"$T/diff" &&
		! grep -Eq ' elements=[^0]' "$T/resting"
}
check 'flows, descriptors and elements are as before' wait_for 90 as_before
note "$(cat "$T/diff")"
calm()
{
	[ -z "$(watcher busy "$SOCK")" ]
}
check 'no process uses the CPU' wait_for 30 calm
note "$(watcher idle "$SOCK" | paste -sd' ')"
pod_end
stop_spawned
leftovers soak
finish
