#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who the command is, what it may do and what it can write to: -u, --cap-add,
# --cap-drop, --read-only, --tmpfs, --rootfs DIR:ro and DIR:O.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ns/rootfs_lib.sh
. "$(dirname "$0")/rootfs_lib.sh"

PORTS_BEFORE=$(ports_of_host)
ROOT=$WORK/rootfs
make_rootfs "$ROOT"
cat >"$ROOT/etc/passwd" <<-'END'
	root:x:0:0:root:/root:/bin/sh
	web:x:33:34:web:/srv/web:/bin/sh
	far:x:200000:34:far:/:/bin/sh
END
cat >"$ROOT/etc/group" <<-'END'
	root:x:0:
	web:x:34:
	tls:x:60:web
	far:x:200000:web
END

# in_root SCRIPT RUN-ARGS...: OUT is what sh -c printed
in_root()
{
	run_user --rootfs "$ROOT${MODE-}" "${@:2}" -- sh -c "$1"
}

# one_line STATUS REGEX NAME: of what run_user left
one_line()
{
	is "$STATUS:$(printf '%s\n' "$ERR" | wc -l)" "$1:1" "$3: one line, $1"
	like "$ERR" "^podsplice: .*$2" '... that says why'
}

# what is on disk: names, types, modes, owners, sizes, times and contents
on_disk()
{
	(cd "$1" && find . -printf '%p %y %m %U:%G %s %T@\n' | sort
		find . -type f -exec sha256sum {} + | sort) | sha256sum
}

STATUS_LINES='grep -E "^(Cap|NoNewPrivs|Groups)" /proc/self/status'

# caps_are SET NAME: CapEff, CapPrm, CapBnd of OUT; the two others are empty
caps_are()
{
	is "$(echo "$OUT" | awk '/^Cap/ { print $2 }' | tr '\n' ' ')" \
		"0000000000000000 $1 $1 $1 0000000000000000 " "$2"
	like "$OUT" 'NoNewPrivs:.1' '... with no_new_privs'
}

# -u
in_root 'id -u; id -g; id -G; echo $HOME' -u web
is "$OUT" $'33\n34\n34 60\n/srv/web' \
	'-u NAME: its group, the groups it is in (if mapped), its home'
in_root 'id -u; id -g; id -G' -u web:tls
is "$OUT" $'33\n60\n60' '-u NAME:GROUP: no other group'
in_root 'id -u; id -g; id -G; echo $HOME' --user 1000:1001 -e HOME=/here
is "$OUT" $'1000\n1001\n1001\n/here' '-u by numbers; -e HOME is heeded'
in_root 'id -u; id -g; echo $HOME' -u 33
is "$OUT" $'33\n34\n/srv/web' '-u NUMBER of an entry'
in_root 'id -u; id -g; echo $HOME' -u 4000
is "$OUT" $'4000\n0\n/' '-u NUMBER without an entry'
in_root "$STATUS_LINES" -u web
is "$(echo "$OUT" | awk '/^Cap/ { print $2 }' | tr '\n' ' ')" \
	"0000000000000000 0000000000000000 0000000000000000 00000000800405fb \
0000000000000000 " 'another user than 0 has no capability'
in_root "$STATUS_LINES" -u web --cap-add net_raw --cap-add CAP_KILL
is "$(echo "$OUT" | awk '/^Cap/ { print $2 }' | tr '\n' ' ')" \
	"0000000000002020 0000000000002020 0000000000002020 00000000800425fb \
0000000000002020 " '... but those of --cap-add'
chmod 0777 "$ROOT/data"
in_root 'touch /data/by-web; stat -c %u:%g /data/by-web' -u web
is "$OUT" 33:34 'its files are its own'
rm -f "$ROOT/data/by-web"
run_user -u 33 -- sh -c 'id -u; id -g'
is "$OUT" $'33\n33' "-u without --rootfs: the machine's passwd"
in_root true -u nobody
one_line 125 '--user nobody: no such user' 'an unknown user'
in_root true -u web:nobody
one_line 125 '--user web:nobody: no such group' 'an unknown group'
in_root true -u far
one_line 125 'user 200000 is not mapped' 'a user that is not mapped'
in_root true -u 0:200000
one_line 125 'group 200000 is not mapped' 'a group that is not mapped'
mv "$ROOT/etc/passwd" "$ROOT/etc/passwd.old"
ln -s /proc/self/fd/0 "$ROOT/etc/passwd"
in_root 'id -u' -u 5
is "$OUT" 5 '-u NUMBER with a passwd that is none'
rm "$ROOT/etc/passwd"
mkfifo "$ROOT/etc/passwd"
in_root true -u web
one_line 125 'no such user' '... and a NAME: nobody waits for a fifo'
rm "$ROOT/etc/passwd"
mv "$ROOT/etc/passwd.old" "$ROOT/etc/passwd"

