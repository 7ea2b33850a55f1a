# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A root file system of busybox, as an image would be unpacked. Sourced after
# lib.sh.

# make_rootfs DIR: owned by the account
make_rootfs()
{
	local root=$1 lib applet
	mkdir -p "$root"/{bin,etc,proc,sys,dev,tmp,data,usr/bin}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for lib in $(ldd "$root/bin/busybox" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root${lib%/*}"
		cp "$lib" "$root$lib"
	done
	for applet in $("$root/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'the image' >"$root/etc/issue"
	chown -hR "$ACCOUNT_UID:$ACCOUNT_GID" "$root"
}
