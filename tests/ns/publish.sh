#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Published TCP ports with real servers and clients: nginx, redis and iperf3
# in pods, curl, redis-cli and iperf3 on another host and on loopback.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)

# nginx

WWW=$WORK/www
install -d -m 1777 "$WWW" "$WWW/up"
echo 'hello from the pod' >"$WWW/index.html"
"$PY" - "$WWW/big" <<-'END'
	import hashlib, sys
	block = hashlib.shake_128(b'big').digest(1000000)
	with open(sys.argv[1], 'wb') as f:
	    for i in range(200):
	        f.write(i.to_bytes(8, 'big') + block[8:])
END
BIG=$(sha256sum <"$WWW/big")
head -c 10485760 "$WWW/big" >"$T/first"
cat >"$WORK/nginx.conf" <<END
error_log $WORK/error.log;
pid $WORK/nginx.pid;
worker_processes 2;
worker_rlimit_nofile 4096;
events { worker_connections 2000; }
http {
	access_log $WORK/access.log combined;
	client_body_temp_path $WORK/t1;
	proxy_temp_path $WORK/t2;
	fastcgi_temp_path $WORK/t3;
	uwsgi_temp_path $WORK/t4;
	scgi_temp_path $WORK/t5;
	client_max_body_size 0;
	server {
		listen 80 backlog=1024;
		listen [::]:80 backlog=1024;
		root $WWW;
		location /up/ { dav_methods PUT; }
	}
}
END
pod nginx -p 8080:80 -- nginx -g 'daemon off;' -c "$WORK/nginx.conf" ||
	bail 'the pod with nginx did not start'
wait_port pod 80 || bail 'nginx did not come up'

# before anything else goes through it
is "$(timeout 20 "${IN_PEER[@]}" curl -sS --max-time 5 -o /dev/null \
	-w '%{http_code}' -T "$T/first" "http://$HOST4:8080/up/first" 2>&1)" \
	201 'a first upload of 10 MiB has no stall'
is "$(sha256sum <"$WWW/up/first")" "$(sha256sum <"$T/first")" \
	'... and arrives whole'

for url in "http://$HOST4:8080/" "http://[$HOST6]:8080/"; do
	is "$(guard "${IN_PEER[@]}" curl -sS --max-time 20 "$url" 2>&1)" \
		'hello from the pod' "curl from the other host: $url"
done
for url in http://127.0.0.1:8080/ 'http://[::1]:8080/' \
	"http://$HOST4:8080/" "http://[$HOST6]:8080/"; do
	is "$(guard "${IN_HOST[@]}" curl -sS --max-time 20 "$url" 2>&1)" \
		'hello from the pod' "curl from the same host: $url"
done

in_peer curl -sS -o /dev/null -A mark4 "http://$HOST4:8080/"
in_peer curl -sS -o /dev/null -A mark6 "http://[$HOST6]:8080/"
in_host curl -sS -o /dev/null -A markl "http://127.0.0.1:8080/"
in_host curl -sS -o /dev/null -A markl6 "http://[::1]:8080/"
wait_for 5 grep -q markl6 "$WORK/access.log"
is "$(awk '/mark4/ { print $1 }' "$WORK/access.log")" "$PEER4" \
	"the access log has the client's own IPv4 address"
is "$(awk '/mark6/ { print $1 }' "$WORK/access.log")" "$PEER6" \
	"the access log has the client's own IPv6 address"
is "$(awk '/"markl"/ { print $1 }' "$WORK/access.log")" "$GW4" \
	'a loopback client is seen as the gateway (IPv4)'
is "$(awk '/"markl6"/ { print $1 }' "$WORK/access.log")" "$GW6" \
	'a loopback client is seen as the gateway (IPv6)'

for via in "peer $HOST4" "peer [$HOST6]" "host 127.0.0.1" "host [::1]"; do
	# shellcheck disable=SC2086 # two words
	set -- $via
	from=("${IN_PEER[@]}")
	[ "$1" = peer ] || from=("${IN_HOST[@]}")
	is "$(guard "${from[@]}" curl -sS "http://$2:8080/big" | sha256sum)" \
		"$BIG" "200 MB down, $1 to $2"
	is "$(guard "${from[@]}" curl -sS -o /dev/null -w '%{http_code}' \
		-T "$WWW/big" "http://$2:8080/up/big" 2>&1)" 201 \
		"200 MB up, $1 to $2"
	is "$(sha256sum <"$WWW/up/big")" "$BIG" '... and the file is the same'
	rm -f "$WWW/up/big"