# Capabilities
in_root "$STATUS_LINES"
caps_are 00000000800405fb "podman's default set"
in_root "$STATUS_LINES" --cap-drop all
caps_are 0000000000000000 '--cap-drop ALL'
in_root "$STATUS_LINES" --cap-drop ALL --cap-add CAP_CHOWN --cap-add=net_raw
caps_are 0000000000002001 '--cap-drop ALL --cap-add'
in_root "$STATUS_LINES" --cap-drop setuid --cap-drop CAP_SETGID
caps_are 000000008004053b '--cap-drop'
in_root "$STATUS_LINES" --cap-add ALL
ALL=$(printf %016x $(((2 << $(cat /proc/sys/kernel/cap_last_cap)) - 1)))
caps_are "$ALL" '--cap-add ALL'
in_root 'ip link set lo down && ip link set lo up && echo done' \
	--cap-add net_admin
is "$OUT" 'done' '--cap-add is of use: net_admin'
in_root 'mount -t tmpfs x /data && echo mounted' --cap-add SYS_ADMIN
is "$OUT" mounted '... sys_admin'
in_root 'chown 5 /etc/issue 2>/dev/null || echo refused' --cap-drop chown
is "$OUT" refused '--cap-drop, too'
in_root 'for f in exe root cwd ns/net fd/0 fd/3; do readlink /proc/1/$f; done
	ls /proc/1/fd 2>/dev/null; cat /proc/1/environ 2>/dev/null
	head -c 1 /proc/1/mem 2>/dev/null' --cap-add ALL
is "$OUT" '' 'pid 1 is out of reach even with ALL'
cp "$(command -v ping)" "$WORK/ping"
setcap cap_net_raw,cap_net_admin+ep "$WORK/ping" ||
	note 'no capabilities for files here'
run_user --cap-drop all -- "$WORK/ping" -c 1 -W 5 "$GW4"
is "$STATUS" 0 'a program with capabilities of its own runs with none'
rm -f "$WORK/ping"

# --read-only
in_root true --read-only # makes the mount points
BEFORE=$(on_disk "$ROOT")
in_root 'for d in / /etc /bin /dev /var /proc /sys; do
		(echo x >$d/new) 2>/dev/null && echo "$d can be written"
	done
	(echo x >>/etc/issue) 2>/dev/null && echo "a file can be written"
	(echo x >>/etc/hosts) 2>/dev/null && echo "hosts can be written"
	(echo x >>/etc/resolv.conf) 2>/dev/null && echo "resolv.conf can, too"
	rm /etc/issue 2>/dev/null && echo "a file can be removed"
	chmod 700 /etc 2>/dev/null && echo "modes can be changed"
	for d in /tmp /run /var/tmp /dev/shm; do
		echo x >$d/new || echo "$d cannot be written"
	done
	stat -c %a /tmp /run /var/tmp | tr "\n" " "' --read-only
is "$OUT$ERR" '/dev can be written
1777 755 1777 ' '--read-only: just /tmp, /run, /var/tmp and /dev can be written'
is "$(on_disk "$ROOT")" "$BEFORE" '... nothing is written on disk'
in_root 'grep -v "^#" /etc/hosts | head -n 1; grep nameserver /etc/resolv.conf' \
	--read-only
like "$OUT" "127\.0\.0\.1.*nameserver $DNS4" '... hosts and resolv.conf are there'
in_root 'mount -o remount,rw / 2>/dev/null; touch /x 2>/dev/null && echo written
	umount /tmp 2>/dev/null && echo gone' --read-only
is "$OUT" '' '... which cannot be undone'
mkdir -p "$WORK/vol"
chown "$ACCOUNT_UID" "$WORK/vol"
in_root 'echo v >/data/v; cat /data/v; touch /ro/x 2>/dev/null || echo refused' \
	--read-only -v "$WORK/vol:/data" -v "$WORK/vol:/ro:ro"
is "$OUT" $'v\nrefused' '... volumes keep their own mode'
in_root 'cat /tmp/v; touch /run/x 2>/dev/null || echo refused' \
	--read-only -v "$WORK/vol:/tmp" --tmpfs /run:ro
is "$OUT" $'v\nrefused' '... -v and --tmpfs have the last word'
in_root 'id -u; touch /tmp/x && echo ok' --read-only -u web
is "$OUT" $'33\nok' '... /tmp is for everybody'

run_user --read-only -w "$WORK" -- sh -c 'echo hidden'
one_line 125 "workdir $WORK" "without --rootfs: /tmp isn't the user's"
in_host install -d -m 755 -o "$ACCOUNT_UID" /etc/ours
in_host sh -c 'echo ours >/etc/ours/file; chown -R "$1" /etc/ours' sh \
	"$ACCOUNT_UID"
