#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --pcap: what crossed the pod's interface is in the file, spliced flows
# included, as a wire would have carried it; tcpdump reads it.
. "$(dirname "$0")/lib.sh"

command -v tcpdump >/dev/null || skip_all 'tcpdump is not installed'
serve_peer 9000 || bail 'no server on the other host'
FILE=$WORK/pod.pcap

pod wire --pcap "$FILE" --mtu 1500 -p 8080:80 -- \
	"$PY" "$T/net.py" serve 80 || bail 'no pod'
wait_port pod 80
is "$(stat -c '%a %U' "$FILE")" "600 $ACCOUNT" 'the file is the user'"'"'s own'
is "$(peer_net get "$HOST4" 8080 3000000)" OK 'published, IPv4'
is "$(peer_net put "$HOST6" 8080 3000000)" OK 'published, IPv6'
is "$(pod_net get "$PEER4" 9000 3000000)" OK 'egress, IPv4'
is "$(pod_net put "$PEER6" 9000 3000000)" OK 'egress, IPv6'
in_pod ping -c 1 -W 5 "$GW4" >/dev/null
grows() # it is written while the pod runs
{
	[ "$(stat -c %s "$FILE")" -gt 12000000 ]
}
check 'written while the pod runs' wait_for 20 grows
pod_end
is "$(cat "$T/wire.err")" '' 'nothing is lost, nothing is said'

tcpdump -nvvr "$FILE" >"$T/dump" 2>"$T/dump.err"
is "$?" 0 'tcpdump reads it'
check 'it has TCP and ping' eval "grep -q 'Flags \[S\]' '$T/dump' &&
	grep -q 'ICMP echo reply' '$T/dump'"
is "$(grep -ciE 'incorrect|bad cksum|bad udp cksum' "$T/dump")" 0 \
	'every checksum is right'
SUM=$("$PY" "$LIB/pcap.py" "$FILE")
note "$SUM"
like "$SUM" '^largest 15(14|00) ' 'no frame is larger than the MTU allows'
like "$SUM" ' in order ' 'in the order of time'
is "$(grep -o 'whole [0-9]*' <<<"$SUM")" 'whole 4' \
	'four streams of 3 MB are there, byte for byte'

# As the kernel has it
pod raw --pcap "$FILE,raw" --mtu 1500 -- sleep 1000 || bail 'no pod'
is "$(pod_net get "$PEER4" 9000 10000000)" OK 'egress'
pod_end
like "$("$PY" "$LIB/pcap.py" "$FILE")" '^largest [0-9]{5,6} ' \
	'raw: segments as the kernel merged them'

# A size that ends it, and a disk that is full: the pod doesn't notice
pod small --pcap "$FILE,max=64k" -- sleep 1000 || bail 'no pod'
is "$(pod_net get "$PEER4" 9000 3000000)" OK 'egress'
check 'the end is told' wait_for 20 grep -q 'max= is reached' "$T/small.err"
check '... and kept' [ "$(stat -c %s "$FILE")" -le 65536 ]
is "$(pod_net get "$PEER4" 9000 3000000)" OK '... the pod goes on'
pod_end
is "$(grep -c . "$T/small.err")" 1 '... in one line'
tcpdump -nr "$FILE" >/dev/null 2>&1
is "$?" 0 '... and the file is whole'

in_host mount -t tmpfs -o size=256k,mode=777 tmpfs /mnt
pod full --pcap "/mnt/x" -- sleep 1000 || bail 'no pod'
is "$(pod_net get "$PEER4" 9000 3000000)" OK 'egress'
check 'a full disk is told' wait_for 20 grep -q \
	'/mnt/x: the capture ends: No space left' "$T/full.err"
is "$(pod_net get "$PEER4" 9000 3000000)" OK '... the pod goes on'
pod_end
in_host umount /mnt

# A FIFO: for who reads it already, and as long as he does
mkfifo -m 666 "$WORK/fifo"
# shellcheck disable=SC2016 # for the inner shell
spawn reader "${AS_USER[@]}" sh -c 'exec cat <>"$0"' "$WORK/fifo"
READER=$PID
reads()
{
	[ "$(readlink "/proc/$READER/fd/0")" = "$WORK/fifo" ]
}
wait_for 20 reads || bail 'no reader'
pod fifo --pcap "$WORK/fifo" -- sleep 1000 || bail 'no pod'
is "$(pod_net get "$PEER4" 9000 3000000)" OK 'egress'
all_read()
{
	[ "$(stat -c %s "$T/reader.out")" -gt 3000000 ]
}
check 'a FIFO is written' wait_for 20 all_read
kill "$READER"
reap "$READER"
is "$(pod_net get "$PEER4" 9000 3000000)" OK 'without its reader the pod goes on'
check '... and it is told' wait_for 20 grep -q \
	'fifo: the capture ends: Broken pipe' "$T/fifo.err"
pod_end
is "$(grep -c . "$T/fifo.err")" 1 '... in one line'
run_user --pcap "$WORK/fifo" -- true
like "$STATUS $ERR" '^125 podsplice: --pcap .*/fifo: nobody reads from it' \
	'one that nobody reads is refused'

# Its process ends: told, nothing else
pod killed --pcap "$FILE" -- sleep 1000 || bail 'no pod'
RECORDER=$(for p in $(children "$SUP"); do
	[ "$(find "/proc/$p/fd" -lname '*pod.pcap')" ] && echo "$p"
done)
is "$(wc -w <<<"$RECORDER")" 1 'one process has the file'
is "$(awk '/^Cap(Eff|Prm)|^Seccomp:/ { print $2 }' "/proc/$RECORDER/status" |
	paste -sd' ')" '0000000000000000 0000000000000000 2' \
	'... with no capability, and a list of system calls'
kill -KILL "$RECORDER"
check '... killed, it is told' wait_for 20 grep -q 'recorder: ended by signal' \
	"$T/killed.err"
is "$(pod_net get "$PEER4" 9000 1000000)" OK '... the pod goes on'
pod_end

for bad in '' ',raw' "$FILE,nonsense" "$FILE,max=" "$FILE,max=1" \
	"$FILE,max=9x" "$FILE,max=99999999999G" /nonexistent/x "$WORK"; do
	run_user --pcap "$bad" -- true
	like "$STATUS $ERR" '^125 podsplice: --pcap [^
]*$' "--pcap '$bad': one line"
done
run_user --pcap /dev/null -- true
is "$STATUS $ERR" '0 ' 'a device is fine'
AS_USER+=(PODSPLICE_FAIL_HOP=1)
run_user --pcap "$FILE" -- true
like "$STATUS $ERR" '125 .*--pcap: needs veth and nftables' \
	'where it would see half, it is refused'

leftovers pcap
finish
