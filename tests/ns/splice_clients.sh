#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real clients through splice and through libslirp, and natively: what they
# bring home is the same, byte for byte.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
GUARD=240

# Files of many sizes for curl, a repository for git, over the same nginx
mkdir -p "$T/www/files" "$T/nginx" "$T/home"
"$PY" - "$T/www/files" <<'END'
import random, sys
r = random.Random(7)
for i in range(100):
    with open(f'{sys.argv[1]}/{i}', 'wb') as f:
        f.write(r.randbytes(r.choice([0, 1, 100, 5000, 65536, 300000, 2000000])))
END
export HOME=$T/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
git init -q "$T/src"
(
	cd "$T/src" || exit
	git config user.name tests
	git config user.email tests@example.org
	for i in 1 2 3 4 5; do
		mkdir -p "dir$i"
		cp "$T/www/files"/[0-9]"$i" "dir$i/" 2>/dev/null
		echo "commit $i" >"file$i"
		git add -A
		git commit -qm "commit $i"
	done
	git tag v1
) || bail 'no repository'
git clone -q --bare "$T/src" "$T/www/repo.git" &&
	git -C "$T/www/repo.git" update-server-info
cat >"$T/nginx.conf" <<END
worker_processes 1;
error_log stderr error;
pid $T/nginx/pid;
user root;
daemon off;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path $T/nginx/body;
	proxy_temp_path $T/nginx/proxy;
	fastcgi_temp_path $T/nginx/fastcgi;
	uwsgi_temp_path $T/nginx/uwsgi;
	scgi_temp_path $T/nginx/scgi;
	server {
		listen 8000;
		listen [::]:8000;
		root $T/www;
	}
}
END
spawn nginx "${IN_PEER[@]}" nginx -p "$T/nginx" -c "$T/nginx.conf"
spawn redis "${IN_PEER[@]}" redis-server --port 6379 --save '' \
	--protected-mode no --bind 0.0.0.0
spawn gitd "${IN_PEER[@]}" /usr/lib/git-core/git-daemon --reuseaddr \
	--base-path="$T/www" --export-all "$T/www"
RSYNC=
if command -v rsync >/dev/null; then
	RSYNC=1
	printf '%s\n' 'use chroot = no' 'uid = root' 'gid = root' '[www]' \
		"path = $T/www/files" >"$T/rsyncd.conf"
	spawn rsyncd "${IN_PEER[@]}" rsync --daemon --no-detach \
		--config="$T/rsyncd.conf"
	wait_port peer 873 || bail 'no rsync server'
fi
for port in 8000 6379 9418; do
	wait_port peer "$port" || bail "no server on $port"
done

sums() # DIR: of all files in it
{
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum) |
		sha256sum
}

HERE=()
here()
{
	guard "${HERE[@]}" "$@" </dev/null 2>>"$T/clients.err"
}

# clients: everything with HERE as the way to get there; lines to compare
clients()
{
	local dir=$T/got host=$FAR4
	rm -rf "$dir"
	mkdir -p "$dir/4" "$dir/6"
	here curl -sS -Z --parallel-max 100 -o "$dir/4/#1" \
		"http://$FAR4:8000/files/[0-99]"
	echo "curl, IPv4: $? $(sums "$dir/4")"
	here curl -sS -Z --parallel-max 100 -o "$dir/6/#1" -g \
		"http://[$FAR6]:8000/files/[0-99]"
	echo "curl, IPv6: $? $(sums "$dir/6")"
	here git clone -q "http://$host:8000/repo.git" "$dir/http"
	echo "git, http: $? $(git -C "$dir/http" archive HEAD | sha256sum)" \
		"$(git -C "$dir/http" fsck --full 2>&1)"
	here git clone -q "git://$host/repo.git" "$dir/git"
	echo "git, git: $? $(git -C "$dir/git" archive HEAD | sha256sum)" \
		"$(git -C "$dir/git" fsck --full 2>&1)"
	"${IN_PEER[@]}" redis-cli config resetstat >/dev/null
	here redis-benchmark -h "$host" -q -c 50 -n 5000 -P 4 -d 1000 \
		-t set,get,incr,lpush,lrange_100,mset >/dev/null
	echo "redis-benchmark: $?" "$("${IN_PEER[@]}" redis-cli info \
		commandstats | tr -d '\r' | sed -n \
		's/cmdstat_\([a-z]*\):calls=\([0-9]*\),.*failed_calls=\([0-9]*\)/\1 \2 \3/p' |
		grep -v '^config\|^info\|^command' | sort | tr '\n' ' ')"
	# what redis gives back of all it was told
	here redis-cli -h "$host" lrange mylist 0 -1 >"$dir/list"
	echo "redis-cli: $? $(wc -l <"$dir/list")" \
		"$(sort -u "$dir/list" | wc -l)"
	"${IN_PEER[@]}" redis-cli flushall >/dev/null
	[ -z "$RSYNC" ] || {
		here rsync -a "rsync://$host/www/" "$dir/rsync/"
		echo "rsync: $? $(sums "$dir/rsync")"
	}
}

HERE=("${IN_HOST[@]}" env "HOME=$HOME")
WANT=$(clients)
unlike "$WANT" ': [1-9]' 'natively all is well'
is "$(sed -n 's/^curl, IPv4: 0 //p' <<<"$WANT")" "$(sums "$T/www/files")" \
	'... and whole'
for path in splice slirp; do
	pod "$path" --datapath "$path" -- sleep 1000 || bail 'no pod'
	HERE=(nsenter -t "$POD" -n -- env "HOME=$HOME")
	same "$path" "$WANT" "$(clients)"
	pod_end
done
[ "$RSYNC" ] || skip 'rsync' 'not installed'

stop_spawned
leftovers splice_clients
finish
