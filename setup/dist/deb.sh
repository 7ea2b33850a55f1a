#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the Debian package from a copy of this tree, as any user and without
# the network. Usage: sh setup/dist/deb.sh [FOLDER]; the package is put there
# (by default: the current one). What it needs is in Build-Depends of
# setup/dist/debian/control: sh setup/deps.sh package
set -eu
TOP=$(cd "$(dirname "$0")/../.." && pwd)
OUT=$(cd "${1:-.}" && pwd)

COPY=$(mktemp -d)
trap 'rm -rf "$COPY"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$COPY/podsplice"
tar -C "$TOP" -c --exclude-vcs --exclude='./build*' . |
	tar -C "$COPY/podsplice" -x --no-same-owner
cp -R "$TOP/setup/dist/debian" "$COPY/podsplice/debian"
cd "$COPY/podsplice"
dpkg-buildpackage -b -us -uc
mv "$COPY"/*.deb "$OUT"
