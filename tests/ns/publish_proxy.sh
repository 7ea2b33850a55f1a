#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# proxy=v1|v2 with servers that read the PROXY protocol: nginx and haproxy in
# one pod, and max=.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)

# nginx logs what the header says, and whom the kernel sees
cat >"$WORK/nginx.conf" <<END
error_log $WORK/nginx-error.log;
pid $WORK/nginx.pid;
events { worker_connections 500; }
http {
	log_format said '\$uri \$proxy_protocol_addr \$proxy_protocol_port'
		' \$proxy_protocol_server_addr \$proxy_protocol_server_port'
		' \$remote_addr';
	access_log $WORK/access.log said;
	client_body_temp_path $WORK/t1;
	proxy_temp_path $WORK/t2;
	fastcgi_temp_path $WORK/t3;
	uwsgi_temp_path $WORK/t4;
	scgi_temp_path $WORK/t5;
	server {
		listen 80 proxy_protocol;
		listen [::]:80 proxy_protocol;
		location / { return 204; }
	}
}
END
# haproxy answers with what the header says
cat >"$WORK/haproxy.cfg" <<END
defaults
	mode http
	timeout client 20s
	timeout server 20s
	timeout connect 20s
frontend pod
	bind :81 accept-proxy
	bind :::81 v6only accept-proxy
	http-request return status 200 content-type text/plain lf-string "%[path] %[src] %[src_port] %[dst] %[dst_port]"
END
pod proxy \
	-p 8001:80,proxy=v1 -p 8002:80,proxy=v2 \
	-p 8003:80,proxy=v1,source=off -p 8004:80,proxy=v2,source=off \
	-p 8101:81,proxy=v1 -p 8102:81,proxy=v2,source=off \
	-p "$HOST4:8103:81,proxy=v2" -p "[$HOST6]:8104:81,proxy=v1" \
	-p %eth0:8105:81,proxy=v1 -p 8106:81 \
	-- sh -c "nginx -c $WORK/nginx.conf &&
		exec haproxy -db -f $WORK/haproxy.cfg" ||
	bail 'the pod did not start'
wait_port pod 80 || bail 'nginx did not come up'
wait_port pod 81 || bail 'haproxy did not come up'

# curl_from peer|host ADDR PORT PATH: the answer in BODY, curl's port in MINE
curl_from()
{
	local from=("${IN_PEER[@]}") addr=$2
	[ "$1" = peer ] || from=("${IN_HOST[@]}")
	case $addr in *:*) addr="[$addr]" ;; esac
	BODY=$(guard "${from[@]}" curl -sS --max-time 20 \
		-w '\n%{local_port}' "http://$addr:$3$4" 2>&1)
	MINE=${BODY##*$'\n'}
	BODY=${BODY%%$'\n'*}
}

while read -r from client asked port seen; do
	path=/$from/${asked//:/-}/$port
	curl_from "$from" "$asked" "$port" "$path"
	wait_for 10 grep -q "^$path " "$WORK/access.log"
	is "$(grep "^$path " "$WORK/access.log")" \
		"$path $client $MINE $asked $port $seen" \
		"nginx: $from to $asked, port $port"
done <<END
peer $PEER4 $HOST4 8001 $PEER4
peer $PEER6 $HOST6 8001 $PEER6
peer $PEER4 $HOST4 8002 $PEER4
peer $PEER6 $HOST6 8002 $PEER6
peer $PEER4 $HOST4 8003 $GW4
peer $PEER6 $HOST6 8003 $GW6
peer $PEER4 $HOST4 8004 $GW4
peer $PEER6 $HOST6 8004 $GW6
host 127.0.0.1 127.0.0.1 8001 $GW4
host ::1 ::1 8001 $GW6
host 127.0.0.1 127.0.0.1 8002 $GW4
host ::1 ::1 8002 $GW6
host $HOST4 $HOST4 8002 $HOST4
host $HOST6 $HOST6 8002 $HOST6
END

while read -r from client asked port; do
	curl_from "$from" "$asked" "$port" /p
	is "$BODY" "/p $client $MINE $asked $port" \
		"haproxy: $from to $asked, port $port"
done <<END
peer $PEER4 $HOST4 8101
peer $PEER6 $HOST6 8101
peer $PEER4 $HOST4 8102
peer $PEER6 $HOST6 8102
peer $PEER4 $HOST4 8103
peer $PEER6 $HOST6 8104
peer $PEER4 $HOST4 8105
peer $PEER6 $HOST6 8105
host 127.0.0.1 127.0.0.1 8101
host ::1 ::1 8102
END
# these servers do look: without a header there is no answer
curl_from peer "$HOST4" 8106 /none
unlike "$BODY" '^/none' 'haproxy refuses a connection without a header'
unlike "$(cat "$WORK/access.log" "$WORK/nginx-error.log")" '::ffff:' \
	'nobody saw a mapped address'
pod_end
leftovers proxy

# A server that speaks first (and takes a line, the header, for a request); max=
SOCK=$WORK/proxy.sock
pod first --control "$SOCK" -p 8080:80,proxy=v1 -p 8081:81,max=3 -- sh -c "
	$PY $T/net.py serve 81 &
	exec $PY $T/net.py serve 80 both '' hello" || bail 'the pod did not start'
wait_port pod 80
wait_port pod 81
is "$(peer_net banner "$HOST4" 8080)" hello \
	'a server that speaks first is heard'

# three at once, a fourth, one that comes when there is room again
is "$(guard "${IN_PEER[@]}" "$PY" - "$HOST4" 8081 <<'END' 2>&1
import errno, socket, sys

def served(byte):
    try: # the reset may be here before connect() has returned
        s = socket.create_connection(sys.argv[1:], timeout=60)
        s.sendall(b'echo\n' + byte)
        if s.recv(1) == byte:
            return s
    except OSError as e:
        return errno.errorcode[e.errno]
    return 'EOF'

three = [served(b'%d' % i) for i in range(3)]
words = [str(served(b'x')) for _ in range(2)]
three.pop().close()
while isinstance(served(b'y'), str):  # until the end was noticed
    pass
three[0].sendall(b'z')
print(*words, three[0].recv(1).decode())
END
)" 'ECONNRESET ECONNRESET z' \
	'max=3: a fourth is reset at once, until one of the three ends'
check '... and counted' test "$(stat_of 's["errors"]["policy"]')" -ge 2
pod_end
leftovers max
finish
