#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pods from Kubernetes' files: a web server and a cache, as images would have
# them, made, found, removed, and written back.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"
. "$(dirname "$0")/rootfs_lib.sh"

PORTS_BEFORE=$(ports_of_host)

# Images: busybox, and a server with the libraries it needs
add_program() # ROOT PROGRAM
{
	local file
	file=$(PATH=$PATH:/usr/sbin command -v "$2") || return
	cp "$file" "$1/bin/"
	for file in $(ldd "$file" | grep -o '/[^ ]*'); do
		mkdir -p "$1${file%/*}"
		cp -n "$file" "$1$file"
	done
}
for image in box nginx redis; do
	make_rootfs "$WORK/$image"
done
for words in 'nginx nginx' 'redis redis-server' 'redis redis-cli'; do
	add_program "$WORK/${words% *}" "${words#* }" ||
		skip_all "${words#* } is not there"
done
echo 'root:x:0:' >"$WORK/nginx/etc/group"
mkdir -p "$WORK"/nginx/{run,var/log/nginx,var/lib/nginx} "$WORK/conf"
chown -hR "$ACCOUNT_UID:$ACCOUNT_GID" "$WORK"/{nginx,redis,conf}
cat >"$WORK/conf/nginx.conf" <<'END'
user root;
daemon off;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	server {
		listen 80;
		root /pages;
		location /client { return 200 "$remote_addr\n"; }
	}
}
END
IMAGES=(--image "web/nginx:1=$WORK/nginx" --image "redis=$WORK/redis"
	--image "box=$WORK/box")

cat >"$T/shop.yaml" <<END
# a comment
apiVersion: v1
kind: Pod
metadata:
  name: shop
  labels: {app: shop}
spec:
  hostname: counter
  initContainers:
  - name: pages
    image: box
    command: [sh, -c]
    args:
    - |
      echo "\$(GREETING), \$(hostname)" >/pages/index.html
      mkdir /pages/closed && touch /pages/closed/file
      chown -R 33:33 /pages/closed && chmod 700 /pages/closed
      echo the pages are made
    env:
    - name: GREETING
      value: hello
    volumeMounts:
    - {name: pages, mountPath: /pages}
  - {name: second, image: box, command: [test, -s, /pages/index.html],
     volumeMounts: [{name: pages, mountPath: /pages}]}
  containers:
  - name: web
    image: web/nginx:1
    command: [nginx]
    args: [-c, /conf/nginx.conf, -e, stderr]
    ports:
    - containerPort: 80
      hostPort: 8080
    volumeMounts:
    - {name: pages, mountPath: /pages, readOnly: true}
    - {name: conf, mountPath: /conf, readOnly: true}
  - name: cache
    image: redis
    command: [redis-server, --protected-mode, "no", --save, "", --dir, /tmp]
    env:
    - {name: PRICE, value: 5\$\$}
    ports:
    - {containerPort: 6379, hostPort: 6379, hostIP: $HOST4}
  volumes:
  - name: pages
    emptyDir: {}
  - name: conf
    hostPath:
      path: $WORK/conf
      type: Directory
END
chmod 644 "$T/shop.yaml"

