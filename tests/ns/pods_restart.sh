#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers of a pod that are started again: when, how, and when not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"

PORTS_BEFORE=$(ports_of_host)

# times NAME: how often a line of its log was written
times()
{
	as_user "$PODSPLICE" logs "$1" 2>/dev/null | wc -l
}

at_least() # N NAME
{
	[ "$(times "$2")" -ge "$1" ]
}

helper_log() # NAME
{
	as_user "$PODSPLICE" logs --helper "$1" 2>&1
}

waits() # NAME: for its next start, which is some seconds away
{
	helper_log "$1" | grep -q 'again in 6400 ms'
}

verb pod create --name web
is "$STATUS" 0 'a pod'

# When
verb run -d --pod web --name again --restart always -p 8080:80 -- \
	sh -c 'echo again; exit 0'
is "$STATUS|$OUT|$ERR" '0|again|' '--restart always'
check '... starts it again, and again' wait_for 20 at_least 3 again
like "$(helper_log again)" \
	'again: has ended with 0 and is started again in 100 ms' '... and is told'
verb port web
like "$OUT" ' 8080 ' '... its port stays'
verb run -d --pod web --name fine --restart on-failure -- \
	sh -c 'echo fine; exit 0'
check '--restart on-failure: an end with 0 is the end' \
	wait_for 20 container_is fine "('exited', 0)"
is "$(times fine)" 1 '... after one start'
echo 0 >"$WORK/n"
chmod 666 "$WORK/n"
# shellcheck disable=SC2016 # for the inner shell
verb run -d --pod web --name fails --restart on-failure -- sh -c '
	read -r n <"$1"; echo $((n + 1)) >"$1"; echo $n; test $n = 3' sh "$WORK/n"
check '... one with another status is not' \
	wait_for 20 container_is fails "('exited', 0)"
is "$(times fails)" 4 '... until it is'
verb run -d --pod web --name missing --restart always -- nosuchcommand
like "$STATUS $ERR" '^125 podsplice: nosuchcommand: not found$' \
	'a start that fails is not tried again'
is "$(as_user "$PODSPLICE" ps -aq | grep -c missing)" 0 '... and leaves nothing'

# It is the same container
# shellcheck disable=SC2016 # for the inner shell
verb run -d --pod web --name same --restart always -e A=b -- \
	sh -c 'echo "$A $(id -u) $(hostname)"; sleep 1000'
wait_for 20 at_least 1 same
SUP=$(container same 'c["supervisor"]')
for i in 2 3; do
	kill -KILL "$(container same 'c["pid"]')"
	check "killed, it is started again ($i)" wait_for 20 at_least $i same
done
is "$(as_user "$PODSPLICE" logs same | sort -u)" 'b 0 web' \
	'... with the same words'
is "$(container same 'c["supervisor"]')" "$SUP" '... by the same supervisor'
# shellcheck disable=SC2016 # for the inner shell
is "$(as_user "$PODSPLICE" exec same -- sh -c 'echo $A')" b '... exec works'

# stop
verb stop same
is "$STATUS|$OUT|$ERR" '0|same|' 'stop'
like "$(container same '(c["state"], c["exit_code"])')" "'exited', 143" \
	'... it has ended'
verb start same
is "$STATUS|$OUT|$ERR" '0|same|' 'start'
check '... it runs' wait_for 20 at_least 4 same
kill -KILL "$(container same 'c["pid"]')"
check '... and is started again as before' wait_for 20 at_least 5 same
verb stop -t 0 same
is "$STATUS|$OUT|$ERR" '0|same|' 'stop -t 0'
is "$(container same '(c["state"], c["exit_code"])')" "('exited', 137)" \
	'... it has ended'
check 'one that waits for its next start' wait_for 60 waits again
is "$(container again '(c["state"], c["pid"])')" "('starting', None)" \
	'... says so'
verb exec again -- true
like "$STATUS $ERR" '^125 podsplice: [^[:cntrl:]]*no command runs there' \
	'... runs nothing'
RUNS=$(times again)
verb stop again
is "$STATUS|$OUT|$ERR" '0|again|' '... is stopped'
is "$(container again '(c["state"], c["exit_code"])') $(times again)" \
	"('exited', 0) $RUNS" '... at once'
verb port web
unlike "$OUT" ' 8080 ' '... its port is withdrawn'

# Other ends
verb start again same
kill -KILL "$(container again 'c["supervisor"]')"
check 'its supervisor is killed: that is the end' \
	wait_for 20 container_is again "('exited', None)"
verb start again
is "$STATUS" 0 '... it can be started'
verb pod stop web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod stop'
is "$(as_user "$PODSPLICE" ps -q)" '' '... ends all of them'
verb pod start web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod start'
check '... starts those that are started again' wait_for 20 pod_is web running
kill -KILL "$(pid_of web supervisor)"
check "the pod's supervisor is killed: they end with it" \
	wait_for 20 eval '[ -z "$(as_user "$PODSPLICE" ps -q)" ]'

# With a pid namespace that is shared, what is left of it ends, too
verb pod start web
verb run -d --pod web --pid pod --name one --restart always -- \
	sh -c 'echo one; sleep 4713 & exit 1'
wait_for 20 at_least 3 one
verb stop one
is "$STATUS" 0 '--pid pod and --restart'
is "$(pgrep -cfx 'sleep 4713' -u "$ACCOUNT_UID")" 0 \
	'... what an end leaves is gone before the next start'

# A terminal, and what is refused
verb run -dt --pod web --name tty --restart always -- \
	sh -c 'test -t 1 && echo a terminal'
check 'with a terminal' wait_for 20 at_least 3 tty
for words in '--restart always' '-d --restart always' \
	'--pod web --restart always' '-d --pod web --restart never'; do
	# shellcheck disable=SC2086 # words
	verb run $words -- true
	like "$STATUS $ERR" '^125 podsplice: --restart[^[:cntrl:]]+$' "run $words"
done
verb pod rm -f web
is "$STATUS|$OUT|$ERR" '0|web|' 'pod rm -f'
leftovers 'containers that are started again'
finish
