#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what is missing, builds, and runs every test. As root, or as a user
# with sudo. Usage: sh tests/run.sh [--long] [SUITE...]
#
# Suites: lint, unit, fuzz, ns, engines, or one file of the last two's folders
# by its name without the .sh; none means all. --long adds what is too long for
# every change.
# One line for each program, its whole log in build/test-logs/; what failed is
# shown. The last line is "N passed, N failed, N skipped".
# shellcheck disable=SC2046 # lists of files and flags, meant to be split
set -u
exec </dev/null
export LC_ALL=C
# as root has them; a login of an ordinary user has neither
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# shellcheck disable=SC3045 # -H and -S: dash and bash have them
FDS=$(ulimit -Hn)
[ "$FDS" != unlimited ] && [ "$FDS" -lt 65536 ] || FDS=65536
# shellcheck disable=SC3045
ulimit -Sn "$FDS"
TOP=$(cd "$(dirname "$0")/.." && pwd)
cd "$TOP" || exit 1

LONG=
SUITES=
for arg; do
	case $arg in
	--long) LONG=1 ;;
	-h | --help)
		sed -n '3,10s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	-*)
		echo "tests/run.sh: $arg: no such option" >&2
		exit 2
		;;
	*) SUITES="$SUITES $arg" ;;
	esac
done
FUZZ_SECONDS=10 NS_SECONDS=400
[ -z "$LONG" ] || FUZZ_SECONDS=3600 NS_SECONDS=1800

LOGS=build/test-logs
JOBS=$(nproc)
PASSED=0 FAILED=0 SKIPPED=0

# The one way out: the totals are the last line, whatever happened.
end()
{
	trap - EXIT
	echo
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	if [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ]; then
		exit 0
	fi
	exit 1
}
trap end EXIT
trap 'FAILED=$((FAILED + 1)); exit 1' HUP INT TERM

wanted() # SUITE
{
	[ -z "$SUITES" ] && return 0
	case "$SUITES " in *" $1 "*) return 0 ;; esac
	return 1
}

wanted_of() # FOLDER NAME
{
	wanted "$1" || wanted "$2"
}

stage()
{
	echo
	echo "== $1"
	STAGE=$1
	S_PASSED=$PASSED S_FAILED=$FAILED S_SKIPPED=$SKIPPED S_TIME=$(date +%s)
}

stage_end()
{
	printf -- '-- %s: %d passed, %d failed, %d skipped (%d s)\n' "$STAGE" \
		$((PASSED - S_PASSED)) $((FAILED - S_FAILED)) \
		$((SKIPPED - S_SKIPPED)) $(($(date +%s) - S_TIME))
}

show() # LOG: what a failure left, at most 60 lines of it
{
	grep -vE '^\[[0-9]+/[0-9]+\] |^[0-9]+ warnings? generated' "$1" |
		tail -n 60 | sed 's/^/    | /'
}

# one NAME CMD...: a check that is one test
one()
{
	log=$LOGS/$(echo "$1" | tr -c 'a-zA-Z0-9.\n' -).log
	name=$1
	shift
	if "$@" >"$log" 2>&1; then
		PASSED=$((PASSED + 1))
		printf '%-32s ok\n' "$name"
	else
		FAILED=$((FAILED + 1))
		printf '%-32s FAILED\n' "$name"
		show "$log"
	fi
}