page_is() # WANT
{
	[ "$(in_peer curl -s --max-time 10 "http://$HOST4:8080/")" = "$1" ]
}
pongs()
{
	[ "$(in_peer timeout 10 redis-cli -h "$HOST4" "$@" 2>&1)" = PONG ]
}
serves() # NAME
{
	check "$1: the web server answers, with what was prepared" \
		wait_for 20 page_is 'hello, counter'
	is "$(in_peer curl -s --max-time 10 "http://$HOST4:8080/client")" \
		"$PEER4" '... and knows its client'
	check '... the cache answers' wait_for 20 pongs ping
}

# play
verb kube play "${IMAGES[@]}" "$T/shop.yaml"
is "$STATUS|$OUT|$ERR" '0|shop|the pages are made' \
	'kube play prints the name, initContainers on stderr'
serves 'played'
is "$(about shop 'j["state"], sorted(c["name"] for c in j["containers"])')" \
	"('running', ['shop-cache', 'shop-web'])" \
	'the pod has its containers, and no others'
is "$(about shop 'sorted((p["host_addr"], p["host_port"]) for p in j["ports"])')" \
	"[('$HOST4', 6379), ('::', 8080)]" '... and its ports'
is "$(as_user "$PODSPLICE" exec shop-web -- hostname)" counter \
	'... and its host name'
is "$(as_user "$PODSPLICE" exec shop-cache -- redis-cli -h localhost ping)" \
	PONG 'they meet on localhost'
# shellcheck disable=SC2016 # for the inner shell
is "$(as_user "$PODSPLICE" exec shop-cache -- sh -c 'echo $PRICE')" '5$' \
	'env is understood as there'
verb exec shop-web -- touch /conf/x
is "$STATUS" 1 'a volume is read-only'
verb exec shop-web -- sh -c 'ls -A /'
unlike "$OUT" home 'an image is all that a container sees'
WEB=$(container shop-web 'c["pid"]')
kill -KILL "$WEB"
wait_for 20 gone "$WEB"
serves 'killed, and started again'
verb pod stop shop
verb pod start shop
is "$STATUS" 0 'the pod is stopped and started'
serves 'started'
verb kube play "${IMAGES[@]}" "$T/shop.yaml"
like "$STATUS|$OUT|$ERR" '^125\|\|podsplice: shop: a pod of that name is running' \
	'once more is too often'
serves 'after that'

# generate
cat >"$T/want.yaml" <<END
---
apiVersion: v1
kind: Pod
metadata:
  name: shop
spec:
  hostname: counter
  restartPolicy: Always
  containers:
  - name: web
    image: 'web/nginx:1'
    command:
    - nginx
    - '-c'
    - /conf/nginx.conf
    - '-e'
    - stderr
    ports:
    - containerPort: 80
      hostPort: 8080
    volumeMounts:
    - name: pages
      mountPath: /pages
      readOnly: true
    - name: conf
      mountPath: /conf
      readOnly: true
  - name: cache
    image: redis
    command:
    - redis-server
    - '--protected-mode'
    - 'no'
    - '--save'
    - ''
    - '--dir'
    - /tmp
    env:
    - name: PRICE
      value: '5\$'
    ports:
    - containerPort: 6379
      hostPort: 6379
      hostIP: '$HOST4'
  volumes:
  - name: pages
    emptyDir: {}
  - name: conf
    hostPath:
      path: $WORK/conf
END
# volumes of the host have no name of their own
sed 's/name: conf$/name: host-1/' "$T/want.yaml" >"$T/want2.yaml"
verb kube generate shop
is "$STATUS|$ERR" '0|' 'kube generate'
is "$OUT" "$(cat "$T/want2.yaml")" '... writes it back'
verb pod stop shop
verb kube generate shop
is "$STATUS|$OUT" "0|$(cat "$T/want2.yaml")" '... also when it is stopped'

# down
verb kube down "$T/shop.yaml"
is "$STATUS|$OUT|$ERR" '0||' 'kube down'
leftovers 'kube down'
verb kube down "$T/shop.yaml"
is "$STATUS|$OUT|$ERR" '0||' '... once more is fine'

# what was generated, from stdin: a container in front prepares the page
guard "${AS_USER[@]}" "$PODSPLICE" kube play "${IMAGES[@]}" - \
	<"$T/want.yaml" >"$T/fg.out" 2>&1
is "$? $(cat "$T/fg.out")" '0 shop' 'what was generated can be played'
as_user "$PODSPLICE" run --pod shop \
	-v "$RUNTIME/podsplice/containers/shop/volumes/pages:/pages" \
	--rootfs "$WORK/box" -- sh -c 'echo "hello, counter" >/pages/index.html'
serves 'played again'
verb pod rm -f shop
is "$STATUS" 0 'pod rm -f'
leftovers 'pod rm -f'

# A file is all or nothing
pod_file() # NAME SPEC-LINES: a document
{
	printf -- '---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n' \
		"$1"
	printf '  %s\n' "${@:2}"
}
SLEEPS='containers: [{name: a, command: [sleep, "1000"]}]'
files() # TEXT...: into FILE
{
	FILE=$WORK/file.yaml
	printf '%s\n' "$@" >"$FILE"
	chmod 644 "$FILE"
}
nothing_is_left() # NAME
{
	is "$(as_user "$PODSPLICE" ps -aq
		as_user "$PODSPLICE" pod ls -q)" '' "$1"
}
files "$(pod_file one "$SLEEPS" 'restartPolicy: Never')" "$(pod_file two "$SLEEPS")"
verb kube play "$FILE"
is "$STATUS|$OUT|$ERR" '0|one
two|' 'several documents'
verb kube play "$FILE"
like "$STATUS $ERR" '^125 podsplice: one: a pod of that name is running' \
	'... once more is refused'
is "$(as_user "$PODSPLICE" ps -q | sort | paste -sd' ')" 'one-a two-a' \
	'... and harms nothing'