run_user --read-only -v "$WORK/vol:/mnt" -- sh -c '
	cat /etc/ours/file
	for f in /etc/ours/file /etc/ours/new /etc/resolv.conf /dev/new; do
		(echo x >>$f) 2>/dev/null && echo "$f can be written"
	done
	for f in /tmp /var/tmp /run /dev/shm /mnt; do
		echo x >$f/new || echo "$f cannot be written"
	done
	echo x >/dev/null; grep nameserver /etc/resolv.conf'
like "$OUT$ERR" "^ours"$'\n'"nameserver $DNS4" \
	"without --rootfs: a read-only view of the user's files"
unlike "$OUT$ERR" 'written' '... of all but /tmp, /run, /var/tmp, /dev/shm, -v'
check '... the volume has the file' [ -s "$WORK/vol/new" ]
run_user -- sh -c 'echo y >>/etc/ours/file; cat /etc/ours/file'
is "$OUT" $'ours\ny' '... and without --read-only they can be'

# hosts and resolv.conf follow what the host's tools do to theirs
pod ro --read-only -- sh -c 'echo up; exec sleep 1000'
wait_for "$GUARD" grep -q up "$T/ro.out"
search_is() # DOMAIN
{
	in_pod_all grep -q "^search $1" /etc/resolv.conf
}
in_host sh -c "echo 'nameserver $PEER4
search one.example' >/etc/new && mv /etc/new /etc/resolv.conf"
check "read-only: the pod's resolv.conf follows the host's, replaced" \
	wait_for 20 search_is one.example
resolv "nameserver $PEER4
search two.example"
check '... and rewritten' wait_for 20 search_is two.example
pod_end
is "$STATUS" 143 '... to the end'

# a root that is somebody else's, without these files
mkdir "$WORK/theirs"
cp -a "$ROOT/." "$WORK/theirs"
rm -f "$WORK/theirs/etc/hosts" "$WORK/theirs/etc/resolv.conf"
chown 0:0 "$WORK/theirs/etc"
run_user --rootfs "$WORK/theirs" -- sh -c 'ls -A /etc'
is "$STATUS $OUT" $'0 group\nissue\npasswd' "a root without /etc/hosts, not the user's"
is "$(grep -c 'Permission denied (make the file in its root)$' <<<"$ERR")" 2 \
	'... says what mends it'

# --rootfs DIR:ro
MODE=:ro
in_root 'cat /etc/issue; touch /x /tmp/x /data/x 2>/dev/null || echo refused'
is "$OUT" $'the image\nrefused' '--rootfs DIR:ro'
in_root 'touch /tmp/x && echo ok' --tmpfs /tmp
is "$OUT" ok '... with --tmpfs'
mkdir -p "$ROOT/below"
in_host mount -t tmpfs none "$ROOT/below"
in_root 'touch /below/x 2>/dev/null || echo refused'
is "$OUT" refused '... also what is mounted below DIR'
in_host umount "$ROOT/below"
rmdir "$ROOT/below"

# --rootfs DIR:O
MODE=:O
mkdir -p "$ROOT/data/dir/deep"
echo lower >"$ROOT/data/file"
echo deep >"$ROOT/data/dir/deep/file"
chown -R "$ACCOUNT_UID:$ACCOUNT_GID" "$ROOT/data"
chmod 0751 "$ROOT"
rm -rf "$ROOT/tmp"
BEFORE=$(on_disk "$ROOT")
in_root 'cat /data/file; echo upper >/data/file; cat /data/file
	rm -r /data/dir; mkdir /data/dir; ls -A /data/dir
	echo new >/data/new; mv /data/new /data/renamed; cat /data/renamed
	rm /etc/issue; ls /etc/issue 2>/dev/null
	chown 33:34 /bin/busybox; stat -c %u:%g /bin/busybox
	ln -s /data /link; mkfifo /fifo; stat -c %a /' -v "$WORK/vol:/made/here"
is "$OUT" $'lower\nupper\nnew\n33:34\n751' '--rootfs DIR:O can be written'
is "$ERR" '' '... without a word'
is "$(on_disk "$ROOT")" "$BEFORE" '... and nothing is, on disk'
in_root 'cat /data/file /data/dir/deep/file /etc/issue; ls /link 2>/dev/null'
is "$OUT" $'lower\ndeep\nthe image' '... the next one begins anew'
in_root 'grep -E "^(overlay|tmpfs) (/|/data) " /proc/mounts | cut -d" " -f1-3
	ls -A / | grep -E "upper|work"'
