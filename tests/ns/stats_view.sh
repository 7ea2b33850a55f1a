#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stats --prometheus as a scraper reads it, and --watch on a real terminal
# (emulated by pyte), resized, narrow, ended by q, ^C and the pod's end.
. "$(dirname "$0")/lib.sh"

"$PY" -c 'import pyte, prometheus_client' 2>/dev/null ||
	skip_all 'python3-pyte or python3-prometheus-client is not installed'
SOCK=$WORK/control.sock
pod view --control "$SOCK" -p 8080:80 -- "$PY" "$T/net.py" serve 80 ||
	bail 'no pod'
wait_port pod 80
is "$(peer_net get "$HOST4" 8080 1000000)" OK 'a flow to count'

as_user "$PODSPLICE" stats --prometheus --control "$SOCK" >"$T/prom"
# shellcheck disable=SC2016 # Python
is "$("$PY" - "$T/prom" <<-'PY'
	import sys
	from prometheus_client.parser import text_string_to_metric_families
	text = open(sys.argv[1]).read()
	got = {}
	for family in text_string_to_metric_families(text):
	    assert family.documentation, family.name
	    for s in family.samples:
	        assert s.labels['pod'].endswith('control.sock')
	        labels = {k: v for k, v in s.labels.items() if k != 'pod'}
	        key = (s.name, *sorted(labels.values()))
	        assert key not in got, key
	        got[key] = s.value
	print(got['podsplice_degraded',],
	      got['podsplice_flows_total', 'splice'] >= 1,
	      got['podsplice_bytes_total', 'copy', 'out'] +
	      got['podsplice_bytes_total', 'out', 'splice'] >= 1000000,
	      got['podsplice_errors_total', 'refused'],
	      got['podsplice_restarts_total', 'netstack'],
	      got['podsplice_memory_bytes', 'portfwd', 'rss'] > 100000)
PY
)" '0.0 True True 0.0 0.0 True' 'every sample of --prometheus is well formed'
for with in --json --watch; do
	like "$(as_user "$PODSPLICE" stats --prometheus $with \
		--control "$SOCK" 2>&1)" '^podsplice: stats: --prometheus goes' \
		"--prometheus $with: one line"
done

# No terminal: one after the other
like "$(guard "${AS_USER[@]}" "$PODSPLICE" stats --watch --json \
	--control "$SOCK" | head -n 2 | cut -c 1-12 | paste -sd' ')" \
	'^.*"schema.* .*"schema' '--watch --json: a line each second'
like "$(guard "${AS_USER[@]}" "$PODSPLICE" flows --watch \
	--control "$SOCK" | head -n 2 | cut -c 1-9 | paste -sd' ')" \
	'^DIRECTION DIRECTION$' '--watch without a terminal: tables'

# A terminal of COLS x ROWS; lines of the file are what the user does
screen() # COLS ROWS STEP...
{
	guard "$PY" "$LIB/screen.py" "$@" -- "${AS_USER[@]}" "$PODSPLICE" \
		stats --watch --control "$SOCK" 2>&1
}

is "$(screen 100 30 'see IN BIT/S' 'see portfwd' 'type q' end)" \
	'end 0, the terminal as before' 'a screen, ended by q'
is "$(screen 100 30 'see portfwd' 'type ^C' end)" \
	'end 0, the terminal as before' '... by ^C'
is "$(screen 100 30 'see portfwd' 'size 20 5' 'see splice' \
	'not portfwd' 'size 120 40' 'see portfwd' 'type q' end)" \
	'end 0, the terminal as before' 'it follows the size'
is "$(screen 1 1 'see P' 'type q' end)" 'end 0, the terminal as before' \
	'one cell is enough'
is "$(screen 100 30 'see portfwd' 'type ^Z' stopped continue 'see portfwd' \
	'type q' end)" 'end 0, the terminal as before' 'stopped and continued'
screen 100 30 'see portfwd' ready end >"$T/gone" &
WATCH=$!
wait_for 20 grep -q ready "$T/gone"
pod_end
wait "$WATCH"
like "$(cat "$T/gone")" \
	'podsplice: [^ ]*control.sock: no pod listens.*end 125, the terminal as' \
	'the end of the pod ends it, with a line'

leftovers stats_view
finish