# tally NAME LOG STATUS: counts a TAP program
tally()
{
	# cmocka's word for a skipped test is "not ok N # SKIP name"
	sed -i 's/^not \(ok [0-9]* # SKIP\)/\1/' "$2"
	ok=$(grep -cE '^ok ' "$2")
	skip=$(grep -cE '^ok .*# [Ss][Kk][Ii][Pp]' "$2")
	bad=$(grep -cE '^not ok ' "$2")
	ok=$((ok - skip))
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$2" | head -n 1)
	why=
	if [ "$3" = 77 ]; then
		skip=$((skip + 1))
		why=$(sed -n 's/^1\.\.0 # SKIP //p' "$2" | head -n 1)
	elif [ "$3" = 124 ] || [ "$3" = 137 ]; then
		bad=$((bad + 1))
		why='timed out'
	elif [ "$bad" = 0 ] && [ "$3" != 0 ]; then
		bad=1
		why="status $3"
	elif [ "${plan:-0}" != $((ok + bad + skip)) ]; then
		bad=$((bad + 1))
		why="planned ${plan:-nothing}"
	fi
	PASSED=$((PASSED + ok)) FAILED=$((FAILED + bad))
	SKIPPED=$((SKIPPED + skip))
	printf '%-32s %d passed, %d failed, %d skipped' "$1" "$ok" "$bad" \
		"$skip"
	printf '%s\n' "${4:+ ($4 s)}${why:+: $why}"
	grep -E '^ok .*# [Ss][Kk][Ii][Pp]' "$2" | sed 's/^ok /    skipped /'
	[ "$bad" = 0 ] || {
		# each failure with its diagnostics, then, if it broke off, its end
		awk '/^not ok/ { on = 1 } /^ok / { on = 0 } on' "$2" |
			head -n 200 | sed 's/^/    | /'
		[ -z "$why" ] || show "$2"
	}
}

sources() # PATTERN...: files of the project that match
{
	git -c safe.directory="$TOP" ls-files -- "$@" 2>/dev/null ||
		find . -path './build*' -prune -o -name "$1" -print
}

# configure DIR ARGS...: a build directory, kept when it is there already
configure()
{
	dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@"
	else
		meson setup "$dir" "$@"
	fi
}

build() # DIR ARGS...
{
	configure "$@" && ninja -C "$1"
}

stage build
mkdir -p "$LOGS" || exit 1
one 'packages' sh setup/deps.sh build package test ${LONG:+long}
[ "$FAILED" = 0 ] || exit 1
# of a compiler that warns of more than those we know, the tests still run
one 'build, gcc -Werror' build build -Dtests=true --werror
if [ "$FAILED" != 0 ]; then
	one 'build' build build -Dtests=true -Dwerror=false
	[ "$FAILED" = 1 ] || exit 1
fi
stage_end

# What needs root. A user without sudo gets all the rest, and is told.
if [ "$(id -u)" = 0 ]; then
	ROOT=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	ROOT='sudo -n'
else
	ROOT=none
fi

format()
{
	sources '*.c' '*.h' | xargs clang-format --dry-run -Werror
}

shell()
{
	sources '*.sh' '*.bash' .ci/run | xargs -P "$JOBS" -n 4 shellcheck -x
}

# Off, and why:
#  resourceLeak, leakReturnValNotUsed: it knows neither the cleanup attribute
#    nor that a returned or passed-on descriptor has another owner
#  nullPointer: it takes accept4()'s optional address for a required one
#  readdirCalled, getpwuidCalled, fgetpwentCalled, fgetgrentCalled: one
#    thread in each process
#  arrayIndexOutOfBoundsCond: fires on a sentinel that is compared before
# and in the tests, where cmocka's macros hide that an assertion ends a test,
#  uninitvar, invalidFunctionArgBool
lint_c()
{
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j "$JOBS" \
		--enable=warning,portability,performance --library=posix,gnu \
		--suppress=missingIncludeSystem --suppress=resourceLeak \
		--suppress=leakReturnValNotUsed --suppress=nullPointer \
		--suppress=readdirCalled --suppress=getpwuidCalled \
		--suppress=fgetpwentCalled --suppress=fgetgrentCalled \
		--suppress=arrayIndexOutOfBoundsCond \
		--suppress='uninitvar:tests/*' \
		--suppress='invalidFunctionArgBool:tests/*' \
		--suppress='*:/usr/*' -D_GNU_SOURCE -I. $(sources '*.c')
}

