#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `podsplice bench` compares: that every peer is the one it is called, on
# the path that it is called for, or has no figure. No figure is judged.
. "$(dirname "$0")/lib.sh"

GUARD=180 # a run of many

# compare JSON ARGS...: one short round by root; $T/table, $T/compare.err, STATUS
compare()
{
	local json=$1
	shift
	guard env PODSPLICE="$PODSPLICE" "$PY" -B \
		"${COMPARE:-$TOP/bench/bench.py}" --preset smoke \
		--json "$T/$json" "$@" >"$T/table" 2>"$T/compare.err" </dev/null
	STATUS=$?
}

# peers_of JSON LABEL: those with a figure in that row, sorted
peers_of()
{
	"$PY" - "$T/$1" "$2" <<-'END'
		import json, sys
		print(*sorted(r["peer"] for r in map(json.loads, open(sys.argv[1]))
		              if r.get("row") == sys.argv[2]
		              and r["value"] is not None))
	END
}

# Every peer that is installed, once

WANT='native podsplice podsplice-forward podsplice-slirp veth+NAT'
for peer in docker-proxy pasta rootlesskit rootlessport slirp4netns socat; do
	case $peer in
	rootlessport) [ -x /usr/lib/podman/$peer ] ;;
	*) command -v "$peer" >/dev/null ;;
	esac && WANT="$WANT $peer"
done
WANT=$(echo "$WANT" | tr ' ' '\n' | sort | paste -sd' ')
compare all.json --against all --only rr-net-1k
is "$STATUS" 0 'all peers: nothing failed'
[ "$STATUS" = 0 ] || note "$(tail -n 20 "$T/table" "$T/compare.err")"
for figure in p50 p90 p99 p99.9; do
	is "$(peers_of all.json "round trip, 1 KiB, other host $figure")" \
		"$WANT" "a figure of each that is there: $figure"
done
like "$(tr -s ' \n' '  ' <"$T/table")" \
	'path: podsplice-forward .* other seen as 172\.31\.[0-9]+\.1 \(flow: splice\);' \
	'what was verified is printed'

# Other servers than our own

# row LABEL: podsplice and the baseline have a figure in it
row()
{
	is "$(peers_of more.json "$1")" 'native podsplice' "figures: $1"
}

compare more.json --against native --only http-lo,dns-32,ready,check
is "$STATUS" 0 'HTTP, DNS, iperf3: nothing failed'
[ "$STATUS" = 0 ] || note "$(tail -n 20 "$T/table" "$T/compare.err")"
row 'DNS, asked in the pod, 32 clients'
row 'DNS, asked in the pod, 32 clients p99.9'
row 'start, until a published port answers'
if command -v nginx >/dev/null; then
	row 'HTTP, nginx, 1 KiB, loopback, 32 clients'
else
	skip 'HTTP' 'nginx is not installed'
fi
if command -v iperf3 >/dev/null; then
	row 'cross-check, other host -> pod, ours'
	row 'cross-check, other host -> pod, iperf3'
	like "$(cat "$T/table")" 'note: check-iperf3: podsplice: ours is x[0-9.]+ of' \
		'whether iperf3 agrees is noted'
else
	skip 'iperf3' 'it is not installed'
fi

# The kernel gives each user's pipes so much memory; the lab's account, of root,
# has 30001 as its id

cat >"$T/hog.py" <<-END
	import fcntl, os, time
	os.setgroups([])
	os.setresgid(30001, 30001, 30001)
	os.setresuid(30001, 30001, 30001)
	try:
	    pipes = []
	    while True:
	        pipes.append(os.pipe())
	        fcntl.fcntl(pipes[-1][1], fcntl.F_SETPIPE_SZ, 1 << 20)
	except OSError:
	    print("full", flush=True)
	time.sleep(1000)
END
spawn hog "$PY" "$T/hog.py"
wait_for "$GUARD" test -s "$T/hog.out" || bail 'pipes cannot be used up'
compare hog.json --against native --only rr-lo-1k
kill -KILL "$PID"
wait "$PID" 2>/dev/null
like "$(cat "$T/table")" "note: published: the account's share of memory for pipes" \
	'pipes that are used up are noted'

# wrong PEER STATEMENT: bench.py with another class of that name, in $T/wrong.py
wrong()
{
	cat >"$T/wrong.py" <<-END
		import sys
		sys.path.insert(0, "$TOP/bench")
		import catalogue, peers
		class $1(peers.$1):
		    $2
		catalogue.Podsplice = $1
		catalogue.PEERS = (peers.Native, $1)
		import bench
		sys.exit(bench.main())
	END
	COMPARE=$T/wrong.py
}

# refused NAME PEER REASON
refused()
{
	compare wrong.json --only rr-out-1k
	is "$STATUS" 125 "$1: the run fails"
	like "$(cat "$T/table")" "failed: [^
]*path: $2, before the rounds: refused: [^
]*$3" '... says why'
	is "$(peers_of wrong.json 'egress, round trip, 1 KiB p50')" native \
		'... and has no figure'
}

