#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pods for containers: made, listed, stopped, started and removed, and what
# their first process costs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"

PORTS_BEFORE=$(ports_of_host)

# A pod without containers
verb pod create --name web -p 8080:80
is "$STATUS|$OUT|$ERR" '0|web|' 'pod create prints the name'
is "$(about web 'j["schema"], j["name"], j["state"], j["datapath"], j["containers"], j["network"]["address"]')" \
	"(1, 'web', 'running', 'splice', [], '$POD4')" 'pod inspect tells about it'
is "$(about web '[(p["host_port"], p["pod_port"], p["host_addr"]) for p in j["ports"]]')" \
	"[(8080, 80, '::')]" '... and its ports'
verb pod inspect web
like "$STATUS $OUT" '^0 .*"created": [0-9]+\.[0-9]{1,3},' \
	'... without --json, too, its numbers as people read them'
INFRA=$(pid_of web infra)
is "$(about web '[k for k, v in j["namespaces"].items() if not v]')" '[]' \
	'... and its namespaces'
for ns in user net ipc uts pid; do
	is "$(stat -Lc %i "/proc/$INFRA/ns/$ns")" \
		"$(about web "j['namespaces']['$ns']")" "... $ns is infra's"
done
is "$(stat -Lc %i "/proc/$INFRA/ns/cgroup")" \
	"$(stat -Lc %i "/proc/$(pid_of web supervisor)/ns/cgroup")" \
	'... which has no namespace of cgroups of its own'
is "$(awk '{ print $5, $(NF - 2) }' "/proc/$INFRA/mountinfo")" '/ tmpfs' \
	'... and no file system but that of shared memory'
is "$(nsenter -t "$INFRA" -u hostname)" web 'its host name is its name'
PRIVATE=$(awk '/^Private/ { n += $2 } END { print n }' "/proc/$INFRA/smaps_rollup")
note "infra: $PRIVATE KiB private"
# sanitizers have memory of their own
[ "${ASAN_OPTIONS-}" ] || check 'infra costs less than 200 KiB' [ "$PRIVATE" -lt 200 ]
is "$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/ { print $2 }' "/proc/$INFRA/status" |
	sort -u)" 0000000000000000 '... and has no capability'
is "$(find "/proc/$INFRA/fd" -mindepth 1 ! -lname /dev/null \
	! -lname 'socket:*')" '' '... nor any file'
is "$(find "/proc/$INFRA/fd" -lname 'socket:*' | wc -l)" 1 \
	'... nor any socket but that to its supervisor'
verb pod ls
like "$OUT" "^NAME .*
web +running +$INFRA .* 0 +\*:8080->80/tcp\$" 'pod ls shows it'
verb ps -a
unlike "$OUT" web 'ps does not'
verb port web
like "$OUT" 'tcp +:: +8080 +10.0.2.100 +80' 'port lists what it publishes'
verb stats web
like "$STATUS $OUT" '^0 PATH' 'stats knows it'
verb port web add 8081:81
is "$STATUS" 0 'port add'
is "$(of_json '[p["host_port"] for p in j["pods"][0]["ports"]]' pod ls --json)" \
	'[8080, 8081]' '... is seen in pod ls'
in_pod_net()
{
	nsenter -t "$INFRA" -n -- "$@"
}
spawn server nsenter -t "$INFRA" -n -- "$PY" "$T/net.py" serve 80
wait_for "$GUARD" listens in_pod_net ss -Hlnt 'sport = :80'
like "$(peer_net who "$HOST4" 8080)" "$PEER4" \
	'a server in its network sees who asks it from another host'
kill "$PID"

# Names, and what is said
verb run -d --name web -- true
is "$STATUS $ERR" \
	'125 podsplice: web: a pod of that name is running (take another name)' \
	'a container can not have its name'
verb pod create --name web
is "$STATUS $ERR" \
	'125 podsplice: web: a pod of that name is running (take another name)' \
	'nor can a pod'
for words in 'rm web' 'rm -f web' 'stop web' 'start web'; do
	# shellcheck disable=SC2086 # words
	verb $words
	is "$STATUS $ERR" '125 podsplice: web: is a pod (podsplice pod ls)' \
		"$words"
done
verb run -d --name box -- sleep 1000
verb pod rm -f box
is "$STATUS $ERR" '125 podsplice: box: is a container (podsplice ps -a)' \
	'pod rm -f of a container'
verb pod stop box
is "$STATUS $ERR" '125 podsplice: box: is a container (podsplice ps -a)' \
	'pod stop of a container'
for words in 'port' 'exec' 'pod stop' 'run --pod'; do
	# shellcheck disable=SC2086 # words
	verb complete $words ''
	like "$OUT" 'web.runs' "$words is completed with the pod"
done
verb complete rm ''
is "$OUT" 'words
box	runs' '... and rm is not'
verb rm -f box
for words in 'pod stop' 'pod start' 'pod rm' 'pod inspect'; do
	# shellcheck disable=SC2086 # words
	verb $words nosuch
	is "$STATUS $ERR" \
		'125 podsplice: nosuch: no such pod (podsplice pod ls)' \
		"$words of one that is not there"
done
verb pod rm -f nosuch
is "$STATUS $ERR" '0 ' '... is fine with rm -f'
verb pod rm web
is "$STATUS $ERR" \
	'125 podsplice: web: is running (podsplice pod stop web, or pod rm -f)' \
	'pod rm of one that runs'