verb kube down "$FILE"
nothing_is_left '... down'
verb pod create --name two
verb kube play "$FILE"
is "$STATUS|$OUT" '125|' 'the second pod is there already'
is "$(as_user "$PODSPLICE" pod ls -q)" two '... it stays, and the first is not kept'
verb pod rm -f two
files "$(pod_file one "$SLEEPS")" "$(pod_file two \
	'containers: [{name: a, command: [nosuchcommand]}]')"
verb kube play "$FILE"
is "$STATUS|$OUT|$ERR" '125||podsplice: nosuchcommand: not found' \
	'a command that is not there'
nothing_is_left '... keeps no pod'
files "$(pod_file one "$SLEEPS")" "$(pod_file two \
	'containers: [{name: a, image: "box:2", command: [x]}]')"
verb kube play --image box=/ "$FILE"
is "$STATUS|$OUT|$ERR" \
	'125||podsplice: two-a: image box:2: in which directory? (--image box:2=DIR)' \
	'an image that nobody has named'
nothing_is_left '... keeps no pod'
files "$(pod_file one "$SLEEPS" \
	'initContainers: [{name: i, command: [sh, -c, "echo no >&2; exit 3"]}]')"
verb kube play "$FILE"
is "$STATUS|$OUT|$ERR" \
	"125||no
podsplice: one-i: has ended with 3, so the pod isn't started" \
	'an init container that fails'
nothing_is_left '... keeps no pod'
files "$(pod_file one 'containers: [{name: a, command: [sleep, "1000"], ports: [{containerPort: 80, hostPort: 8080}]}]')" \
	"$(pod_file two 'containers: [{name: a, command: [sleep, "1000"], ports: [{containerPort: 80, hostPort: 8080}]}]')"
verb kube play "$FILE"
like "$STATUS|$OUT|$ERR" \
	'^125\|\|podsplice: two: [^[:cntrl:]]*8080/tcp: address already in use[^[:cntrl:]]*$' \
	'a port that is taken'
nothing_is_left '... keeps no pod'

# Told to stop
files "$(pod_file one "$SLEEPS")" "$(pod_file two "$SLEEPS" \
	'initContainers: [{name: i, command: [sh, -c, "echo waiting; sleep 1000"]}]')"
for sig in TERM INT HUP; do
	spawn play "${AS_USER[@]}" "$PODSPLICE" kube play "$FILE"
	PLAY=$PID
	wait_for 20 grep -qs waiting "$T/play.err"
	kill -$sig "$PLAY"
	reap "$PLAY"
	is "$STATUS $(tail -n 1 "$T/play.err")" \
		'125 podsplice: two: told to stop, so nothing is kept' "SIG$sig"
	nothing_is_left '... keeps no pod'
done

# ... at any moment: all is there, or nothing
files "$(pod_file one "$SLEEPS")" "$(pod_file two "$SLEEPS")"
for ms in 5 10 15 20 25 30 40 50 60 80 100 120; do
	caught timeout --foreground --preserve-status "0.$(printf %03d $ms)" \
		"${AS_USER[@]}" "$PODSPLICE" kube play "$FILE"
	THERE=$(as_user "$PODSPLICE" pod ls -q | sort | tr '\n' ' ')
	case $STATUS in
	125) is "$THERE" '' "SIGTERM after $ms ms keeps no pod" ;;
	0) is "$THERE" 'one two ' "SIGTERM after $ms ms: too late" ;;
	*) # before it had begun, or after it was done
		like "$STATUS $THERE" '^143 (one two )?$' \
			"SIGTERM after $ms ms: as if killed" ;;
	esac
	verb kube down "$FILE"
done

# What is not supported
files "$(pod_file one "$SLEEPS" 'hostNetwork: true')" \
	"---
apiVersion: v1
kind: Service"
verb kube play "$FILE"
is "$STATUS|$OUT|$ERR" \
	"125||podsplice: $FILE:7: spec.hostNetwork: not supported (--lax leaves such fields out)" \
	'an unknown field is refused by its name'
verb kube play --lax "$FILE"
is "$STATUS|$OUT|$ERR" \
	"0|one|podsplice: $FILE:7: spec.hostNetwork: unknown, left out
podsplice: $FILE:10: kind: Service is not supported, left out" \
	'... and left out with --lax'
verb kube down "$FILE"
is "$STATUS|$ERR" '0|' 'down takes it as it is'
nothing_is_left '... and removes it'

# Volumes of the host
files "$(pod_file one 'restartPolicy: Never' 'volumes:' \
	"- {name: d, hostPath: {path: $WORK/made/dir, type: DirectoryOrCreate}}" \
	"- {name: f, hostPath: {path: $WORK/made/file, type: FileOrCreate}}" \
	'containers:' \
	'- {name: a, image: box, command: [sh, -c, "echo d >/d/x; echo f >/f"], volumeMounts: [{name: d, mountPath: /d}, {name: f, mountPath: /f}]}')"
