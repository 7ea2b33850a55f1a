#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP out of the pod is TCP: every scenario of splice.py sees in the pod what
# it sees natively in the same run, whatever moves the bytes.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

PORTS_BEFORE=$(ports_of_host)
# Fast Open at all ends, so that it is really used where it can be
for where in in_peer_net in_host_net; do
	"$where" sysctl -qw net.ipv4.tcp_fastopen=3
done
serve_splice 9000 || bail 'no server on the other host'
spawn banner "${IN_PEER[@]}" "$PY" "$T/net.py" serve 9010 both '' 'welcome'
wait_port peer 9010

# again WHERE HOST WANTED: one source port at a high rate
again()
{
	local by
	for by in us us-fin them them-reset; do
		grep -q "again $by:" <<<"$3" && "$1" again "$2" 9000 60 "$by"
	done
}

declare -A WANT
for host in "$FAR4" "$FAR6"; do
	WANT[$host]=$(native run "$host" 9000
		again native "$host" "$(printf 'again %s:\n' us us-fin them \
			them-reset)")
	unlike "${WANT[$host]}" 'never|TIMEOUT|error|Traceback' \
		"$host: natively all is well"
done

# libslirp has sockets of its own at both ends, and what it makes of these is
# its own: our resets, one source port again and again, data in a SYN
not_slirps='^(reset by us|linger 0|close with unread data'
not_slirps+='|again them|again them-reset):'
for path in splice slirp; do
	pod "$path" --datapath "$path" -- sleep 1000 ||
		bail 'the pod did not start'
	in_pod sysctl -qw net.ipv4.tcp_fastopen=3
	for host in "$FAR4" "$FAR6"; do
		want=${WANT[$host]}
		scenarios=()
		if [ "$path" = slirp ]; then
			want=$(grep -Ev "$not_slirps" <<<"$want")
			mapfile -t scenarios < <(grep -v '^again' <<<"$want" |
				sed 's/:.*//; s/ /_/g')
		fi
		got=$(podded run "$host" 9000 "${scenarios[@]}"
			again podded "$host" "$(grep '^again' <<<"$want")")
		same "$path, $host" "$want" "$got"
		is "$(pod_net banner "$host" 9010)" welcome \
			"$path, $host: the server speaks first"
	done
	pod_end
done

stop_spawned
leftovers splice_tcp
finish