done
# both ways at once
spawn both "${IN_PEER[@]}" curl -sS -T "$WWW/big" "http://$HOST4:8080/up/both"
UP=$PID
is "$(guard "${IN_PEER[@]}" curl -sS "http://$HOST4:8080/big" | sha256sum)" \
	"$BIG" '200 MB down while 200 MB go up'
reap "$UP"
is "$STATUS $(sha256sum <"$WWW/up/both")" "0 $BIG" '... and the upload'
rm -f "$WWW/big" "$WWW/up/both"

pod_end
is "$STATUS" 0 'nginx ends in order at SIGTERM'
leftovers nginx

# redis

pod redis -p 6379 -- redis-server --bind '0.0.0.0' '::' --port 6379 \
	--protected-mode no --save '' --dir "$WORK" --loglevel warning ||
	bail 'the pod with redis did not start'
is "$(in_host ss -Hlnt | grep -c 6379)" 0 \
	'a SPEC of one port alone takes a free host port, not the same'
R=$(in_host ss -Hlnt | awk '{ sub(".*:", "", $4); print $4 }')
pod_end
leftovers 'ephemeral port'
like "$R" '^[0-9]+$' 'the ephemeral port is one dual-stack socket'

pod redis -p 6379:6379 -- redis-server --bind '0.0.0.0' '::' --port 6379 \
	--protected-mode no --save '' --dir "$WORK" --loglevel warning ||
	bail 'the pod with redis did not start'
wait_port pod 6379
redis()
{
	guard "$@" 2>&1 | tr -d '\r'
}
for host in "$HOST4" "$HOST6"; do
	is "$(redis "${IN_PEER[@]}" redis-cli -h "$host" SET "k$host" v1)" OK \
		"redis-cli from the other host, $host"
done
for host in 127.0.0.1 ::1; do
	is "$(redis "${IN_HOST[@]}" redis-cli -h "$host" GET "k$HOST6")" v1 \
		"redis-cli from loopback, $host"
done
like "$(redis "${IN_PEER[@]}" redis-cli -h "$HOST4" CLIENT LIST)" \
	"addr=$PEER4:" 'redis knows its client'
# 1-byte questions from 50 clients, in pipelines and one by one
is "$(redis "${IN_PEER[@]}" redis-benchmark -h "$HOST4" -q -n 5000 -c 50 \
	-t set,get --csv | grep -c '^"[GS]ET"')" 2 'redis-benchmark from there'
head -c 3000000 /dev/urandom | base64 -w0 >"$T/value"
redis "${IN_PEER[@]}" redis-cli -h "$HOST6" -x SET large <"$T/value" >/dev/null
is "$(redis "${IN_HOST[@]}" redis-cli GET large | tr -d '\n' | sha256sum)" \
	"$(sha256sum <"$T/value")" 'a value of 4 MB in and out'
pod_end
leftovers redis

# iperf3

pod iperf3 -p 5201:5201 -- iperf3 -s --forceflush ||
	bail 'the pod with iperf3: no start'
n=0
for via in "peer $HOST4" "peer $HOST6" "host 127.0.0.1" "host ::1"; do
	# shellcheck disable=SC2086 # two words
	set -- $via
	from=("${IN_PEER[@]}")
	[ "$1" = peer ] || from=("${IN_HOST[@]}")
	for way in '' -R; do
		iperf3_waits iperf3 $((n += 1))
		# shellcheck disable=SC2086 # no word, or one
		like "$(guard "${from[@]}" iperf3 -J -n 100M -c "$2" $way 2>&1 |
			"$PY" -c 'import json, sys
try:
    print(json.load(sys.stdin)["end"]["sum_received"]["bytes"])
except Exception as e:
    print("error", e)')" '^[0-9]{8,9}$' "iperf3 ${way:---} from $1 to $2"
	done
done
pod_end
leftovers iperf3
finish
