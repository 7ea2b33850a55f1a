#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench/compare.py gives a figure for each row of published ports, datagrams
# and many ports, ours and without a helper, and the peers that are installed
# are measured through what they publish. No figure is judged.
. "$(dirname "$0")/lib.sh"

GUARD=180 # a run of many

# compare JSON ARGS...: one short round; the table in $T/table, STATUS
compare()
{
	local json=$1
	shift
	guard env PODSPLICE="$PODSPLICE" TMPDIR="$T" "$PY" "$TOP/bench/compare.py" \
		--rounds 1 --seconds 0.1 --json "$T/$json" "$@" \
		>"$T/table" 2>"$T/compare.err" </dev/null
	STATUS=$?
	[ "$STATUS" = 0 ] || note "$(tail -n 20 "$T/table" "$T/compare.err")"
}

# figures JSON PEER: "label; unit" of its rows, but for those of cost
figures()
{
	"$PY" - "$T/$1" "$2" <<-'END'
		import json, sys
		for line in open(sys.argv[1], encoding="utf-8"):
		    r = json.loads(line)
		    if r.get("peer") == sys.argv[2] and r.get("value") is not None \
		            and not r["unit"].startswith("CPU"):
		        print(r["row"], r["unit"], sep="; ")
	END
}

compare rows.json --against native --held 200 --ports 100 \
	--only crr-net-64,udp,held,ports
is "$STATUS" 0 'nothing failed'

TRAFFIC='connect+1+close, other host, 64; 1/s
UDP round trip, 64 bytes, 1; 1/s
UDP round trip, 64 bytes, 1 p50; us
UDP round trip, 64 bytes, 1 p90; us
UDP round trip, 64 bytes, 1 p99; us
UDP round trip, 64 bytes, 1 p99.9; us
UDP round trip, 64 bytes, 64; 1/s
UDP round trip, 64 bytes, 64 p50; us
UDP round trip, 64 bytes, 64 p90; us
UDP round trip, 64 bytes, 64 p99; us
UDP round trip, 64 bytes, 64 p99.9; us
UDP, 1200 bytes, other host -> pod; Gbit/s
UDP, 1200 bytes, other host -> pod, lost; %
UDP, 1200 bytes, pod -> other host; Gbit/s
UDP, 1200 bytes, pod -> other host, lost; %
UDP, 1200 bytes, 200 Mbit/s to pod, lost; %
UDP, 8900 bytes, other host -> pod; Gbit/s
UDP, 8900 bytes, other host -> pod, lost; %
UDP, 8900 bytes, pod -> other host; Gbit/s
UDP, 8900 bytes, pod -> other host, lost; %
UDP, 8900 bytes, 1 Gbit/s to pod, lost; %'
is "$(figures rows.json native)" "$TRAFFIC
100 published ports, ready; ms" 'figures without a helper'
is "$(figures rows.json podsplice)" "$TRAFFIC
per connection held, other host, memory; bytes
per connection held, other host, descriptors; 
100 published ports, ready; ms
100 published ports, private memory; KiB
100 published ports, Pss; KiB" 'figures of podsplice'
like "$(cat "$T/table")" \
	'path of UDP: podsplice +listens: podsplice; server sees other host as 198\.18\.0\.2' \
	'what is measured is podsplice'
is "$(grep -c '^UDP' "$T/table")" 36 'all of it, and what it costs, is in a table'

compare peers.json --ports 20 --only udp-1200-200,ports
is "$STATUS" 0 'nothing failed with the peers'
for peer in pasta rootlesskit slirp4netns; do
	command -v "$peer" >/dev/null || {
		skip "figures of $peer" "it isn't installed"
		continue
	}
	want='UDP, 1200 bytes, 200 Mbit/s to pod, lost; %'
	[ "$peer" = slirp4netns ] || want="$want
20 published ports, ready; ms
20 published ports, private memory; KiB
20 published ports, Pss; KiB"
	is "$(figures peers.json "$peer")" "$want" "figures of $peer"
done

is "$(find "$T" -name 'podsplice-bench-*')" '' 'nothing is left'
finish