is "$OUT" 'overlay / overlay' '... its layers are out of sight'
cp "$ROOT/bin/busybox" "$ROOT/usr/bin/busybox"
setcap cap_net_raw+ep "$ROOT/usr/bin/busybox"
in_root '/usr/bin/busybox echo ran'
is "$OUT" ran '... a file with capabilities can be executed'
rm -f "$ROOT/usr/bin/busybox"
pod over --rootfs "$ROOT:O" -- sh -c 'echo one >/data/mine; exec sleep 1000'
in_root 'ls /data/mine 2>/dev/null; echo two >/data/mine; cat /data/mine'
is "$OUT" two '... two pods at once have one each'
check '... of their own' wait_for "$GUARD" in_pod_all sh -c \
	'[ "$(cat /data/mine)" = one ]'
pod_end
mkdir "$WORK/co:lon,and\\more"
cp -a "$ROOT/." "$WORK/co:lon,and\\more/"
run_user --rootfs "$WORK/co:lon,and\\more:O" -- sh -c 'touch /x; cat /etc/issue'
is "$OUT" 'the image' '... whatever characters the path has'
check '... nothing on disk there' [ ! -e "$WORK/co:lon,and\\more/x" ]
run_user --rootfs "$WORK/nosuch:O" -- true
one_line 125 "rootfs $WORK/nosuch" 'DIR:O of what is not there'
in_root true --read-only
one_line 125 '--read-only: makes no sense with' ':O and --read-only'
# a file system that overlayfs refuses as a layer
in_host mkdir -p "$WORK/nolayer"
in_host mount -t tmpfs none "$WORK/nolayer"
in_host mkdir "$WORK/nolayer/root" "$WORK/nolayer/root/sub"
in_host chown -R "$ACCOUNT_UID" "$WORK/nolayer/root"
in_host mount -t tmpfs none "$WORK/nolayer/root/sub"
run_user --rootfs "$WORK/nolayer/root:O" -- true
one_line 125 'no writable overlay can be made of it' 'where there is no overlay'
in_host umount "$WORK/nolayer/root/sub" "$WORK/nolayer"
MODE=

# --tmpfs
in_root 'stat -f -c %T /t; stat -c %a /t; touch /t/x && ls -A /t
	cp /bin/busybox /t; /t/busybox true 2>/dev/null || echo noexec
	grep " /t " /proc/mounts' --tmpfs /t
like "$OUT" $'^tmpfs\n1777\nx\nnoexec\ntmpfs /t tmpfs rw,nosuid,nodev,noexec' \
	'--tmpfs: empty, 1777, nosuid, nodev, noexec'
in_root 'stat -c %a /t/a; cp /bin/busybox /t/a && /t/a/busybox echo ran
	head -c 9000000 /dev/zero 2>/dev/null >/t/a/big; stat -c %s /t/a/big' \
	--tmpfs /t/a:size=4m,mode=0700,exec
like "$OUT" $'^700\nran\n[1-4][0-9]{0,6}$' '--tmpfs DIR:size=,mode=,exec'
in_root 'touch /t/x 2>/dev/null || echo refused' --tmpfs /t:ro
is "$OUT" refused '--tmpfs DIR:ro'
in_root 'touch /a/x /b/x && ls /a /b | wc -l' --tmpfs /a --tmpfs=/b
is "$OUT" 5 '--tmpfs twice'
in_root 'cat /t/v/v' --tmpfs /t -v "$WORK/vol:/t/v"
is "$OUT" v 'a volume in a tmpfs'
in_root true --tmpfs /etc/issue
one_line 125 'tmpfs /etc/issue: Not a directory' '--tmpfs onto a file'
run_user --tmpfs /mnt -- sh -c 'touch /mnt/x && ls /mnt'
is "$OUT" x '--tmpfs without --rootfs'
check '... nothing is on disk' in_host test ! -e /mnt/x

# No subordinate ids: one user
in_host sh -c "sed -i '/^$ACCOUNT:/d' /etc/subuid /etc/subgid"
in_root 'id -u; id -g' -u root
is "$OUT" $'0\n0' 'no subordinate ids: -u root'
in_root true -u web
one_line 125 'group 34 is not mapped' '... nobody else'
in_root true -u 33:0
one_line 125 'user 33 is not mapped.*add-subuids' '... with the remedy'
in_root "$STATUS_LINES" --cap-drop ALL --cap-add kill
caps_are 0000000000000020 '... capabilities as ever'
in_root 'echo x >/etc/new 2>/dev/null || echo refused; echo y >/tmp/y && echo ok' \
	--read-only
is "$OUT" $'refused\nok' '... --read-only'
BEFORE=$(on_disk "$ROOT")
MODE=:O in_root 'rm -r /data; mkdir /data; echo x >/data/x; cat /data/x'
is "$OUT" x '... and DIR:O'
is "$(on_disk "$ROOT")" "$BEFORE" '... which leaves the disk alone'
leftovers run_options
finish
