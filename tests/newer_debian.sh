#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The files of a newer Debian, with the engines that this one lacks: podman 5 and
# rootlesskit 2, for tests/engines. Once they are there, they stay. As root.
# Usage: sh tests/newer_debian.sh FOLDER
set -eu
SUITE=trixie
# what calls the helper, what those need, what podsplice needs, what tests use
PACKAGES='podman buildah rootlesskit slirp4netns passt runc netavark aardvark-dns
catatonit uidmap iptables nftables libslirp0 libnl-3-200 libnl-route-3-200 libmnl0
libnftnl11 libcap-ng0 libseccomp2 libjansson4 libyaml-0-2 python3 iproute2 procps'

[ ! -e "$1/made" ] || exit 0
rm -rf --one-file-system "$1"
mkdir -p "${1%/*}"
debootstrap --variant=minbase \
	--include="$(echo "$PACKAGES" | tr -s ' \n' ',' | sed 's/,$//')" \
	"$SUITE" "$1"
rm -rf "$1"/var/cache/apt/archives/*.deb
touch "$1/made"
