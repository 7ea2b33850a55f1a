#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers in pods: what they share and what they don't, how they meet, how
# each ends, and what others are told of it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"
. "$(dirname "$0")/rootfs_lib.sh"

PORTS_BEFORE=$(ports_of_host)

# A front end (nginx) that asks its back end on localhost
for dir in nginx back; do
	install -d -m 755 -o "$ACCOUNT_UID" "$WORK/$dir"
done
cat >"$WORK/nginx/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $WORK/nginx/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path $WORK/nginx/t1;
	proxy_temp_path $WORK/nginx/t2;
	fastcgi_temp_path $WORK/nginx/t3;
	uwsgi_temp_path $WORK/nginx/t4;
	scgi_temp_path $WORK/nginx/t5;
	server {
		listen 80;
		location / {
			proxy_set_header X-Client \$remote_addr;
			proxy_pass http://localhost:5000;
		}
	}
}
END
cat >"$T/back.py" <<'END'
import http.server
import sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.headers['X-Client']} {self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
END
verb pod create --name web -p 8080:80
is "$STATUS|$OUT|$ERR" '0|web|' 'a pod'
verb run -d --pod web --name back -- "$PY" "$T/back.py" 5000
is "$STATUS|$OUT|$ERR" '0|back|' 'a back end in it'
verb run -d --pod web --name front -- nginx -p "$WORK/nginx" \
	-c "$WORK/nginx/nginx.conf" -e stderr
is "$STATUS|$OUT|$ERR" '0|front|' 'a front end'
answers() # URL TEXT
{
	[ "$(in_peer curl -s --max-time 10 "$1")" = "$2" ]
}
check 'another host is answered by both, and the front end sees its address' \
	wait_for 20 answers "http://$HOST4:8080/" "$PEER4 127.0.0.1"

# What is the same, and what is not
inode() # CONTAINER NAMESPACE
{
	as_user "$PODSPLICE" exec "$1" -- stat -Lc %i "/proc/self/ns/$2"
}
is "$(about web '[(c["name"], c["state"], c["command"][0]) for c in j["containers"]]')" \
	"[('front', 'running', 'nginx'), ('back', 'running', '$PY')]" \
	'pod inspect lists both'
for ns in user net ipc uts; do
	is "$(inode front $ns) $(inode back $ns)" \
		"$(about web "str(j['namespaces']['$ns']) + ' ' + str(j['namespaces']['$ns'])")" \
		"$ns is shared, as pod inspect has it"
done
for ns in mnt pid; do
	unlike "$(inode front $ns)" "^$(inode back $ns)\$" "$ns is not"
done
is "$(as_user "$PODSPLICE" exec back hostname)" web \
	'their host name is the name of the pod'
as_user "$PODSPLICE" exec front -- ipcmk -M 4096 >"$T/shm" 2>&1
SHM=$(grep -o '[0-9]*$' "$T/shm")
like "$(as_user "$PODSPLICE" exec back -- ipcs -m -i "$SHM" 2>&1)" 'bytes=4096' \
	'a shared memory segment made in one is there in the other'
as_user "$PODSPLICE" exec back -- ipcrm -m "$SHM"
unlike "$(as_user "$PODSPLICE" exec back -- sh -c 'cat /proc/[0-9]*/comm')" \
	nginx 'one does not see the processes of the other'

# What one has made of its resolv.conf is its own until the host's changes
as_user "$PODSPLICE" exec back -- sh -c 'echo "# mine" >>/etc/resolv.conf'
verb run -d --pod web --name later -- sleep 1000
knows() # CONTAINER NAME
{
	as_user "$PODSPLICE" exec "$1" -- grep -qw "$2" /etc/hosts
}
check 'one in the pod learns of the next' wait_for 20 knows back later
is "$(as_user "$PODSPLICE" exec back -- tail -n 1 /etc/resolv.conf)" '# mine' \
	'... and keeps what it has written to its resolv.conf'
verb rm -f later

# The verbs by the names of containers and pods
verb port front
like "$OUT" ' 8080 ' "port of a container is its pod's"
verb flows front
is "$STATUS" 0 'flows, too'
verb ps --pod
like "$OUT" 'front +running .*\*:8080->80/tcp .* web' 'ps --pod shows the pod'
is "$(container front '(c["pod"], [p["host_port"] for p in c["ports"]])')" \
	"('web', [8080])" '... and ps --json'
is "$(of_json '[(p["name"], sorted(p["containers"])) for p in j["pods"]]' pod ls --json)" \
	"[('web', ['back', 'front'])]" 'pod ls --json names its containers'
verb pod ls
like "$OUT" 'web +running .* 2 +\*:8080->80/tcp' '... and pod ls counts them'
verb exec web -- true
is "$STATUS $ERR" '125 podsplice: web: a pod of 2 containers: name one of them (podsplice ps -a --pod)' \
	'exec by the name of a pod with several containers'

# /etc/hosts
hosts_of()
{
	as_user "$PODSPLICE" exec "$1" -- awk '{ print $2 }' /etc/hosts |
		sort -u | paste -sd' '
}
is "$(hosts_of front)" 'back front localhost web' \
	'hosts has the names of pod and containers'
is "$(hosts_of back)" 'back front localhost web' \
	'... also of those that were started later'
is "$(as_user "$PODSPLICE" exec back -- getent ahostsv4 front | awk 'NR == 1 { print $1 }')" \
	"$POD4" '... at the address of the pod'
verb run -d --pod web --name brief -- sh -c 'read x'
check '... a container that has ended is no longer there' \
	wait_for 20 eval '[ "$(hosts_of back)" = "back front localhost web" ]'
is "$(container brief '(c["state"], c["exit_code"])')" "('exited', 1)" \
	'... its exit status is kept'
is "$(about web 'j["state"]')" running 'a container that ends leaves the pod'
verb rm brief
resolv 'nameserver 192.0.2.77
search changed.example'
changed()
{
	as_user "$PODSPLICE" exec "$1" -- grep -q changed.example /etc/resolv.conf
}
check "a change of the host's resolvers reaches the first container" \
	wait_for 20 changed back
check '... and the second' wait_for 20 changed front
verb run --pod web -- grep -c changed.example /etc/resolv.conf
is "$STATUS|$OUT" '0|1' '... and one that comes later'
resolv "nameserver $PEER4"

# Ports of a container, live
verb run -d --pod web --name more -p 9090:90 -- "$PY" "$T/net.py" serve 90
is "$STATUS|$ERR" '0|' 'run -p adds a port to the pod'
asks_more()
{
	peer_net who "$HOST4" 9090 | grep -q "^$PEER4 "
}
check '... which is served' wait_for 20 asks_more
verb run -d --pod web --name other -p 8080:81 -- sleep 1000
like "$STATUS $ERR" '^125 podsplice: web: [^[:cntrl:]]*8080/tcp: address already in use[^[:cntrl:]]*$' \
	'a port that is taken'
is "$(as_user "$PODSPLICE" ps -aq | grep -c other)" 0 '... leaves no container'
verb run --pod web -p 9191:91 -p 8080:81 -- true
is "$STATUS $(about web '[p["host_port"] for p in j["ports"]]')" \
	'125 [8080, 9090]' '... nor any other port'
verb run -d --pod web -p 9192:92 -- nosuchcommand
is "$STATUS $(about web '[p["host_port"] for p in j["ports"]]')" \
	'125 [8080, 9090]' '... nor does a command that is not there'
for i in 1 2 3; do
	verb stop more
	verb start more
	is "$STATUS|$ERR" '0|' "started again, it has its port again ($i)"
done
check '... which is served' wait_for 20 asks_more
kill -KILL "$(container more 'c["supervisor"]')"
ports_are()
{
	[ "$(about web '[p["host_port"] for p in j["ports"]]')" = "$1" ]
}
check 'its supervisor is killed: the port is withdrawn' \
	wait_for 20 ports_are '[8080]'
verb rm more

# In the foreground: streams, exit status, signals
verb run --pod web -- sh -c 'echo out; echo err >&2; exit 3'
is "$STATUS|$OUT|$ERR" '3|out|err' 'in the foreground'
spawn fore "${AS_USER[@]}" "$PODSPLICE" run --pod web --name fore -- \
	sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
FORE=$PID
wait_for 20 grep -qs ready "$T/fore.out"
kill -TERM "$FORE"
reap "$FORE"
is "$STATUS" 9 '... signals go to the command'
like "$(guard "${AS_USER[@]}" "$PY" "$T/net.py" pty 'wait=a tty,exit' "$PODSPLICE" \
	run -t --pod web -- sh -c 'test -t 0 && echo a tty' | tr -d '\r')" '^a tty' \
	'... with a terminal'

# What can't be
for words in '--pod web --cidr 10.9.0.0/24' '--pod web --host-loopback' \
	'--pod web --hostname box' '--pid pod' '--pod web --pid host' \
	'--pod nosuch' '--pod new:web' '--pod back' '--pod W'; do
	# shellcheck disable=SC2086 # words
	verb run $words -- true
	like "$STATUS $ERR" '^125 podsplice: [^[:cntrl:]]+$' "run $words"
done

# A root of its own, other users, capabilities
make_rootfs "$T/root"
verb run --pod web --rootfs "$T/root" -- sh -c \
	'cat /etc/issue; id -u; hostname; grep -c '\''[[:space:]]back$'\'' /etc/hosts; wget -qO- http://localhost:5000/'
is "$OUT|$ERR" "the image
0
web
2
None 127.0.0.1|" '--rootfs in a pod'
verb run -d --pod web --name boxed --rootfs "$T/root" -- sleep 1000
verb exec front -- "$PY" -c 'from multiprocessing.shared_memory import SharedMemory as S
s = S("made", True, 5)
s.buf[:5] = b"there"
from multiprocessing.resource_tracker import unregister
unregister("/made", "shared_memory")'
is "$STATUS|$ERR" '0|' 'POSIX shared memory'
is "$(as_user "$PODSPLICE" exec boxed -- head -c 5 /dev/shm/made)" there \
	'... is there in a container with a root of its own'
verb run --pod web --rootfs "$T/root:ro" -- sh -c \
	'head -c 5 /dev/shm/made; rm /dev/shm/made; ls /dev/shm; grep -c shm /proc/mounts'
is "$STATUS|$OUT" $'0|there1' '... and in another one, which removes it'
verb run --pod web --read-only --tmpfs /dev/shm -- ls /dev/shm
is "$STATUS|$OUT" '0|' '... unless it asks for one of its own'
verb exec back -- ls /dev/shm
is "$STATUS|$OUT" '0|' '... then it is gone everywhere'
verb rm -f boxed
verb run --pod web --rootfs "$T/root:O" --tmpfs /data -v "$T/back.py:/b:ro" \
	-- sh -c 'touch /x; touch /data/x && test -s /b && echo fine'
is "$OUT|$ERR" 'fine|' '... with its options'
verb run --pod web -u 0:0 --cap-drop ALL -- grep CapEff /proc/self/status
like "$OUT" '0000000000000000' '--cap-drop in a pod'
verb run --pod web -- sh -c 'cat /proc/self/status' 
like "$OUT" 'NoNewPrivs:[[:space:]]1' '... and no new privileges'
# what interpreters with a compiler do; for our own processes it is refused
cat >"$T/compile.py" <<'END'
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
page = ctypes.c_void_p(libc.mmap(None, 4096, 3, 0x22, -1, 0))
print(libc.mprotect(page, 4096, 5))
END
verb run -- "$PY" "$T/compile.py"
is "$OUT" 0 'a command may make memory executable'
verb run --pod web -- "$PY" "$T/compile.py"
is "$OUT" 0 '... also in a pod'

# A pid namespace that is shared. This suite may run twice at once: the sleeps
# of this one have its number.
FIRST=4711.$$ SECOND=4712.$$
verb run -d --pod web --pid pod --name one -- sh -c "sleep $FIRST & wait"
verb run -d --pod web --pid pod --name two -- sleep "$SECOND"
sees()
{
	[ "$(as_user "$PODSPLICE" exec "$1" -- sh -c \
		"cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -o 'sleep $2'" |
		sort -u)" = "sleep $2" ]
}
check '--pid pod: one sees the other' wait_for 20 sees one "$SECOND"
check '... and the other it' sees two "$FIRST"
is "$(inode one pid)" "$(about web 'j["namespaces"]["pid"]')" \
	"... in the pod's namespace"
is "$(as_user "$PODSPLICE" exec one -- cat /proc/1/comm)" podsplice \
	'... where infra is the first process'
is "$(as_user "$PODSPLICE" exec one -- sh -c 'kill -9 1; ls /proc/1/root /proc/1/fd' 2>&1 |
	grep -c 'Permission denied')" 2 '... which nobody can look into, or kill'
