#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is made of the figures of a benchmark: the table, the report, charts by
# gnuplot, and what changed from one run to another. bench_report.json is
# a part of a real run; what has to be known exactly is made up here. No figure
# is judged.
# With --long the report is looked at by headless Chromium, at the widths of a
# phone and a desk, by day and night, and on paper.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ns/bench_lib.sh
. "$(dirname "$0")/bench_lib.sh"

REAL=$T/real.json
install -m 644 "$LIB/bench_report.json" "$REAL"
PAGE=("$PY" -B "$LIB/bench_page.py")

# bench CODE ARG...: Python with the modules of bench/; STATUS
bench()
{
	guard env "PYTHONPATH=$TOP/bench" "$PY" -B -c "import sys
$1" "${@:2}" >"$T/out" 2>"$T/bench.err"
	STATUS=$?
}

report() # RESULTS PAGE
{
	bench 'from report import main; sys.exit(main(*sys.argv[1:]))' "$@"
}

changes() # OLD NEW
{
	verb bench compare "$@"
}

# results FILE: a head, and the lines "row;unit;peer;value..." of stdin
results()
{
	"$PY" -B - "$1" 3<&0 <<-'END'
		import json, os, sys
		head = {"cpu": "one", "kernel": "6.1", "baseline": "native",
		        "rounds": 5, "seconds": 1.0}
		with open(sys.argv[1], "w") as f:
		    def put(**record):
		        print(json.dumps({"schema": 1, **record}), file=f)
		    put(machine=head)
		    for line in os.fdopen(3):
		        row, unit, peer, *values = line.strip().split(";")
		        for i, value in enumerate(values, 1):
		            put(row=row, unit=unit, peer=peer, round=i,
		                value=float(value), raw=None)
	END
}

bench 'from lab import Failed, run
try:
    run(["sleep", "1000"], timeout=0.1)
except Failed as e:
    print(e)'
is "$(cat "$T/out")" 'not done after 0.1 s' 'what hangs is told in a few words'

# The page

report "$REAL" "$T/real.html"
is "$STATUS" 0 'a report of a real run'
is "$("${PAGE[@]}" parse "$T/real.html")" '' 'a page that needs nothing else'
is "$("${PAGE[@]}" rows "$T/real.html" "$REAL")" '' \
	'every row has a chart, with each peer and its median'
for part in 'In short' 'The machine and its settings' 'How it was measured' \
	'Ratios to native' Figures 'How latencies are distributed' \
	'With more clients and streams' 'Failures and notes'; do
	check "it has: $part" grep -q ">$part</h2>" "$T/real.html"
done

results "$T/made.json" <<-'END'
	bulk, a -> b;Gbit/s;native;10;20;10
	bulk, a -> b;Gbit/s;podsplice;5;10;5
	bulk, a -> b;Gbit/s;pasta;6;12;4
	bulk, a -> b;Gbit/s;slirp4netns;1;2;1
	trip p50;us;podsplice;30;30;30
	trip p50;us;pasta;60;90;60
	loss;%;podsplice;1;2;1
	loss;%;slirp4netns;0;0;0
	bulk, a -> b, helper;CPU s/GB;podsplice;4;4;4
	bulk, a -> b, helper;CPU s/GB;pasta;2;2;2
END
echo '{"schema": 1, "row": "trip p50", "peer": "slirp4netns", "round": 1,
	"value": null, "error": "no answer"}' | tr -d '\n\t' >>"$T/made.json"
SENTENCES='bulk, a -> b: pasta is ahead of podsplice by x1.20, 6.00 to 5.00 Gbit/s (in 2 of 3 rounds)
loss: slirp4netns is ahead of podsplice, 0.000 to 1.00 % (in 3 of 3 rounds)
bulk, a -> b, helper: pasta is ahead of podsplice by x2.00, 2.00 to 4.00 CPU s/GB (in 3 of 3 rounds)'
report "$T/made.json" "$T/made.html"
is "$("${PAGE[@]}" told "$T/made.html")" "= Where podsplice isn’t first
$SENTENCES
= Where podsplice is first
trip p50: podsplice is ahead of pasta by x2.00, 30.0 to 60.0 us (in 3 of 3 rounds)" \
	'where a peer is ahead, and of the same size where none is'
is "$(grep -o 'Failed: [^<]*' "$T/made.html")" 'Failed: slirp4netns' \
	'who has failed is told at the row'
like "$(cat "$T/made.html")" '<h3>Failures \(1\)</h3></summary><ul[^>]*><li>trip p50: slirp4netns, round 1: no answer<' \
	'... and why'

