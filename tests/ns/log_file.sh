#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --log-file has what every process says, errors are on stderr, too; it is
# rotated once. SIGUSR1 writes the state into the log.
. "$(dirname "$0")/lib.sh"

FILE=$WORK/log
STAMP='^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}\.[0-9]{3}Z'

pod both --log-level debug --log-file "$FILE" -p 8080:80 -- sleep 1000 ||
	bail 'the pod did not start'
# nobody listens there
peer_net connect "$HOST4" 8080 >/dev/null
check 'portfwd writes into it' wait_for 20 grep -qE \
	"$STAMP portfwd\[[0-9]+\] debug: " "$FILE"
is "$(grep -vcE "$STAMP [a-z]+\[[0-9]+\] (debug|info|warn|error): " "$FILE")" 0 \
	'in whole lines'
is "$(stat -c %a "$FILE")" 600 '... for its owner'
kill -KILL "$(sed -n 's/.* portfwd\[\([0-9]*\)\] .*/\1/p' "$FILE" | head -n 1)"
check 'a process that dies is told there' wait_for 20 grep -q \
	'it is started again' "$FILE"
pod_end
is "$(cat "$T/both.err")" '' 'nothing of it is on stderr'

# of what came before
run_user --log-file "$FILE" --publish nonsense -- true
like "$STATUS $ERR" '^125 podsplice: --publish nonsense: [^
]*$' 'errors are on stderr'
like "$(tail -n 1 "$FILE")" "$STAMP podsplice\[[0-9]+\] error: --publish" \
	'... and in the file'
run_user --log-file "$FILE" -- /nonexistent
like "$STATUS $ERR" '^127 podsplice: [^
]*/nonexistent' 'a command that is not there'
run_user --log-file "$FILE" -- sh -c 'echo mine >&2; ls /proc/self/fd | wc -l'
is "$STATUS $ERR $OUT" '0 mine 4' 'the command has its stderr, not the file'

# rotated when it is opened, and while the pod runs
fill()
{
	as_user truncate -s 0 "$FILE"
	yes 'an old line' | head -c 10485760 | as_user tee "$FILE" >/dev/null
}
rotated()
{
	[ "$(stat -c %s "$FILE")" -lt 100000 ] &&
		[ "$(head -n 1 "$FILE.1")" = 'an old line' ]
}
fill
run_user --log-file "$FILE" -- true
check 'rotated when it is opened' rotated
as_user rm "$FILE.1"
pod grows --log-level debug --log-file "$FILE" -p 8080:80 -- sleep 1000 ||
	bail 'the pod did not start'
fill
check 'rotated while a pod runs' wait_for 40 rotated
peer_net connect "$HOST4" 8080 >/dev/null
check 'all went on writing' wait_for 20 grep -q ' portfwd\[' "$FILE"
pod_end

# a relative path, whose directory a container in the background leaves
as_user rm -f "$FILE" "$FILE.1"
is "$(guard "${AS_USER[@]}" sh -c 'cd && exec "$@"' sh "$PODSPLICE" \
	--log-file log run -d --name relative -- sleep 1000 2>&1)" relative \
	'in the background, by a relative path'
fill
check 'rotated where it was opened' wait_for 40 rotated
verb rm -f relative

# SIGUSR1: of a container in the background
is "$(as_user "$PODSPLICE" --log-file "$FILE" run -d --name dump \
	-p 8080:80 -- sleep 1000)" dump 'in the background'
PID=$(as_user "$PODSPLICE" stats --json dump >/dev/null &&
	as_user "$PODSPLICE" stats --json dump | "$PY" -c \
	'import json, sys; print(json.load(sys.stdin)["state"])')
is "$PID" running 'it runs'
SUP=$(pgrep -u "$ACCOUNT" -f 'run -d --name dump' | head -n 1)
kill -USR1 "$SUP"
for line in 'info: state: "running"' 'info: pids: {' 'stats: flows: {' \
	'stats: errors: {' 'stats: memory: {'; do
	check "SIGUSR1: $line" wait_for 20 grep -qF "state: $line" "$FILE"
done
is "$(as_user "$PODSPLICE" rm -f dump)" dump 'it lived on'

for bad in '' /nonexistent/x "$WORK" "$(printf '%5000s' x)"; do
	run_user --log-file "$bad" -- true
	like "$STATUS $ERR" '^125 podsplice: --log-file [^
]*$' "--log-file '${bad:0:20}': one line"
done
leftovers log_file
finish