sleeps() # SECONDS: how many processes
{
	pgrep -cfx "sleep $1" -u "$ACCOUNT_UID"
}
verb stop -t 0 one
check '... all processes of one end with it' wait_for 10 eval '[ "$(sleeps "$FIRST")" = 0 ]'
is "$(sleeps "$SECOND")" 1 '... and no other'
verb start one
kill -KILL "$(container one 'c["pid"]')"
check '... also when its first process is killed' \
	wait_for 10 eval '[ "$(sleeps "$FIRST")" = 0 ]'
check '... whose status is known' wait_for 20 container_is one "('exited', 137)"
verb start one
kill -KILL "$(container one 'c["supervisor"]')"
check '... also when its supervisor is' \
	wait_for 10 eval '[ "$(sleeps "$FIRST")" = 0 ]'
is "$(sleeps "$SECOND")" 1 '... and those of the other container go on'

# The pod stops and starts
verb stop front
verb start front
verb rm one
cat >"$T/order.sh" <<'END'
trap 'date +%s%N >"$1"; exit 0' TERM
echo ready
while :; do sleep 0.05; done
END
for name in first second third; do
	verb run -d --pod web --name $name -- sh "$T/order.sh" "$WORK/$name"
	wait_for 20 eval 'as_user "$PODSPLICE" logs $name | grep -q ready'
