# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests of pods have in common; sourced after lib.sh.

# of_json EXPR ARGS...: in Python, of `j`, what `podsplice ARGS` prints as JSON
of_json()
{
	local expr=$1
	shift
	guard "${AS_USER[@]}" "$PODSPLICE" "$@" 2>&1 | "$PY" -c '
import json, sys
text = sys.stdin.read()
try:
    j = json.loads(text)
except ValueError:
    j = {"containers": [], "pods": [], "pids": {}, "state": text}
print(eval(sys.argv[1]))' "$expr"
}

# about POD EXPR: of its pod inspect, as `j`
about()
{
	of_json "$2" pod inspect --json "$1"
}

# pid_of POD ROLE: infra, supervisor, ...
pid_of()
{
	about "$1" "j['pids'].get('$2')"
}

# container NAME EXPR: of its row in ps --json, as `c`
container()
{
	of_json "[($2) for c in [c for c in j['containers'] if c['name'] == '$1'] or [{}]][0]" \
		ps -a --json
}

# container_is NAME "STATE": e.g. "('exited', 0)"
container_is()
{
	[ "$(container "$1" 'c.get("state"), c.get("exit_code")')" = "$2" ]
}

pod_is() # POD STATE
{
	[ "$(about "$1" 'j["state"]')" = "$2" ]
}
