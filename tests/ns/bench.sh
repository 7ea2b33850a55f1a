#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `podsplice bench` by an ordinary user: each row gives a figure, ours and
# without a helper, the peers that are installed are measured through what they
# publish, what it was asked wrongly or can't do is said in a line, and nothing
# is left of it, whatever ends it. No figure is judged.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ns/bench_lib.sh
. "$(dirname "$0")/bench_lib.sh"

GUARD=240 # a run of all rows

# bench JSON ARGS...: the table in OUT, STATUS
bench()
{
	local json=$WORK/$1
	shift
	verb bench --json "$json" "$@"
	[ "$STATUS" = 0 ] || note "$(printf '%s\n' "$OUT" "$ERR" | tail -n 20)"
}

# figures JSON PEER: "label; unit" of its rows, but for those of cost
figures()
{
	"$PY" - "$WORK/$1" "$2" <<-'END'
		import json, sys
		for line in open(sys.argv[1], encoding="utf-8"):
		    r = json.loads(line)
		    if r.get("peer") == sys.argv[2] and r.get("value") is not None \
		            and not r["unit"].startswith("CPU"):
		        print(r["row"], r["unit"], sep="; ")
	END
}

# without JSON PEER ROWS: those that it has no figure of; no ROWS are all
without()
{
	"$PY" -B - "$WORK/$1" "$2" "$3" "$TOP/bench" <<-'END'
		import json, sys
		sys.path.append(sys.argv[4])
		from bench import find_rows
		from rows import ROWS
		asked = find_rows(sys.argv[3].split(",")) if sys.argv[3] else ROWS
		have = set()
		for line in open(sys.argv[1], encoding="utf-8"):
		    r = json.loads(line)
		    if r.get("peer") == sys.argv[2] and r.get("value") is not None:
		        have.add(r["row"])
		print(*(name for name in asked
		        if not any(ROWS[name][1] in label for label in have)))
	END
}

# one of each sort; with --long, all of them
ROWS=pub-net,rr-net,crr-net-32,udp,out-1500,far-out,startup,ready,memory,idle
ROWS=$ROWS,held,ports,dns-1
[ -z "${PODSPLICE_LONG-}" ] || ROWS=
bench rows.json --smoke --against native ${ROWS:+--only "$ROWS"}
is "$STATUS" 0 'nothing failed'
is "$(without rows.json podsplice "$ROWS")" '' \
	'figures of podsplice for each row'
like "$(without rows.json native "$ROWS")" '^memory idle (idle-out )?held$' \
	'figures without a helper for those that can have one'
like "$OUT" 'as user' 'it was an ordinary user'
like "$OUT" 'cubic wanted, link MTU 1500' 'the link and the congestion control'
like "$OUT" 'pipe-max-size [0-9]+.* tcp_rmem [0-9]+ [0-9]+ [0-9]+' 'settings'
like "$OUT" 'podsplice +podsplice [0-9a-f.]+' 'versions'
like "$OUT" \
	'listens: podsplice; [^;]*; other seen as 198\.18\.0\.2' \
	'another host is the client without root'
like "$OUT" \
	'path of UDP: podsplice +listens: podsplice; server sees other host as 198\.18\.0\.2' \
	'what is measured is podsplice'
UDP='UDP round trip, 64 bytes, 1; 1/s
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
is "$(figures rows.json podsplice | grep ^UDP)" "$UDP" 'figures of datagrams'
is "$(figures rows.json podsplice | grep '^100 published')" \
	'100 published ports, ready; ms
100 published ports, private memory; KiB
100 published ports, Pss; KiB' 'figures of many ports'
is "$(stat -c %U "$WORK/rows.json")" "$ACCOUNT" "the user's file is the user's"

bench other.json --smoke --only pub-net-rev --baseline podsplice \
	--against podsplice
like "$OUT" 'xratio to podsplice .*
 +podsplice
published' 'another baseline, alone'

bench peers.json --smoke --only udp-1200-200,pub-net-rev
is "$STATUS" 0 'nothing failed with the peers'
for peer in pasta rootlesskit slirp4netns; do
	command -v "$peer" >/dev/null || {
		skip "figures of $peer" "it isn't installed"
		continue
	}
	is "$(figures peers.json "$peer" | sort)" \
		'UDP, 1200 bytes, 200 Mbit/s to pod, lost; %
published, pod -> other host; Gbit/s' "figures of $peer"
done

# by root