done
verb pod stop web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod stop'
is "$(cd "$WORK" && for f in first second third; do echo "$(cat $f) $f"; done |
	sort -n | awk '{ print $2 }' | paste -sd' ')" 'third second first' \
	'... in the reverse order of the starts'
is "$(as_user "$PODSPLICE" ps -q)" '' '... nothing of it runs'
is "$(container third '(c["state"], c["exit_code"])')" "('exited', 0)" \
	'... by SIGTERM'
verb start front
is "$STATUS $ERR" '125 podsplice: web: not running (podsplice pod start web)' \
	'a container of a pod that is stopped'
verb exec front -- true
is "$STATUS $ERR" '125 podsplice: front: not running (podsplice start front)' \
	'... exec'
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod start'
is "$(as_user "$PODSPLICE" ps -q | sort | paste -sd' ')" \
	'back first front second third two' '... with its containers'
check '... which serve' wait_for 20 answers "http://$HOST4:8080/" \
	"$PEER4 127.0.0.1"
verb logs first
is "$OUT" 'ready
ready' '... and go on with their logs'
verb rm -f two first second third

# kill -9 of what holds it
INIT=$(container front 'c["pid"]')
kill -KILL "$(pid_of web supervisor)"
check "the pod's supervisor is killed: its containers end" wait_for 10 gone "$INIT"
check '... the pod is stopped' wait_for 10 pod_is web stopped
check '... its containers, too' \
	wait_for 10 container_is front "('exited', 137)"
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' '... it can be started'
INIT=$(container back 'c["pid"]')
kill -KILL "$(pid_of web infra)"
check 'infra is killed: its containers end' wait_for 10 gone "$INIT"
wait_for 10 container_is back "('exited', 137)"
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' '... it can be started'
kill -KILL "$(pid_of web netstack)" "$(pid_of web portfwd)" "$(pid_of web maker)"
check 'its helpers are killed: it is served again' \
	wait_for 20 answers "http://$HOST4:8080/" "$PEER4 127.0.0.1"
