#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# README.md, pasted into a fresh account: its blocks marked "sh" in one clone,
# and the options of its table. What begins with sudo is for root: the package
# goes into a folder here, install.sh has the other one. -it is for a terminal.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ns/package_lib.sh
. "$(dirname "$0")/package_lib.sh"

as_user which cc meson dpkg-buildpackage dh lintian mandoc >/dev/null ||
	skip_all 'what builds it and its package is not there'

CLONE=$WORK/clone
install -d -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$CLONE"
tar -C "$TOP" -c --exclude-vcs --exclude='./build*' . |
	tar -C "$CLONE" -x --no-same-owner
chown -R "$ACCOUNT_UID:$ACCOUNT_GID" "$CLONE"

# the blocks: block-NN, and the options: a line each
mkdir "$T/readme"
awk -v "dir=$T/readme" '
	/^```sh$/ { file = sprintf("%s/block-%02d", dir, ++n); next }
	/^```/ { file = ""; next }
	file { print >file }
	/^\| `-/ { split($0, part, "`"); print part[2] >(dir "/options") }
' "$TOP/README.md"
check 'blocks and options were found' test -s "$T/readme/block-01" -a \
	-s "$T/readme/options"

HERE=("${IN_HOST[@]}" setpriv "--reuid=$ACCOUNT_UID" "--regid=$ACCOUNT_GID"
	--init-groups -- env -C "$CLONE" "${CLEAN_ENV[@]}"
	"PATH=$CLONE/build/setup:/usr/local/bin:/usr/bin:/bin")

# paste_block NAME FILE: what a person would see is in $T/NAME.out
paste_block()
{
	timeout -k 5 $((GUARD * 4)) "${HERE[@]}" bash -e "$2" \
		>"$T/$1.out" 2>"$T/$1.err" </dev/null
	STATUS=$?
}

for block in "$T"/readme/block-*; do
	name=${block##*/}
	grep -E '^sudo |^sh tests/run\.sh| -it ' "$block" >"$T/others"
	if grep -vxFf "$T/others" "$block" >"$T/$name"; then
		paste_block "$name" "$T/$name"
		is "$STATUS" 0 "$(grep -v '^ ' "$T/$name" | sed 's/ *#.*//' |
			paste -sd';')"
	fi
	while read -r line; do
		case $line in
		*' -it '*)
			# shellcheck disable=SC2086 # words
			like "$(guard "$PY" "$LIB/screen.py" 80 24 \
				'type echo 4$((1))2' 'type ^M' 'type exit' \
				'type ^M' end -- "${HERE[@]}" $line 2>&1)" \
				'412 .*end 0, the terminal as before' "$line"
			;;
		'sudo apt install'*)
			is "$(grep -i 'warning: ' "$T/$name.out" \
				"$T/$name.err")" '' 'built without a warning'
			package_checks "$(find "$CLONE" -name 'podsplice_*.deb')"
			;;
		sudo*) skip "$line" 'for root' ;;
		*) skip "$line" 'it runs this test' ;;
		esac
	done <"$T/others"
done
# seen TEXT: the output of the block that has TEXT
seen()
{
	local block
	block=$(grep -l -- "$1" "$T"/readme/block-*)
	cat "$T/${block##*/}.out"
}
like "$(seen quickstart)" 'Hello from a rootless pod.*Gbit/s' \
	'quickstart shows a page and the speed'
like "$(seen 'curl ')" 'Directory listing for /' 'curl shows a page'
like "$(seen 'podsplice ps')" 'web .*running .*:8080->80/tcp.*uid=0' \
	'ps and exec'
is "$(seen data/hello)" 'hello world' 'the volume has what was written'

while read -r options; do
	echo "podsplice run $options -- true" >"$T/one"
	paste_block one "$T/one"
	is "$STATUS" 0 "run $options"
done <"$T/readme/options"

as_user "$CLONE/build/setup/podsplice" ps -aq >"$T/left.out"
is "$(cat "$T/left.out")" '' 'no container is left'
finish