# clang's own compile commands: gcc's options are not all known to it. It tells
# the compiler's warnings, too, so nothing is compiled. Its analyzer takes nine
# tenths of the time; what the tests do wrong the sanitizers see as well.
tidy()
{
	CC=clang configure build-clang -Dtests=true &&
		ninja -C build-clang version.h || return 1
	for f in $(sources '*.c'); do
		grep -qF "\"file\": \"../$f\"" build-clang/compile_commands.json &&
			echo "$f"
	done >"$LOGS/tidy.list"
	less='-clang-analyzer-*'
	[ -z "$LONG" ] || less=
	grep -v '^tests/' "$LOGS/tidy.list" |
		xargs -P "$JOBS" -n 2 clang-tidy --quiet -p build-clang &&
		grep '^tests/' "$LOGS/tidy.list" | xargs -P "$JOBS" -n 8 \
			clang-tidy --quiet "--checks=$less" -p build-clang
}

# O3 finds what assert() hides, and warnings of the optimiser
release()
{
	build build-release --werror --buildtype=release -Db_ndebug=true \
		-Dtests=false
}

# README.md's figures are those of the file of results that is kept
figures()
{
	/usr/bin/python3 -B bench/readme.py --check
}

if wanted lint; then
	stage lint
	one 'clang-format' format
	one 'shellcheck' shell
	one 'figures of README.md' figures
	one 'gcc -O3 -DNDEBUG -Werror' release
	one 'cppcheck' lint_c
	one 'clang and clang-tidy' tidy
	stage_end
fi

asan_build()
{
	build build-asan -Dsandbox=off -Db_sanitize=address,undefined \
		-Db_lundef=false
}

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
# a test that sends SIGSEGV means the signal
ASAN_OPTIONS=$ASAN_OPTIONS:handle_segv=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

if wanted unit; then
	stage 'unit (ASan, UBSan)'
	one 'build' asan_build
	rm -f build-asan/meson-logs/testlog.json
	meson test -C build-asan --no-rebuild -t 3 >$LOGS/meson-test.log 2>&1
	[ -s build-asan/meson-logs/testlog.json ] ||
		one 'meson test' cat $LOGS/meson-test.log /nonexistent
	# one log for each program, as meson recorded it; its name and status
	/usr/bin/python3 - build-asan/meson-logs/testlog.json $LOGS \
		>$LOGS/unit.list <<-'END'
		import json, sys
		for line in open(sys.argv[1]):
		    t = json.loads(line)
		    name = t['name'].split('/')[-1].replace(' ', '-')
		    status = t.get('returncode', 0)
		    if t['result'] == 'TIMEOUT':
		        status = 124
		    elif t['result'] == 'ERROR' and not status:
		        status = 1 # FAIL is also cmocka's word for a skip
		    with open(f'{sys.argv[2]}/{name}.log', 'w') as f:
		        f.write(t.get('stdout') or '')
		        f.write(t.get('stderr') or '')
		    print(name, status)
	END
	while read -r name status; do
		tally "$name" "$LOGS/$name.log" "$status"
	done <$LOGS/unit.list
	stage_end
fi

# fuzz_NAME.c, with its world_NAME.c if it has one, over the seeds and then a
# while longer. The project's objects come from a build of their own, with the
# fuzzer's instrumentation.
fuzz_build()
{
	CC=clang build build-fuzz -Dsandbox=off \
		-Db_sanitize=address,undefined -Db_lundef=false -Dtests=false \
		-Dc_args=-fsanitize=fuzzer-no-link
}

fuzz_one() # NAME
{
	mkdir -p "build-fuzz/corpus-$1" "build-fuzz/found-$1"
	# the archives name each other in no particular order
	clang -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. \
		-Ibuild-fuzz/setup -g -O1 -fsanitize=fuzzer,address,undefined \
		"tests/fuzz/fuzz_$1.c" \
		$(find tests/fuzz -name "world_$1.c") \
		-o "build-fuzz/fuzz_$1" -Wl,--start-group \
		$(find build-fuzz -name '*.a') -Wl,--end-group -lslirp \
		$(pkg-config --libs libnl-route-3.0 libnl-3.0 libnftnl libmnl \
			libcap-ng jansson yaml-0.1) || return 1
	"build-fuzz/fuzz_$1" -runs=0 "tests/fuzz/seeds/$1" || return 1
	"build-fuzz/fuzz_$1" -max_total_time="$FUZZ_SECONDS" \
		-rss_limit_mb=2048 -timeout=20 \
		-artifact_prefix="build-fuzz/found-$1/" \
		"build-fuzz/corpus-$1" "tests/fuzz/seeds/$1"
}