SUP=$(container back 'c["supervisor"]') INIT=$(container back 'c["pid"]')
kill -KILL "$SUP"
check "a container's supervisor is killed: the container ends" \
	wait_for 10 gone "$INIT"
is "$(container back '(c["state"], c["exit_code"])') $(about web 'j["state"]')" \
	"('exited', None) running" '... the pod goes on'
verb start back
is "$STATUS|$ERR" '0|' '... it can be started'
kill -KILL "$(container front 'c["pid"]')"
check "a container's first process is killed: its status is known" \
	wait_for 10 container_is front "('exited', 137)"
verb pod rm -f web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod rm -f'
leftovers 'a pod with containers'

# A pod that is made for its container
verb run -d --pod new:made -p 8080:80 --host-loopback --name srv -- \
	"$PY" "$T/net.py" serve 80
is "$STATUS|$OUT|$ERR" '0|srv|' 'run --pod new:'
check '... is served' wait_for 20 eval 'peer_net who "$HOST4" 8080 | grep -q "^$PEER4 "'
is "$(hosts_of made)" 'host.containers.internal localhost made srv' \
	'... hosts names the host, where it can be reached'
is "$(as_user "$PODSPLICE" exec made -- getent ahostsv4 host.containers.internal |
	awk 'NR == 1 { print $1 }')" "$GW4" '... at the gateway'
