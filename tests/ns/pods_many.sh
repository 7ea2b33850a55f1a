#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pods, many at once, again and again, with many verbs on one of them; and
# records that are stale, another process's, or another user's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"

PORTS_BEFORE=$(ports_of_host)
STORE=$RUNTIME/podsplice/containers
CYCLES=50
[ -z "${PODSPLICE_LONG-}" ] || CYCLES=200

# all_end N PREFIX: the spawned PREFIX-1 to PREFIX-N, whose pids are in MANY,
# end with 0 or 125, or as a command that another of them stopped, and say one
# line at most; how many with 0 in WON
all_end()
{
	local i
	WON=0
	for i in $(seq "$1"); do
		reap "${MANY[i]}"
		case $STATUS in
		0) WON=$((WON + 1)) ;;
		125 | 137 | 143) ;;
		*) not_ok "$2-$i: $STATUS" ;;
		esac
		[ "$(wc -l <"$T/$2-$i.err")" -le 2 ] ||
			not_ok "$2-$i: $(cat "$T/$2-$i.err")"
	done
}

# 50 pods at once, each with a container
begin=$(date +%s%N)
for i in $(seq 50); do
	spawn "pods-$i" "${AS_USER[@]}" "$PODSPLICE" pod create --name "p$i" \
		-p "$((8000 + i)):80"
	MANY[i]=$PID
done
all_end 50 pods
is "$WON" 50 '50 pods at once'
note "50 pods: $((($(date +%s%N) - begin) / 1000000)) ms"
is "$(of_json 'len([p for p in j["pods"] if p["state"] == "running"])' \
	pod ls --json)" 50 '... run'
note "private memory of 50 pods: $(for p in $(ours); do
	awk '/^Private/ { print $2 }' "/proc/$p/smaps_rollup" 2>/dev/null
done | awk '{ n += $1 } END { print n }') KiB"
begin=$(date +%s%N)
for i in $(seq 50); do
	spawn "ctrs-$i" "${AS_USER[@]}" "$PODSPLICE" run -d --pod "p$i" \
		--name "c$i" -- "$PY" "$T/net.py" serve 80
	MANY[i]=$PID
done
all_end 50 ctrs
is "$WON" 50 '... a container in each'
note "50 containers: $((($(date +%s%N) - begin) / 1000000)) ms"
for i in 1 25 50; do
	serves()
	{
		peer_net who "$HOST4" "$((8000 + i))" | grep -q "^$PEER4 "
	}
	check "... number $i serves" wait_for 30 serves
done
# shellcheck disable=SC2046 # names
verb pod rm -f $(as_user "$PODSPLICE" pod ls -q)
is "$STATUS$ERR" 0 '... and go'
leftovers '50 pods'

# Again and again
mounts()
{
	# but other tests' namespaces
	in_host awk '$2 !~ "^/run/netns/"' /proc/self/mounts
}
MOUNTS=$(mounts)
begin=$(date +%s%N)
for i in $(seq "$CYCLES"); do
	verb pod create --name cycle -p 8080:80
	[ "$STATUS" = 0 ] || not_ok "cycle $i: create: $ERR"
	verb run -d --pod cycle -p 9090:90 -- sleep 1000
	[ "$STATUS" = 0 ] || not_ok "cycle $i: run: $ERR"
	verb pod rm -f cycle
	[ "$STATUS" = 0 ] || not_ok "cycle $i: rm: $ERR"
done
ok "$CYCLES times made, used and removed"
note "$CYCLES cycles: $((($(date +%s%N) - begin) / 1000000)) ms"
leftovers 'cycles'
is "$(mounts)" "$MOUNTS" \
	'cycles: nothing is mounted, no namespace among it'

# 20 containers in one pod at once
verb pod create --name web -p 8080:80
for i in $(seq 20); do
	spawn "in-$i" "${AS_USER[@]}" "$PODSPLICE" run -d --pod web \
		--name "in$i" -p "$((9000 + i)):$((9000 + i))" -- sleep 1000
	MANY[i]=$PID
done
all_end 20 in
is "$WON" 20 '20 containers at once in one pod'
is "$(about web 'len(j["ports"]), len([c for c in j["containers"] if c["state"] == "running"])')" \
	'(21, 20)' '... with their ports'
all_names()
{
	[ "$(as_user "$PODSPLICE" exec in1 -- grep -c "^$POD4" /etc/hosts)" = 21 ]
}
check '... and names' wait_for 20 all_names
for i in $(seq 20); do
	spawn "gone-$i" "${AS_USER[@]}" "$PODSPLICE" rm -f "in$i"
	MANY[i]=$PID
done
all_end 20 gone
is "$WON $(about web 'len(j["ports"]), j["containers"]')" '20 (1, [])' \
	'... and removed at once'
SUP=$(pid_of web supervisor)
held_by_pod()
{
	find "/proc/$SUP/fd" -mindepth 1 | wc -l
}
FDS=$(held_by_pod)
for i in $(seq 20); do
	verb run --pod web -p 9090:90 -- true
	[ "$STATUS" = 0 ] || not_ok "run $i in it: $ERR"