# fuzz_and_tell NAME: in the background, for fuzz_told() NAME
fuzz_and_tell()
{
	fuzz_one "$1" >"$LOGS/fuzzing-$1.log" 2>&1
	echo $? >"$LOGS/fuzzing-$1.status"
}

fuzz_told() # NAME
{
	cat "$LOGS/fuzzing-$1.log"
	return "$(cat "$LOGS/fuzzing-$1.status")"
}

if wanted fuzz; then
	stage fuzz
	one 'build with instrumentation' fuzz_build
	names=
	for f in tests/fuzz/fuzz_*.c; do
		f=${f##*/fuzz_}
		names="$names ${f%.c}"
	done
	# twice as many at once as there are processors; told in order
	running=0
	for f in $names; do
		[ "$running" -lt $((2 * JOBS)) ] || {
			wait
			running=0
		}
		fuzz_and_tell "$f" &
		running=$((running + 1))
	done
	wait
	for f in $names; do
		one "fuzz $f" fuzz_told "$f"
	done
	stage_end
fi

# The namespace tests, several at a time: each makes hosts of its own. They run
# the sandboxed binary, and these, or with --long all, the one with sanitizers
# (which lacks the seccomp lists: sanitizers make system calls of their own).
SANITIZED='bad_input control detach dns kube pods_restart pods_run ports_live'
SANITIZED="$SANITIZED publish_proxy publish_udp restart shortage"
SANITIZED="$SANITIZED slirp4netns_api splice_tcp uplink_verb"
# They wait for something most of the time. Those that take long come first, the
# longest of all in front, so that none of them is left over at the end.
BESIDE=$((2 * JOBS))
FIRST='hostile_frames faults readme bench shortage shortage+asan death life'
FIRST="$FIRST publish_udp publish_udp+asan pods_many slirp4netns detach"
FIRST="$FIRST detach+asan rootlessport splice_pod splice_tcp splice_tcp+asan"
FIRST="$FIRST podman"

# of --long: what tests/newer_debian.sh makes
NEWER=$TOP/build/newer

ns_seconds() # NAME: after which it hangs
{
	case $1$LONG in
	# floods, and what libslirp has to give up after them; 1,000 pods
	hostile_frames* | faults*) echo $((NS_SECONDS * 2)) ;;
	soak) echo 600 ;;
	soak1) echo 4500 ;;
	*) echo "$NS_SECONDS" ;;
	esac
}

# ns_run FOLDER KEY: KEY is NAME, NAME+asan or NAME+newer; status and seconds
# into a file
ns_run()
{
	folder=$1 key=$2
	log=$LOGS/$folder-$key.log
	dir=build asan='' ubsan='' system=''
	case $key in
	*+asan) dir=build-asan asan=$ASAN_OPTIONS ubsan=$UBSAN_OPTIONS ;;
	*+newer) system=$NEWER ;;
	esac
	start=$(date +%s)
	if [ "$ROOT" = none ]; then
		echo '1..0 # SKIP neither root nor sudo for the test hosts' >"$log"
		status=77
	else
		# shellcheck disable=SC2086 # no word, or two
		timeout -k 20 "$(ns_seconds "${key%+*}")" $ROOT env \
			PODSPLICE_BINARY="$TOP/$dir/setup/podsplice" \
			PODSPLICE_LONG="$LONG" PODSPLICE_SYSTEM="$system" \
			ASAN_OPTIONS="$asan" UBSAN_OPTIONS="$ubsan" \
			bash "tests/$folder/${key%+*}.sh" >"$log" 2>&1
		status=$?
	fi
	echo "$status $(($(date +%s) - start))" >"$LOGS/$folder-$key.end"
	echo "$key" >&3
}

