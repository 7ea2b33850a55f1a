#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian package: built by an ordinary account without the network,
# lintian-clean, installed into a clean folder, run from there, removed.
. "$(dirname "$0")/lib.sh"

as_user which dpkg-buildpackage dh lintian >/dev/null ||
	skip_all 'dpkg-buildpackage, debhelper or lintian is not there'

# a copy that the account can read, wherever the checkout is
install -d -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$WORK/src" "$WORK/out"
tar -C "$TOP" -c --exclude-vcs --exclude='./build*' . |
	tar -C "$WORK/src" -x --no-same-owner
as_user sh "$WORK/src/setup/dist/deb.sh" "$WORK/out" >"$T/deb.out" \
	2>"$T/deb.err" || bail 'the package was not built'
is "$(grep -i 'warning: ' "$T/deb.out" "$T/deb.err")" '' 'built without a warning'
DEB=$(find "$WORK/out" -name 'podsplice_*.deb')
check 'lintian has nothing to say' as_user lintian --fail-on error,warning \
	"$DEB"
apt-get -q install --simulate --no-download "$DEB" >"$T/apt.out" 2>"$T/apt.err"
is $? 0 'apt could install it, with what it depends on'

# what a package needs is this machine's; its own files are in the folder
ROOT=$WORK/root
mkdir -p "$ROOT/var/lib/dpkg"
dpkg_there()
{
	dpkg --root="$ROOT" --force-depends --force-script-chrootless \
		--log=/dev/null "$@" >"$T/dpkg.out" 2>"$T/dpkg.err"
}
check 'dpkg installs it' dpkg_there -i "$DEB"
PODSPLICE=$ROOT/usr/bin/podsplice
is "$(stat -c '%a %U' "$PODSPLICE")" '755 root' 'the program has no privilege'
is "$(readelf -d "$PODSPLICE" | grep -E 'RPATH|RUNPATH')" '' \
	'... and looks for libraries where the system has them'
like "$(readelf -dh "$PODSPLICE")" 'DYN .*Flags:? +(BIND_)?NOW' \
	'... at any address, bound at the start'
for page in "$ROOT"/usr/share/man/man?/*; do
	is "$(mandoc -T lint -W warning "$page" 2>&1)" '' "manual: ${page##*/}"
done

echo 'hello from the package' >"$WORK/index.html"
pod package -p 8080:80 -- busybox httpd -f -p 80 -h "$WORK" ||
	bail 'the pod did not start'
wait_port pod 80
is "$(guard "${IN_PEER[@]}" curl -sS --max-time 20 "http://$HOST4:8080/" 2>&1)" \
	'hello from the package' 'a pod of the installed program answers'
pod_end
is "$STATUS" 143 '... and ends'

check 'dpkg removes it' dpkg_there -P podsplice
is "$(find "$ROOT" -path "$ROOT/var" -prune -o -name '*podsplice*' -print)" '' \
	'... and nothing is left'

finish