results "$T/check.json" <<-'END'
	cross-check, other host -> pod, ours;Gbit/s;podsplice;30;31;29
	cross-check, other host -> pod, iperf3;Gbit/s;podsplice;20;30;20
	cross-check, other host -> pod, ours;Gbit/s;native;30;31;29
	cross-check, other host -> pod, iperf3;Gbit/s;native;30;30;30
	idle helper, private memory;KiB;podsplice;1;1;1
END
report "$T/check.json" "$T/check.html"
is "$(grep -o '<p class="warn">Cross-check[^<]*' "$T/check.html")" \
	"<p class=\"warn\">Cross-check by iperf3: podsplice: ours is x1.45 of \
iperf3's, beyond 10%; native: ours is x1.00 of iperf3's, within 10%." \
	'that iperf3 disagrees stands at the top'

# The table

verb bench show "$T/made.json"
is "$STATUS" 0 'a file is shown'
like "$OUT" 'native  +podsplice  +pasta  +slirp4netns
bulk, a -> b +Gbit/s +10\.0 ±2\.50 +5\.00 ±1\.25 +x0\.50 +6\.00 ±2\.00 +x0\.60 ' \
	'a table'
like "$OUT" 'trip p50 +us +- +30\.0 ±0\.000 +60\.0 ±7\.50 +failed' \
	'who has failed is told from who has no such row'
is "$(tail -n 4 <<<"$OUT")" "$SENTENCES
failed: trip p50: slirp4netns, round 1: no answer" 'the sentences below it'

for width in 80 40; do
	COLUMNS=$width bench '
from records import read
from tables import table
table(read(sys.argv[1]), False)' "$REAL"
	is "$("$PY" -c 'import sys
print(max(len(x.rstrip("\n")) for x in open(sys.argv[1])) <= int(sys.argv[2]))' \
		"$T/out" "$width")" True "nothing beyond $width columns"
	is "$(grep -c podsplice "$T/out")" "$("$PY" -c 'import json, sys
print(len({(r["row"], r["unit"]) for r in map(json.loads, open(sys.argv[1]))
    if r.get("peer") == "podsplice" and "round" in r
    and not r["unit"].startswith("CPU ")}))' "$REAL")" \
		"all rows in $width columns"
done

# Strings of somebody else

EVIL='<script>x</script>"><img src=x onerror=y>&amp;</style>'
"$PY" - "$T/evil.json" "$EVIL" <<-'END'
	import json, sys
	evil = sys.argv[2] + "'`touch x`'; system 'touch x'\x1b[31m\n\x00\ud800{y}%s"
	with open(sys.argv[1], "w") as f:
	    for r in ({"machine": {"cpu": evil, "baseline": evil, evil: [evil]}},
	              {"path": {"peer": evil, "version": evil, evil: evil}},
	              {"note": evil},
	              {"row": evil, "peer": evil, "round": 1, "value": None,
	               "error": evil},
	              *({"row": evil + ", %d" % n, "unit": unit, "peer": peer,
	                 "round": 1, "value": n, "raw": {"p50_ns": n, "p99_ns": n,
	                 "clients": n}}
	                for n in (1, 4) for peer in (evil, "podsplice")
	                for unit in (evil, "us", "1/s"))):
	        print(json.dumps({"schema": 1, **r}), file=f)
END
report "$T/evil.json" "$T/evil.html"
is "$STATUS" 0 'a report of hostile strings'
is "$("${PAGE[@]}" parse "$T/evil.html")" '' 'they are text'
is "$(grep -c $'[\x01-\x08\x0b-\x1f]' "$T/evil.html")" 0 \
	'without control characters'
changes "$T/evil.json" "$T/evil.json"
is "$STATUS" 0 'they can be compared'
unlike "$OUT$ERR" $'\x1b' 'and do nothing to a terminal'
verb bench show --report "$WORK/shown.html" "$T/evil.json"
is "$STATUS" 0 'they can be shown'
unlike "$OUT$ERR" $'\x1b' 'likewise'
check 'and the report is the same' cmp "$T/evil.html" "$WORK/shown.html"

# Charts by gnuplot

if command -v gnuplot >/dev/null; then
	for name in made evil real; do
		bench 'from plot import main; sys.exit(main(*sys.argv[1:]))' \
			"$T/$name.json" "$T/plots-$name"
		is "$STATUS" 0 "gnuplot makes charts of $name.json"
		is "$("${PAGE[@]}" svg "$T/plots-$name")" '' 'and all of them'
	done
	is "$(find "$T" -name x)" '' 'no string is a command'
else
	skip 'charts by gnuplot' "it isn't installed"
fi

# README.md's figures are those of the file that is kept with them

mkdir "$T/tree"
cp -a "$TOP/bench" "$TOP/README.md" "$T/tree"
readme()
{
	guard "$PY" -B "$T/tree/bench/readme.py" "$@" >"$T/readme.out" 2>&1
	STATUS=$? OUT=$(cat "$T/readme.out")
}