# ns_all FOLDER N KEY...: N at a time. What fails beside others doesn't count
# yet: ns_again() has it.
ns_all()
{
	folder=$1 most=$2 running=0
	shift 2
	while [ $# -gt 0 ] || [ "$running" -gt 0 ]; do
		if [ $# -gt 0 ] && [ "$running" -lt "$most" ]; then
			ns_run "$folder" "$1" &
			running=$((running + 1))
			shift
			continue
		fi
		read -r key <&3
		running=$((running - 1))
		read -r status seconds <"$LOGS/$folder-$key.end"
		passed=$PASSED failed=$FAILED skipped=$SKIPPED
		tally "$key" "$LOGS/$folder-$key.log" "$status" "$seconds"
		if [ "$most" = 1 ] || [ "$FAILED" = "$failed" ]; then
			continue
		fi
		AGAIN="$AGAIN $key"
		A_PASSED=$((A_PASSED + PASSED - passed))
		A_FAILED=$((A_FAILED + FAILED - failed))
		A_SKIPPED=$((A_SKIPPED + SKIPPED - skipped))
		PASSED=$passed FAILED=$failed SKIPPED=$skipped
	done
}

# ns_beside FOLDER N KEY...: N at a time, and each that failed once more alone:
# a guard against hanging that was too short for a crowded machine is no bug.
# Both runs are shown; the second counts. More than a few are no accident.
ns_beside()
{
	AGAIN='' A_PASSED=0 A_FAILED=0 A_SKIPPED=0
	if [ $# -lt 4 ]; then
		ns_all "$1" 1 ${3+"$3"}
		return
	fi
	ns_all "$@"
	if [ "$(echo "$AGAIN" | wc -w)" -gt 3 ]; then
		PASSED=$((PASSED + A_PASSED)) FAILED=$((FAILED + A_FAILED))
		SKIPPED=$((SKIPPED + A_SKIPPED))
	elif [ "$AGAIN" ]; then
		echo "failed beside others, now alone:$AGAIN"
		# shellcheck disable=SC2086 # a list
		ns_all "$1" 1 $AGAIN
	fi
}

ns_list() # FOLDER ALONE: 1 for those that say they run alone, 0 for the others
{
	all=" $(ns_names "$1" "$2" | tr '\n' ' ')" first=
	for key in $FIRST; do
		case $all in *" $key "*) first="$first $key" ;; esac
	done
	for key in $all; do
		case "$first " in *" $key "*) ;; *) first="$first $key" ;; esac
	done
	echo "$first"
}

ns_names() # FOLDER ALONE
{
	for f in tests/"$1"/*.sh; do
		name=${f##*/}
		name=${name%.sh}
		case $name in
		lib | *_lib) continue ;;
		esac
		wanted_of "$1" "$name" || continue
		[ "$(grep -c '^# Runs alone: ' "$f")" = "$2" ] || continue
		echo "$name"
		case "$1 $LONG $SANITIZED " in
		'ns 1 '* | *" $name "*) echo "$name+asan" ;;
		'engines 1 '*) echo "$name+newer" ;;
		esac
	done
}

rm -f "$LOGS/ns-done"
mkfifo "$LOGS/ns-done"
exec 3<>"$LOGS/ns-done"

if [ "$(ns_names ns 0)$(ns_names ns 1)" ]; then
	stage 'ns (real namespaces, an ordinary account)'
	one 'build with sanitizers' asan_build
	ns_beside ns $BESIDE $(ns_list ns 0)
	ns_all ns 1 $(ns_list ns 1)
	stage_end
fi

if [ "$(ns_names engines 0)" ]; then
	stage 'engines (podman and others, by an ordinary account)'
	# shellcheck disable=SC2086 # no word, or two
	[ -z "$LONG" ] || [ "$ROOT" = none ] ||
		one 'a newer Debian' $ROOT sh tests/newer_debian.sh "$NEWER"
	ns_beside engines $BESIDE $(ns_list engines 0)
	stage_end
fi