done
as_before()
{
	[ "$(held_by_pod)" = "$FDS" ]
}
check '20 others leave no descriptor in its supervisor' wait_for 10 as_before

# Every verb on one pod, all at once
verb run -d --pod web --name front -- sleep 1000
VERBS=('pod stop -t 1 web' 'pod start web' 'pod rm web' 'pod rm -f web' 'pod ls'
	'pod inspect web' 'run -d --pod web -p 9090:90 -- sleep 1000'
	'run -d --pod web --name front -- sleep 1000' 'port web' 'ps -a --pod'
	'stop -t 0 front' 'start front' 'rm -f front' 'logs front'
	'pod create --name web -p 8080:80' 'run --pod web -- true'
	'run -d --pod new:web -- sleep 1000' 'exec front true' 'pod stop web'
	'port web add 9191:91')
for round in 1 2 3; do
	for i in $(seq 20); do
		# shellcheck disable=SC2086 # words
		spawn "verb-$i" "${AS_USER[@]}" "$PODSPLICE" ${VERBS[i - 1]}
		MANY[i]=$PID
	done
	all_end 20 verb
	ok "20 verbs at once on one pod ($round)"
done
verb pod rm -f web
is "$STATUS$ERR" 0 '... it can be removed'
is "$(as_user "$PODSPLICE" ps -aq)" '' '... and no container is left'
leftovers 'all verbs at once'

# 20 times started at once: it runs, which is all that each of them wants
for words in 'pod create --name web' 'run -d --pod web --name a -- sleep 1000' \
	'run -d --pod web --name b -p 9090:90 -- sleep 1000'; do
	# shellcheck disable=SC2086 # words
	verb $words
done
verb pod stop -t 0 web
for i in $(seq 20); do
	spawn "start-$i" "${AS_USER[@]}" "$PODSPLICE" pod start web
	MANY[i]=$PID
done
all_end 20 start
is "$WON $(cat "$T"/start-*.out "$T"/start-*.err | sort -u)" '20 web' \
	'20 times started at once'
is "$(about web '[c["state"] for c in j["containers"]]')" \
	"['running', 'running']" '... its containers run'
verb pod rm -f web
leftovers 'started at once'

# The caller is killed before the name was told: nothing, or all of it
for ms in 1 5 10 20 40 80; do
	as_user timeout --foreground -s KILL "0.$(printf %03d $ms)" \
		"$PODSPLICE" pod create --name undone >/dev/null 2>&1
	settled()
	{
		case $(of_json '[p["state"] for p in j["pods"]]' pod ls --json) in
		'[]' | "['running']") return 0 ;;
		esac
		return 1
	}
	check "caller killed after $ms ms: the pod runs, or is not there" \
		wait_for 20 settled
	verb pod rm -f undone
	is "$STATUS$ERR" 0 '... its name is free'
done

# A pid that is another's now: never hit
verb pod create --name reused
SUP=$(pid_of reused supervisor)
spawn bystander "${AS_USER[@]}" sleep 1000
VICTIM=$PID
sed -i "s/\"supervisor\":{\"pid\":$SUP/\"supervisor\":{\"pid\":$VICTIM/" \
	"$STORE/reused/state.json"
verb pod stop reused
like "$STATUS $ERR" '^125 podsplice: reused: .*seen' \
	'a record with the number of another process'
unlike "$(ps -o stat= -p "$VICTIM")" '^(|Z.*)$' '... which gets no signal'
kill "$SUP"
wait_for 10 gone "$SUP"
kill "$VICTIM"
verb pod rm -f reused
is "$STATUS" 0 '... removed when its supervisor has ended'

# Stale: all is killed at once, as by the machine's end
verb run -d --pod new:stale --name inside -- sleep 1000
for p in $(ours); do
	kill -KILL "$p" 2>/dev/null
done
wait_for 20 no_process
# a process that is ending has no memory before it has no files, nor locks
is_stale()
{
	STALE=$(of_json '[(p["name"], p["state"], p["infra"]) for p in
		j["pods"]]' pod ls --json)
	[ "$STALE" = "[('stale', 'stopped', None)]" ]
}
check 'all killed: the pod is stopped' wait_for 20 is_stale
is "$(container inside 'c["state"], c["exit_code"]')" "('exited', None)" \
	'... its container has ended'
verb pod start stale
is "$STATUS|$OUT|$ERR" '0|stale|' '... both can be started'
is "$(container inside 'c["state"]')" running '... and run'
verb pod rm -f stale
is "$STATUS$ERR" 0 '... and removed'

# Another user's
install -d -m 755 "$T/foreign" # root's
is "$(as_user env "XDG_RUNTIME_DIR=$T/foreign" "$PODSPLICE" pod create 2>&1 |
	sed "s|$T||")" \
	'podsplice: /foreign: belongs to another user (set XDG_RUNTIME_DIR to a directory of yours)' \
	"another user's runtime directory is refused"
leftovers 'stale and foreign'
finish
