#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes sure that a system account NAME exists and has subordinate ids, as
# rootless containers want them. Quiet when there is nothing to do. Root only.
# Usage: sh setup/account.sh NAME
set -eu
name=$1

if ! id -u "$name" >/dev/null 2>&1; then
	echo "setup/account.sh: making the account $name" >&2
	useradd --system --user-group --no-create-home \
		--home-dir /nonexistent --shell /bin/sh "$name"
fi

# the first id behind every range given out so far, of users and of groups
free=$(cat /etc/subuid /etc/subgid 2>/dev/null | awk -F: '
	BEGIN { free = 100000 }
	$2 + $3 > free { free = $2 + $3 }
	END { printf "%d", free }')
ids=$free-$((free + 65535))

grep -q "^$name:" /etc/subuid 2>/dev/null ||
	usermod --add-subuids "$ids" "$name"
grep -q "^$name:" /etc/subgid 2>/dev/null ||
	usermod --add-subgids "$ids" "$name"
