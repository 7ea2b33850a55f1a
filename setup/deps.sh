#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the Debian packages that are missing, and says nothing when none
# is. Usage: sh setup/deps.sh build|demo|package|test|long...
#
# A package name may have alternatives, a|b: any of them will do, the first is
# installed. Asked of dpkg, not of PATH, so that a half-removed package or a
# tool from elsewhere doesn't pass for it.
# shellcheck disable=SC2086 # lists of words, meant to be split
set -eu

BUILD='gcc meson ninja-build pkg-config|pkgconf libc6-dev libslirp-dev
libnl-3-dev libnl-route-3-dev libmnl-dev libnftnl-dev libcap-ng-dev libseccomp-dev
libjansson-dev libyaml-dev uidmap git ca-certificates'
# Build-Depends of setup/dist/debian/control, and to check the outcome
PACKAGE='build-essential dpkg-dev debhelper lintian mandoc'
# what quickstart.sh shows itself with
DEMO='busybox-static|busybox curl procps util-linux passwd'
TEST='libcmocka-dev iperf3 nginx-light|nginx haproxy redis-server rsync gdb redis-tools
dnsmasq-base curl iproute2 nftables iptables busybox-static|busybox python3
iputils-ping procps util-linux passwd dnsutils|bind9-dnsutils libcap2-bin
ethtool tcpdump python3-pyte python3-prometheus-client systemd
cppcheck clang clang-tidy clang-format libclang-rt-14-dev shellcheck
podman buildah runc crun conmon catatonit netavark aardvark-dns debootstrap
docker.io passt slirp4netns rootlesskit socat bash-completion zsh fish gnuplot-nox'
# what only tests/run.sh --long takes: 400 MB
LONG='chromium'

say()
{
	echo "setup/deps.sh: $*" >&2
}

installed()
{
	case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null || :) in
	'install ok installed') return 0 ;;
	esac
	return 1
}

# the names of the sets given, those installed left out
missing()
{
	for words; do
		for alternatives in $words; do
			found=
			for p in $(echo "$alternatives" | tr '|' ' '); do
				if installed "$p"; then
					found=1
					break
				fi
			done
			[ "$found" ] || echo "${alternatives%%|*}"
		done
	done | sort -u
}

sets=
[ $# -gt 0 ] || set -- build
for name; do
	case $name in
	build) sets="$sets $BUILD" ;;
	demo) sets="$sets $DEMO" ;;
	package) sets="$sets $BUILD $PACKAGE" ;;
	test) sets="$sets $TEST" ;;
	long) sets="$sets $LONG" ;;
	*)
		say "$name: no such set (build, demo, package, test, long)"
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	say "this is not Debian: install what these packages hold:" $sets
	exit 1
fi

need=$(missing "$sets")
[ "$need" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root='sudo -n'
elif command -v sudo >/dev/null && [ -t 0 ]; then
	as_root=sudo
else
	say "missing, and neither root nor sudo is at hand; as root do:"
	say "  apt-get install --no-install-recommends" $need
	exit 1
fi

# Servers are wanted as programs. Their packages would start them: a policy of
# ours keeps that from happening while we install, unless there is one already.
policy=/usr/sbin/policy-rc.d
ours=
undo()
{
	[ -z "$ours" ] || $as_root rm -f "$policy"
	ours=
}
trap undo EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
	ours=1
	printf '#!/bin/sh\nexit 101\n' | $as_root sh -c \
		"cat >'$policy' && chmod 755 '$policy'"
fi

say "installing" $need
log=$(mktemp)
apt()
{
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null && return
	say "apt-get $1 failed:"
	tail -n 20 "$log" >&2
	rm -f "$log"
	return 1
}
apt update
apt install --no-install-recommends $need
rm -f "$log"

# ... and from being started at the next boot.
for p in $need; do
	case $p in
	nginx-light) unit=nginx ;;
	haproxy) unit=haproxy ;;
	redis-server) unit=redis-server ;;
	docker.io) unit='docker.service docker.socket containerd' ;;
	*) continue ;;
	esac
	if command -v systemctl >/dev/null; then
		$as_root systemctl disable $unit >/dev/null 2>&1 ||
			say "$unit: could not be kept from starting at boot"
	fi
done

left=$(missing "$sets")
if [ "$left" ]; then
	say "still missing after the installation:" $left
	exit 1
fi
