#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each call that podsplice makes fails once, at its start and under traffic.
. "$(dirname "$0")/lib.sh"

SHIM=${PODSPLICE_FAULTS_SHIM:-$TOP/build/tests/faults.so}
[ -r "$SHIM" ] || skip_all "no $SHIM (meson setup -Dtests=true builds it)"
command -v addr2line >/dev/null || skip_all 'addr2line is not installed'
install -m 644 "$SHIM" "$T/faults.so"

serve_peer 9000 || bail 'no server on the other host'
serve_peer_udp 9001 4 || bail 'no UDP server on the other host'

spawn dns "${IN_PEER[@]}" "$PY" -c "
import sys
sys.path.insert(0, '$TOP/tests/faults')
import load
load.dns_serve(load.Namespace('/proc/self/ns/net'), '$PEER4')
sys.stdin.close()
while True:
    load.threading.Event().wait()"
wait_port peer 53 u

LONG=()
[ "${PODSPLICE_LONG-}" ] && LONG=(--long)

# faults PHASE: its lines become ours
faults()
{
	local line
	while read -r line; do
		case $line in
		'ok '*) ok "${line#ok }" ;;
		'not ok '*) not_ok "${line#not ok }" ;;
		*) echo "$line" ;;
		esac
	done < <("$PY" -B "$TOP/tests/faults/faults.py" "$1" "${LONG[@]}" \
		--program "$PODSPLICE" --shim "$T/faults.so" --net-py "$T/net.py" --dir "$WORK" \
		--peer-ns "/run/netns/$PEERNS" --host4 "$HOST4" \
		--host6 "$HOST6" --peer4 "$PEER4" --peer6 "$PEER6" \
		--dns4 "$DNS4" --dns6 "$DNS6" \
		${FAULTS_ONLY:+--only "$FAULTS_ONLY"} -- "${AS_USER[@]}" 2>&1)
}

for phase in ${FAULTS_PHASES:-start restart traffic nobufs}; do
	faults "$phase"
done

stop_spawned
leftovers faults
finish
