#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# podsplice(5) tells the truth: keys of real replies and those of the page are
# the same, and so are files and the lines of a log.
. "$(dirname "$0")/lib.sh"

PAGE=$TOP/setup/podsplice.5

# keys SECTION: those of the JSON on stdin that the page lacks, and those it
# has in its list that are not there
keys()
{
	"$PY" -c '
import json, re, sys
doc = json.load(sys.stdin)
page = open(sys.argv[1]).read()
section = page.split(f".Ss JSON of {sys.argv[2]}\n")[1]
section = re.split(r"\n\.S[sh] ", section)[0]

# in sections of their own
described = {"ps": ["ports"], "pod ls": ["ports"],
             "pod inspect": ["ports", "pids", "namespaces", "network"]}

def words(pattern):
    lines = re.findall(pattern + r"Cm (.*)", section)
    return {w for line in lines for w in line.split() if w[0].isalpha()}

def keys(x):
    if isinstance(x, dict):
        for k, v in x.items():
            yield k
            if k not in described.get(sys.argv[2], []):
                yield from keys(v)
    if isinstance(x, list):
        for v in x:
            yield from keys(v)

real = set(keys(doc)) - {"schema"}
assert doc["schema"] == 1
print(*sorted(real - words(r"\.(?:It |Pq )?")), "/",
      *sorted(words(r"\.It ") - real))' "$PAGE" "$1" 2>&1
}

serve_peer 7001 || bail 'no server'
as_user "$PODSPLICE" run -d --name web -p 8080:80 -- sh -c '
	echo out; echo err >&2; printf whole; "$@"' sh \
	"$PY" "$T/net.py" serve 80 >"$T/run.out" 2>"$T/run.err"
is $? 0 'a pod in the background'
SOCK=$RUNTIME/podsplice/containers/web/control
wait_for "$GUARD" test -S "$SOCK" || bail 'no control socket'

# a flow that stays: a connection to the server of the other host
spawn flow "${AS_USER[@]}" "$PODSPLICE" exec web -- "$PY" -c '
import socket, time
s = socket.create_connection(("'"$PEER4"'", 7001))
print("connected", flush=True)
time.sleep(1000)'
wait_for "$GUARD" grep -qs connected "$T/flow.out" || bail 'no flow'

is "$(as_user "$PODSPLICE" doctor --json | keys doctor)" / 'doctor --json'
is "$(as_user "$PODSPLICE" ps --json | keys ps)" / 'ps --json'
as_user "$PODSPLICE" pod create --name hull -p 8081:81 >/dev/null ||
	bail 'no pod'
is "$(as_user "$PODSPLICE" pod ls --json | keys 'pod ls')" / 'pod ls --json'
is "$(as_user "$PODSPLICE" pod inspect --json hull | keys 'pod inspect')" / \
	'pod inspect --json'
for verb in port stats flows; do
	is "$(as_user "$PODSPLICE" $verb --json web | keys $verb)" / \
		"$verb --json"
done
is "$(as_user "$PY" -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rw")
f.write("{\"execute\":\"info\"}\n")
f.flush()
print(json.dumps(json.loads(f.readline())["return"]))' "$SOCK" | keys info)" / \
	'info by the control socket'

cd "$RUNTIME/podsplice" || bail 'no directory'
is "$(find containers/web -type f -o -type s | sort | while read -r f; do
	grep -qE "^\.It Pa.* ${f/web/NAME}( |\$)" "$PAGE" || echo "$f"
done)" '' 'every file is described'
is "$(stat -c %a .)" 700 '... and the directory is closed to others'
is "$(grep -cE '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{9}Z (stdout F out|stderr F err|stdout P whole)$' \
	containers/web/log)" 3 'lines of a log'

cd /
as_user "$PODSPLICE" rm -f web >/dev/null
as_user "$PODSPLICE" pod rm -f hull >/dev/null
finish