verb kube play "${IMAGES[@]}" "$FILE"
is "$STATUS|$ERR" '0|' 'files and directories of the host are made'
check '... and written to' wait_for 20 container_is one-a "('exited', 0)"
is "$(cat "$WORK/made/dir/x" "$WORK/made/file")" 'd
f' '... where they are'
verb kube down "$FILE"
is "$(cat "$WORK/made/file")" f '... and stay'
for type in Directory DirectoryOrCreate Socket; do
	files "$(pod_file one "$SLEEPS" \
		"volumes: [{name: f, hostPath: {path: $WORK/made/file, type: $type}}]")"
	verb kube play "$FILE"
	is "$STATUS|$ERR" \
		"125|podsplice: one: volume f: $WORK/made/file: is no $type" \
		"... a file is no $type"
done
files "$(pod_file one "$SLEEPS" \
	"volumes: [{name: f, hostPath: {path: $WORK/nosuch, type: File}}]")"
verb kube play "$FILE"
like "$STATUS $ERR" "^125 podsplice: one: volume f: $WORK/nosuch: No such file" \
	'... one that is not there'
nothing_is_left '... keeps no pod'

# One that was made by hand
verb pod create --name hand -p 8081:81 -p 8082-8083:82-83/udp,idle=5 \
	--mtu 1400 --dns 192.0.2.53 --share net,ipc,uts,pid -h Hand.example
# shellcheck disable=SC2016 # for a file
verb run -d --pod hand --name hand_one --rootfs "$WORK/box:O" --cap-drop ALL \
	-e 'A=$(B) $5 $$' -w /tmp -- sleep 1000
verb run -d --pod hand --name other -p 9090:90 -- sleep 1000
verb run -d --rm --pod hand --name brief -- sleep 1000
verb kube generate hand
is "$STATUS" 0 'a pod that was made by hand'
is "$ERR" "podsplice: brief: not in the file, as it doesn't stay
podsplice: hand: not in the file: --hostname --mtu
podsplice: hand: --publish 8082-8083:82-83/udp,idle=5: not all of it is in the file
podsplice: hand_one: not in the file: --rootfs :ro, :O --cap-drop" \
	'... what a file can not say is told'
# shellcheck disable=SC2016 # of a file
is "$OUT" "---
apiVersion: v1
kind: Pod
metadata:
  name: hand
spec:
  restartPolicy: Never
  shareProcessNamespace: true
  dnsPolicy: None
  dnsConfig:
    nameservers:
    - '192.0.2.53'
  containers:
  - name: hand-one
    image: $WORK/box
    command:
    - sleep
    - '1000'
    workingDir: /tmp
    env:
    - name: A
      value: '"'$$(B) $5 $$$'"'
    ports:
    - containerPort: 81
      hostPort: 8081
    - containerPort: 82
      hostPort: 8082
      protocol: UDP
    - containerPort: 83
      hostPort: 8083
      protocol: UDP
  - name: other
    command:
    - sleep
    - '1000'
    workingDir: /
    ports:
    - containerPort: 90
      hostPort: 9090" '... the rest is in it'
printf '%s\n' "$OUT" >"$WORK/hand.yaml"
cp "$T/fg.out" "$T/hand.yaml"
verb pod rm -f hand
verb kube play "$WORK/hand.yaml"
is "$STATUS|$OUT|$ERR" '0|hand|' '... and can be played'
verb kube generate hand
is "$OUT" "$(cat "$T/hand.yaml")" '... to be the same'
verb kube down "$WORK/hand.yaml"
verb pod create --name empty
verb kube generate empty
like "$STATUS $ERR" '^125 podsplice: empty: no containers' \
	'a pod without containers is none for a file'
verb pod rm -f empty

# What is said
for words in 'kube' 'kube play' 'kube play a b' 'kube down' 'kube generate' \
	'kube generate a b' 'kube generate nosuch' 'kube play nosuch.yaml' \
	'kube down nosuch.yaml' 'kube play --image x a' 'kube play --image =/ a' \
	'kube play /' 'kube play /dev/null' 'kube down /dev/null' 'kube stop'; do
	# shellcheck disable=SC2086 # words
	verb $words
	like "$STATUS|$OUT|$ERR" '^125\|\|podsplice: [^[:cntrl:]]+$' "$words"
done
truncate -s 2M "$WORK/large.yaml"
verb kube play "$WORK/large.yaml"
is "$STATUS|$OUT|$ERR" "125||podsplice: $WORK/large.yaml: File too large" \
	'a file of 2 MiB'
leftovers 'pods from files'
finish