wrong Podsplice 'options = ("--datapath", "slirp")'
refused '--datapath slirp called podsplice' podsplice \
	'egress: its flows tell of nothing'

wrong Podsplice 'argv = lambda self, mtu: [x.replace("/tcp", "/tcp,source=off")
		        for x in peers.Podsplice.argv(self, mtu)]'
refused 'published ports with the gateway as client' podsplice \
	'other: the server sees 10\.0\.2\.2, not 198\.18\.0\.2'

if command -v pasta >/dev/null; then
	wrong Pasta 'crosses = peers.PastaTap.crosses'
	refused 'spliced loopback called the TAP' pasta \
		'loopback: [0-9]+ of [0-9]+ bytes crossed'
else
	skip 'spliced loopback called the TAP' "pasta isn't installed"
fi

wrong PodspliceSlirp 'options, default = (), True'
refused 'splicing called podsplice-slirp' podsplice-slirp \
	'egress: its flows tell of splice'

if command -v rootlesskit >/dev/null && command -v slirp4netns >/dev/null; then
	mkdir "$T/names"
	cp "$PODSPLICE" "$T/names/slirp4netns"
	COMPARE='' PATH=$T/names:$PATH compare names.json \
		--against slirp4netns,rootlesskit --only rr-lo-1k
	is "$(peers_of names.json 'round trip, 1 KiB, loopback p50')" \
		'native podsplice' 'podsplice called slirp4netns has no figure'
	for peer in slirp4netns rootlesskit; do
		like "$(cat "$T/table")" \
			"absent: $peer: podsplice has that name in PATH" \
			"... says why: $peer"
	done
else
	skip 'podsplice called slirp4netns' "rootlesskit isn't installed"
fi

# trouble WHO PRESET: a peer doesn't come up, and WHO dies in a row
trouble()
{
	cat >"$T/wrong.py" <<-END
		import os, sys
		sys.path.insert(0, "$TOP/bench")
		import catalogue, peers, rows
		class Broken(peers.Podsplice):
		    name = "broken"
		    argv = lambda self, mtu: ["false"]
		class Dying(peers.Podsplice):
		    name = "dying"
		*words, row = rows.ROWS["rr-lo"]
		def deadly(peer, seconds):
		    if peer.name == "$1":
		        os.kill(peer.server, 9)
		    yield from row(peer, seconds)
		rows.ROWS["rr-lo"] = (*words, deadly)
		catalogue.PEERS = (peers.Native, peers.Podsplice, Broken, Dying)
		import bench
		sys.exit(bench.main())
	END
	compare trouble.json --preset "$2" --rounds 1 --seconds 0.2 \
		--against broken,dying --only rr-lo,rr-lo-1k
}

COMPARE=$T/wrong.py
trouble dying quick
is "$STATUS" 0 "a peer's own trouble is a result"
like "$(cat "$T/table")" 'round trip, 1 byte, loopback p50 [^
]* failed' '... told in the table'
like "$(cat "$T/table")" "failed: published: broken, before the rounds: broken \
doesn't start" '... and why'
is "$(peers_of trouble.json 'round trip, 1 KiB, loopback p50')" \
	'dying native podsplice' '... and it is started again for the next row'
trouble dying smoke
is "$STATUS" 125 '... but with --smoke each has to give a figure'
trouble native quick
is "$STATUS" 125 'without a figure of the baseline the run has failed'
trouble podsplice quick
is "$STATUS" 125 '... as without one of podsplice'

# a row that spoils the pod's network: the next one is measured all the same
cat >"$T/wrong.py" <<-END
	import sys
	sys.path.insert(0, "$TOP/bench")
	import lab, rows
	*words, row = rows.ROWS["rr-out"]
	def spoiling(peer, seconds):
	    if peer.program:
	        lab.run(peer.lab.ns(peer.server, ["ip", "route", "flush", "all"]))
	    yield from row(peer, seconds)
	rows.ROWS["rr-out"] = (*words, spoiling)
	import bench
	sys.exit(bench.main())
END
compare spoilt.json --against native --only rr-out,rr-out-1k
is "$(peers_of spoilt.json 'egress, round trip, 1 byte p50')" native \
	'a row that fails has no figure'
is "$(peers_of spoilt.json 'egress, round trip, 1 KiB p50')" 'native podsplice' \
	'... the next one has'

# another program under that name
cat >"$T/bash" <<-END
	#!/bin/sh
	[ "\$1" = run ] || exec "$PODSPLICE" "\$@"
	"$PODSPLICE" "\$@"
END
chmod 755 "$T/bash"
COMPARE=
PODSPLICE=$T/bash compare wrong.json --against native --only rr-out-1k
is "$STATUS" 125 'a script called podsplice: the run fails'
like "$(cat "$T/table")" "podsplice: what runs is .*$(basename "$PODSPLICE")" \
	'... says what runs'
is "$(peers_of wrong.json 'egress, round trip, 1 KiB p50')" native \
	'... and has no figure'

finish