guard "${IN_HOST[@]}" "$PODSPLICE" bench --smoke --only pub-net-rev \
	--against native --json "$WORK/root.json" >"$T/root.out" \
	2>"$T/root.err" </dev/null
is $? 0 'by root: nothing failed'
like "$(cat "$T/root.out")" 'as root.*path: podsplice .*other seen as 198\.18\.0\.2' \
	'... and the client is another host'

# asked wrongly: the arguments | what is said, behind "podsplice: "

while IFS='|' read -r args want; do
	# shellcheck disable=SC2086 # words
	verb bench $args
	is "$STATUS|$OUT|$ERR" "125||podsplice: ${want# }" "bench $args"
done <<'END'
--only nonsense | bench: --only nonsense: no such row (podsplice bench --list)
--only pub,, | bench: --only : no such row (podsplice bench --list)
--against nobody | bench: --against nobody: no such peer (podsplice bench --list)
--baseline nobody | bench: --baseline nobody: no such peer (podsplice bench --list)
--rounds 0 | bench: --rounds 0: not a number from 1 to 1000
--rounds 1.5 | bench: --rounds 1.5: not a number from 1 to 1000
--seconds nan | bench: --seconds nan: not a number from 0.1 to 600
--calm -1 | bench: --calm -1: not a number from 0 to 100
--quick --full | bench: one of --quick, --full, --smoke and --list, not several
--jsn x | bench: unknown option '--jsn', did you mean '--json'? (see podsplice bench --help)
--json /nonexistent/f | bench: /nonexistent/f: No such file or directory
--report /nonexistent/f | bench: /nonexistent/f: No such file or directory
nonsense | bench nonsense: takes no arguments but 'show FILE' and 'compare OLD NEW'
compare | bench compare: two files, OLD and NEW
compare a | bench compare: two files, OLD and NEW
compare a b c | bench compare: two files, OLD and NEW
--report r compare a b | bench compare: no options
show | bench show: one file, FILE
show a b | bench show: one file, FILE
--quick show a | bench show: no option but --report and --plot
show /nonexistent/f | bench: /nonexistent/f: No such file or directory
END

# what it can't do without

refused() # NAME REGEX
{
	is "$STATUS $OUT" '125 ' "$1: refused"
	like "$ERR" "^podsplice: bench: $2\$" '... in a line with the remedy'
}

guard "${AS_USER[@]}" env PATH="$T" "$PODSPLICE" bench >"$T/fg.out" 2>&1
is "$? $(cat "$T/fg.out")" \
	'125 podsplice: bench: python3: No such file or directory (install the package python3)' \
	'without python3'
# shellcheck disable=SC2016 # for the inner shell
guard "${AS_USER[@]}" unshare --user --map-root-user --map-auto sh -c '
	echo 0 >/proc/sys/user/max_user_namespaces
	exec setpriv --reuid=1 --regid=1 --clear-groups -- "$@"' \
	sh "$PODSPLICE" bench >"$T/fg.out" 2>"$T/fg.log" </dev/null
STATUS=$? OUT=$(cat "$T/fg.out") ERR=$(cat "$T/fg.log")
refused 'without user namespaces' \
	'user namespaces: .*\(sudo sysctl -w user.max_user_namespaces=15000\)'
in_host sh -c ': >/etc/subuid'
verb bench
refused 'without subordinate ids' 'subordinate ids: .*\(sudo .*usermod .*\)'
in_host cp /etc/subgid /etc/subuid
mknod -m 600 "$T/tun" c 10 200
in_host mount --bind "$T/tun" /dev/net/tun
verb bench
refused 'without /dev/net/tun' '/dev/net/tun: .*\(sudo chmod 666 /dev/net/tun\)'
chgrp "$ACCOUNT" "$T/tun"
chmod 660 "$T/tun"
verb bench
refused 'with a /dev/net/tun that is not for everybody' \
	'/dev/net/tun: not for all users \(sudo chmod 666 /dev/net/tun\)'
in_host umount /dev/net/tun

caught "${AS_USER[@]}" bash -c 'ulimit -n 1000; exec "$@"' sh "$PODSPLICE" bench
refused 'with too few descriptors' 'descriptors: 1000, .*\(ulimit -n 4096, or more\)'

# what can't be written

FULL=(--only rr-lo-1k --against native --rounds 1 --seconds 0.1)
verb bench "${FULL[@]}" --json /dev/full
is "$STATUS $ERR" '125 podsplice: bench: /dev/full: No space left on device' \
	'no space for figures'