verb pod
is "$STATUS $ERR" \
	'125 podsplice: pod: which verb? (create, inspect, ls, rm, start, stop)' \
	'pod without a verb'
verb help pod
like "$STATUS|$OUT|$ERR" '^0\|Usage: podsplice pod VERB .*
  pod create +make .*
  pod stop +end [^[:cntrl:]]*\|$' 'help pod lists its verbs'
unlike "$OUT" 'kube|
  ps ' '... and no others'
HELP=$OUT
for words in 'pod --help' 'pod -h'; do
	# shellcheck disable=SC2086 # words
	verb $words
	is "$STATUS|$OUT|$ERR" "0|$HELP|" "$words prints the same"
done
verb help kube
like "$STATUS|$OUT|$ERR" '^0\|Usage: podsplice kube VERB .*
  kube generate +write ' 'help kube'
verb pod create -p 8080:80
like "$STATUS $ERR" '^125 podsplice: [^[:cntrl:]]*8080[^[:cntrl:]]*in use[^[:cntrl:]]*$' \
	'a port that is taken'
verb pod create --share ipc
like "$STATUS $ERR" '^125 podsplice: --share ipc: ' 'a pod without a network'
verb pod create --share net,ips
like "$STATUS $ERR" '^125 podsplice: --share net,ips: ' 'no such namespace'
verb pod create --share net --hostname box
like "$STATUS $ERR" '^125 podsplice: --hostname box: ' \
	'a host name that nobody shares'
verb pod create web
like "$STATUS $ERR" '^125 podsplice: pod create web: ' 'a name without --name'
is "$(as_user "$PODSPLICE" pod ls -q)" web 'no other pod is there'

# Its life
ID=$(about web 'j["id"]')
verb pod stop web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod stop'
is "$(about web 'j["state"], j["pids"], j["namespaces"], j["ports"]')" \
	"('stopped', None, None, [])" '... it is stopped'
is "$(ports_of_host)" "$PORTS_BEFORE" '... its ports are free'
check '... infra has ended' gone "$INFRA"
verb pod stop web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod stop of one that is stopped'
verb port web
is "$STATUS $ERR" '125 podsplice: web: not running (podsplice pod start web)' \
	'port of one that is stopped'
verb pod create --name web
is "$STATUS $ERR" \
	'125 podsplice: web: there is a stopped pod of that name (podsplice pod rm web)' \
	'its name stays taken'
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod start'
is "$(about web 'j["state"], j["id"], [p["host_port"] for p in j["ports"]]')" \
	"('running', '$ID', [8080])" '... with its ports and its id'
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod start of one that runs'

# kill -9 of what holds it
INFRA=$(pid_of web infra)
kill -KILL "$INFRA"
check 'infra killed: the pod is stopped' wait_for 20 pod_is web stopped
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' '... and can be started'
INFRA=$(pid_of web infra)
kill -KILL "$(pid_of web supervisor)"
check 'supervisor killed: infra ends' wait_for 20 gone "$INFRA"
check '... the pod is stopped' wait_for 20 pod_is web stopped
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' '... and can be started, over its stale socket'
verb pod rm -f web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod rm -f'

# A removal that has begun, and takes its time: somebody has the container
verb run -d --pod new:web --name inside -- true
kill -KILL "$(pid_of web supervisor)"
check 'supervisor killed: the pod is stopped' wait_for 20 pod_is web stopped
spawn holder "$PY" -c '
import fcntl, struct, sys, time
lock = open(sys.argv[1], "r+")
F_OFD_SETLK = 37
fcntl.fcntl(lock, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
print("held", flush=True)
time.sleep(1000)' "$RUNTIME/podsplice/containers/inside/lock"
HOLDER=$PID
wait_for "$GUARD" grep -q held "$T/holder.out"
spawn rm "${AS_USER[@]}" "$PODSPLICE" pod rm web
RM=$PID
is_at_it()
{
	[ "$(find "/proc/$RM/fd" -lname '*/containers/inside' 2>/dev/null)" ]
}
check 'pod rm has come to a container' wait_for "$GUARD" is_at_it
check '... the pod is stopped as before' pod_is web stopped
verb pod start web
is "$STATUS $ERR" '125 podsplice: web: is being removed' 	'... nobody can start the pod any more'
verb pod rm web
is "$STATUS $ERR" '125 podsplice: web: is being removed' \
	'... or remove it, too'
kill "$HOLDER"
reap "$RM"
is "$STATUS|$(cat "$T/rm.out" "$T/rm.err")" '0|web' '... and it is removed'
is "$(as_user "$PODSPLICE" ps -aq; as_user "$PODSPLICE" pod ls -q)" '' \
	'... with the container'

# Not everything is shared
verb pod create --share net,ipc
is "$(of_json '[k for k, v in j["namespaces"].items() if not v]' \
	pod inspect --json "$OUT")" "['uts']" \
	'--share net,ipc, and a name that was made up'
is "$(stat -Lc %i "/proc/$(pid_of "$OUT" infra)/ns/uts")" \
	"$(stat -Lc %i "/proc/$(pid_of "$OUT" supervisor)/ns/uts")" \
	'... infra has no host name of its own'
verb pod rm -f "$OUT"
leftovers 'pods without containers'
finish