readme --check
is "$STATUS $OUT" '0 ' "README.md's figures are those of the file"
sed -i 's,Gbit/s | ,&9,' "$T/tree/README.md"
readme --check
is "$STATUS $OUT" "125 podsplice: bench: README.md: the figures are not those \
of bench/results (python3 bench/readme.py)" 'a figure that was edited is found'
readme
readme --check
is "$STATUS" 0 '... and mended'
check 'so that nothing differs' cmp "$TOP/README.md" "$T/tree/README.md"
sed -i '/"unit": "Gbit.s", "peer": "podsplice"/s/"value": /&9/' \
	"$T"/tree/bench/results/*.json
readme --check
is "$STATUS" 125 'as are results that were edited'
readme "$REAL"
is "$STATUS" 0 'another run is published'
readme --check
is "$STATUS" 0 '... and stands in README.md'
like "$(cat "$T/tree/README.md")" '## Figures.*\(bench/results/2026-11-22-.*memory of an idle helper, KiB.*## Limits' \
	'... with where it is from'
changes "$T"/tree/bench/results/*.json "$REAL"
is "$STATUS" 0 'what was published is a file of results'
unlike "$OUT" 'only in' 'with all of its figures'

# What changed

changes "$REAL" "$REAL"
is "$STATUS" 0 'a run compared with itself'
like "$OUT" 'compared: 0 worse, 0 better, ' 'is the same'
like "$OUT" 'others used ([0-9]+%) of the machine in the old run, [0-9]+% in' \
	'of a machine that others used, too'
unlike "$OUT" 'not the same|perhaps|only in' 'and of the same machine'

results "$T/old.json" <<-'END'
	bulk;Gbit/s;native;10;11;10;12;10
	bulk;Gbit/s;podsplice;5;5.5;5.1;6;5
	bulk;Gbit/s;pasta;5;5.5;5.1;6;5
	trip;us;podsplice;10;11;12;13;14
	start;ms;podsplice;20;21;22
	gone;ms;podsplice;1;1;1
END
results "$T/new.json" <<-'END'
	bulk;Gbit/s;native;20;22;20;24;20
	bulk;Gbit/s;podsplice;6;6.6;6.2;7;6
	bulk;Gbit/s;pasta;10;11;10.2;12;10
	trip;us;podsplice;5;5;5.5;5;6
	start;ms;podsplice;40;41;42
	new;ms;podsplice;1;1;1
END
sed -i 's/"6\.1"/"6.2"/' "$T/new.json"
changes "$T/old.json" "$T/new.json"
is "$STATUS" 0 'two runs compared'
is "$OUT" 'warning: not the same kernel: 6.1 -> 6.2

the machine itself is another one, or was otherwise busy:
  bulk: native: 10.0 -> 20.0 Gbit/s (+100 %)

worse, beyond noise:
  bulk: podsplice: 0.50 -> 0.30 of native (-40 %), p 0.0079

better, or the machine is: there is no baseline to these:
  trip: podsplice: 12.0 -> 5.00 us (-58 %), p 0.0079

perhaps: all rounds agree, but they are too few to tell:
  start: podsplice: 21.0 -> 41.0 ms (+95 %)

only in the old one:
  gone: podsplice

only in the new one:
  new: podsplice

4 compared: 1 worse, 1 better (1 of these without a baseline), 1 the same within noise or 5%, 1 with too few rounds to tell (5 in each run are enough). By chance alone about 0.0 of 3 would look changed (p < 0.01).' \
	'what changed, and what only the machine did'

# bad NAME TEXT WHY
bad()
{
	printf '%b' "$2" >"$T/bad"
	changes "$REAL" "$T/bad"
	is "$STATUS $OUT$ERR" \
		"125 podsplice: bench: $T/bad: $3" "$1"
}
bad 'an empty file' '' 'no results in it'
bad 'no JSON' 'x\n' 'line 1 is no result'
bad 'JSON that is no record' '[1]\n' 'line 1 is no result'
bad 'another schema' '{"schema": 2}\n' 'line 1 is no result'
bad 'no text' '\0377' 'not a file of results'
bad 'a value that is none' "$(head -n 1 "$REAL")\n"'{"schema": 1, "row": "a", "unit": "b", "peer": "c", "round": 1, "value": NaN, "raw": null}\n' \
	'line 2 is no result'
rm "$T/bad"
changes "$T/bad" "$REAL"
is "$STATUS $ERR" \
	"125 podsplice: bench: $T/bad: No such file or directory" \
	'a file that is not there'

# All of it by the verb: nothing to look at but that it is there

OPTIONS=(--only rr-lo-1k --against native --rounds 1 --seconds 0.1)
if command -v gnuplot >/dev/null; then
	OPTIONS+=(--plot "$WORK/plots")
fi
verb bench "${OPTIONS[@]}" --report "$WORK/own.html" --json "$WORK/own.json"
is "$STATUS" 0 'measured, with a report'
is "$("${PAGE[@]}" parse "$WORK/own.html")" '' 'it is a page'
is "$("${PAGE[@]}" manual "$TOP/setup/podsplice.5" "$WORK/own.json")" '' \
	'its lines are as the manual says'
like "$(cat "$WORK/own.html")" 'round trip, 1 KiB, loopback.*podsplice' \
	'of what was measured'
bench 'import re
from rows import ROWS
with open(sys.argv[1], encoding="utf-8") as f:
    rows = f.read().split("The rows, by the names of\n")[1].split("\n.El")[0]
words = [w for x in re.findall(r"^.It (.*)", rows, re.M)
         for w in re.findall(r"(?:Cm|,) (?!Cm)([\w-]+)", x)]
print(*(n for n in ROWS if not any(map(n.startswith, words))))' \
	"$TOP/setup/podsplice.1"
is "$STATUS $(cat "$T/out")" '0 ' 'the manual says what each row measures'
if [ -d "$WORK/plots" ]; then
	is "$("${PAGE[@]}" svg "$WORK/plots")" '' 'and charts'
	check 'of each row' test -s "$WORK/plots/004-"*.svg
else
	skip 'charts of a run' "gnuplot isn't installed"
fi
verb bench "${OPTIONS[@]}" --report "$WORK/none/own.html"
is "$STATUS $OUT$ERR" \
	"125 podsplice: bench: $WORK/none/own.html: No such file or directory" \
	'where a report can not be is said before anything is measured'

# In a browser, that has no network: at WIDTH, by SCHEME

browser() # OPTION...
{
	as_user timeout -k 5 $((GUARD * 2)) chromium --headless --no-sandbox \
		--disable-gpu --hide-scrollbars --allow-file-access-from-files \
		--user-data-dir="$WORK/browser" "$@" 2>"$T/browser.err"
}

# the window is never as narrow as a phone: a frame is
frame() # PAGE WIDTH
{
	cat <<-END
		<!DOCTYPE html><title>not loaded</title><body style="margin: 0">
		<iframe style="border: 0" width=$2 height=900 src="$1"></iframe>
		<script>
		addEventListener("load", () => {
		  const w = frames[0], d = w.document, wrong = [];
		  for (const x of d.querySelectorAll("details")) x.open = true;
		  if (d.documentElement.scrollWidth > w.innerWidth)
		    wrong.push("the page is " + d.documentElement.scrollWidth);
		  for (const t of d.querySelectorAll("svg text")) {
		    const box = t.getBBox(), all = t.ownerSVGElement.viewBox.baseVal;
		    if (box.x < -1 || box.x + box.width > all.width + 1)
		      wrong.push("outside of its chart: " + t.textContent);
		    for (const e of t.ownerSVGElement.querySelectorAll("rect, .spread")) {
		      const bar = e.getBBox();
		      if (t.matches(".value") ? bar.x + bar.width > box.x :
		          t.matches(".name") && box.x + box.width > bar.x)
		        wrong.push("on a bar: " + t.textContent);
		    }
		  }
		  const seen = d.querySelectorAll("figure").length;
		  document.title = w.innerWidth + " wide, " +
		    (seen ? "" : "no charts ") + wrong.join("; ");
		});
		</script>
	END
}

if [ -z "${PODSPLICE_LONG-}" ]; then
	skip 'the report in Chromium' 'only with --long'
elif ! command -v chromium >/dev/null; then
	skip 'the report in Chromium' "it isn't installed"
else
	cp "$T/real.html" "$T/evil.html" "$WORK/"
	for name in real evil; do
		for width in 360 1200; do
			frame "$name.html" $width >"$WORK/frame.html"
			browser --window-size=$width,900 --dump-dom \
				"file://$WORK/frame.html" >"$T/dom"
			is "$(grep -o '<title>[^<]*' "$T/dom")" \
				"<title>$width wide, " \
				"$name.json: nothing is wider than $width"
		done
	done
	for scheme in 0:11161c 1:f6f7f9; do
		browser --window-size=1200,900 \
			--blink-settings=preferredColorScheme=${scheme%:*} \
			--screenshot="$WORK/page.png" "file://$WORK/real.html"
		is "$("${PAGE[@]}" pixel "$WORK/page.png" "${scheme#*:}")" '' \
			"the page is #${scheme#*:}"
	done
	browser --print-to-pdf="$WORK/page.pdf" "file://$WORK/real.html"
	is "$(head -c 5 "$WORK/page.pdf")" '%PDF-' 'it can be printed'
fi
finish
