# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # PODSPLICE is for lib.sh
# The Debian package, for readme.sh, which has built it: lintian-clean,
# installed into a clean folder, run from there, removed.

# what a package needs is this machine's; its own files are in the folder
ROOT=$WORK/root
dpkg_there()
{
	dpkg --root="$ROOT" --force-depends --force-script-chrootless \
		--log=/dev/null "$@" >"$T/dpkg.out" 2>"$T/dpkg.err"
}

package_checks() # DEB
{
	check 'lintian has nothing to say' as_user lintian --fail-on error,warning \
		"$1"
	apt-get -q install --simulate --no-download "$1" >"$T/apt.out" 2>"$T/apt.err"
	is $? 0 'apt could install it, with what it depends on'

	mkdir -p "$ROOT/var/lib/dpkg"
	check 'dpkg installs it' dpkg_there -i "$1"
	local name page
	PODSPLICE=$ROOT/usr/bin/podsplice
	is "$(stat -c '%a %U' "$PODSPLICE")" '755 root' 'the program has no privilege'
	is "$(readelf -d "$PODSPLICE" | grep -E 'RPATH|RUNPATH')" '' \
		'... and looks for libraries where the system has them'
	like "$(readelf -dh "$PODSPLICE")" 'DYN .*Flags:? +(BIND_)?NOW' \
		'... at any address, bound at the start'
	for name in slirp4netns rootlessport; do
		is "$(readlink -f "$ROOT/usr/libexec/podsplice/$name")" "$PODSPLICE" \
			"... and is called by engines as $name"
	done
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
}