verb pod stop made
verb pod start made
is "$STATUS|$ERR" '0|' '... stopped and started again'
check '... it is served' wait_for 20 eval 'peer_net who "$HOST4" 8080 | grep -q "^$PEER4 "'
verb run --pod new:brief -- true
is "$STATUS $(about brief 'j["state"]')" '0 running' \
	'... the pod goes on when its container has ended'
verb run --pod new:undone -- nosuchcommand
is "$STATUS" 127 'a command that is not there'
verb run -d --pod new:undone -- nosuchcommand
is "$STATUS $(as_user "$PODSPLICE" pod ls -q | grep -c undone)" '125 0' \
	'... leaves no pod'

# Two pods that reach each other through the host
verb run --pod brief -- "$PY" "$T/net.py" who "$HOST4" 8080
is "$OUT" "$HOST4 other-port" \
	"another pod reaches it by the host's address, and is seen with that"
verb pod rm -f made brief
is "$STATUS|$ERR" '0|' 'pod rm -f of both'

# Less is shared
verb pod create --name bare --share net
verb run -d --pod bare --name one -- sleep 1000
verb run -d --pod bare --name two --hostname box -- sleep 1000
for ns in ipc uts; do
	unlike "$(inode one $ns)" "^$(inode two $ns)\$" "--share net: $ns is not"
done
is "$(inode one net)" "$(inode two net)" '... net is'
verb run --pod bare --name three --rootfs "$T/root" -- sh -c \
	'echo x >/dev/shm/mine; cat /dev/shm/mine'
is "$OUT" x '... /dev/shm is its own'
verb run --pod bare --name three --rootfs "$T/root" -- ls /dev/shm
is "$STATUS|$OUT" '0|' '... so nobody sees it'
is "$(as_user "$PODSPLICE" exec one hostname) $(as_user "$PODSPLICE" exec two hostname)" \
	'one box' '... each has a host name'
is "$(hosts_of one)" 'bare box localhost one two' '... which hosts has'
verb pod rm -f bare
verb pod create --name all --share net,ipc,uts,pid
verb run -d --pod all --name one -- sleep 4713
verb run -d --pod all --name two -- sleep 4714
check '--share pid: without being asked for' sees two 4713
verb pod rm -f all
is "$(sleeps 4713) $(sleeps 4714)" '0 0' '... and nothing is left'
leftovers 'all pods'
finish