verb bench "${FULL[@]}" --report /dev/full
is "$STATUS $ERR" '125 podsplice: bench: /dev/full: No space left on device' \
	'no space for a report'
like "$OUT" 'round trip, 1 KiB, loopback p50 ' '... the table is there'
for command in "${FULL[*]}" "show $WORK/peers.json"; do
	caught "${AS_USER[@]}" sh -c "exec '$PODSPLICE' bench $command >/dev/full"
	is "$STATUS $ERR" \
		'125 podsplice: bench: standard output: No space left on device' \
		"no space for what is printed: $command"
done

mv "$T/built/bench" "$T/built/ours"
install -d "$T/built/bench"
echo 'print("planted")' >"$T/built/bench/bench.py"
chown "$ACCOUNT" "$T/built/bench/bench.py"
verb bench --list
unlike "$OUT" planted 'a program of another than who made the binary is not run'
rm -r "$T/built/bench"
mv "$T/built/ours" "$T/built/bench"

guard "${AS_USER[@]}" "$PODSPLICE" bench --smoke --only rr-net \
	--against native 2>"$T/fg.log" </dev/null | true
is "$(cat "$T/fg.log")" '' 'when nobody reads what it prints it is silent'

# its end

# in_ns TYPE ID: the processes in that namespace
in_ns()
{
	# as a pattern, in which brackets mean something
	find /proc/[0-9]*/ns/"$1" -lname "${2//[\[\]]/?}" 2>/dev/null |
		cut -d / -f 3
}

# measures: the one that was spawned has a generator at work
measures()
{
	USER_NS=$(readlink "/proc/$PID/ns/user")
	PID_NS=$(readlink "/proc/$PID/ns/pid_for_children")
	[ "$PID_NS" ] && [ "$PID_NS" != "$(readlink /proc/self/ns/pid)" ] &&
		in_ns pid "$PID_NS" | sed 's,.*,/proc/&/cmdline,' |
		xargs cat 2>/dev/null | tr '\0' ' ' | grep -q 'bench-load bulk'
}

nobody_is_in_there()
{
	[ -z "$(in_ns pid "$PID_NS")$(in_ns user "$USER_NS")" ]
}

for signal in INT TERM HUP KILL; do
	spawn "$signal" "${AS_USER[@]}" "$PODSPLICE" bench --only pub-net \
		--seconds 100 --json "$WORK/$signal.json" \
		--report "$WORK/$signal.html"
	wait_for 60 measures || bail "no measurement"
	unlike "$USER_NS" "^$(readlink /proc/self/ns/user)\$" \
		"$signal: it is in a user namespace"
	kill "-$signal" "$PID"
	wait "$PID" 2>/dev/null
	is $? $((128 + $(kill -l "$signal"))) '... ends by the signal'
	check '... with all its processes' wait_for 20 nobody_is_in_there
	check '... no report is begun' test ! -e "$WORK/$signal.html"
	check '... and its figures are kept' grep -q '"machine"' \
		"$WORK/$signal.json"
done

if "$PY" -c 'import pyte' 2>/dev/null; then
	# in the other screen, which is the one screen.py looks at
	like "$(guard "$PY" "$LIB/screen.py" 100 24 'see s left)' \
		'type ^C' end -- "${AS_USER[@]}" sh -c \
		'printf "\033[?1049h"; exec "$@"' sh "$PODSPLICE" bench \
		--quick 2>&1)" 'end -2,' \
		'on a terminal it says how long it will take, and ^C ends it'
else
	skip 'on a terminal' 'python3-pyte is not there'
fi
leftovers 'in the end'

# the plan of a run, by a clock of our own

is "$("$PY" -B - "$TOP/bench" 2>&1 <<-'END'
	import sys
	sys.path.append(sys.argv[1])
	import progress
	now = 1000.0
	progress.time.monotonic = lambda: now
	clock = progress.Clock(100)
	clock.expect("first", 5, 10)
	clock.expect("second", 5, 10)
	for group in "first", "second":
	    done = []
	    for number in clock.rounds(group, 1, 5, print):
	        done.append(number)
	        now += 20
	    print(group, done, now - 1000, round(clock.left()), clock.hurried())
END
)" 'first: 2 of 5 rounds: no time for more
first [1, 2] 40.0 60 False
second: 3 of 5 rounds: no time for more
second [1, 2, 3] 100.0 0 True' 'a round that would take too long is not begun'

finish
