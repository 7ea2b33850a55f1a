#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the command finds: its files, /proc and /sys, environment, limits,
# capabilities, descriptors; --rootfs, -v, -e, -w, --hostname, -i, -t.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ns/rootfs_lib.sh
. "$(dirname "$0")/rootfs_lib.sh"

PORTS_BEFORE=$(ports_of_host)

ROOT=$WORK/rootfs
make_rootfs "$ROOT"

# in: with the root file system; OUT is what sh -c printed
in_root()
{
	run_user --rootfs "$ROOT" "${@:2}" -- sh -c "$1"
	[ -z "$ERR" ] || note "stderr: $ERR"
}

in_root 'cat /etc/issue; id -u; id -g'
is "$OUT" $'the image\n0\n0' '--rootfs: its files, as root'
in_root 'ls -d /proc/[0-9]* | wc -l; echo $$'
like "$OUT" '^[2-5]'$'\n''[0-9]$' 'a /proc of its own: few processes'
in_root 'ls /sys/class/net'
is "$OUT" $'lo\ntap0' "a /sys of its own: the pod's devices"
in_root 'grep nameserver /etc/resolv.conf'
like "$OUT" "nameserver $DNS4" 'resolv.conf'
in_root 'cat /etc/hosts' --hostname box
like "$OUT" '127\.0\.0\.1.*localhost' 'hosts has localhost'
like "$OUT" 'box' '... and the name of the pod'
in_root 'hostname; cat /proc/sys/kernel/hostname' --hostname box
is "$OUT" $'box\nbox' '--hostname'
is "$(cat "$ROOT/etc/resolv.conf" "$ROOT/etc/hosts" 2>/dev/null)" '' \
	"the image's own files are as they were"
in_root 'pwd'
is "$OUT" / 'it begins in /'
in_root 'pwd' -w /data
is "$OUT" /data '-w'
in_root 'pwd' -w /made/here
like "$STATUS:$OUT" '^(0:/made/here|125:)$' '-w of what is not there: made, or 125'
in_root 'echo "$A|$B|$C"' -e A=1 -e 'B=two words' --env C=
is "$OUT" '1|two words|' '-e'
in_root 'env'
unlike "$OUT" "$T" "nothing of the user's environment comes along"
for dev in null zero full random urandom tty; do
	in_root "test -c /dev/$dev && echo yes"
	is "$OUT" yes "/dev/$dev is there"
done
in_root 'echo x >/dev/null && head -c 4 /dev/zero | wc -c && echo y >/dev/shm/f'
is "$STATUS $OUT" '0 4' '... and can be used, as can /dev/shm'
in_root 'test -e /dev/fd/0 && echo fd'
like "$OUT" 'fd' '/dev/fd'
in_root 'touch /in-image && echo ok'
is "$OUT" ok 'the root can be written, by default'
rm -f "$ROOT/in-image"

# -v
mkdir -p "$WORK/vol"
chown "$ACCOUNT_UID" "$WORK/vol"
echo outside >"$WORK/vol/file"
in_root 'cat /data/file; echo inside >/data/new' -v "$WORK/vol:/data"
is "$OUT $(cat "$WORK/vol/new" 2>&1)" 'outside inside' '-v, read and write'
is "$(stat -c %u "$WORK/vol/new")" "$ACCOUNT_UID" '... as the user'
in_root 'cat /data/file; echo x >/data/ro 2>/dev/null || echo refused' \
	-v "$WORK/vol:/data:ro"
is "$OUT" $'outside\nrefused' '-v SRC:DST:ro'
in_root 'mount -o remount,rw,bind /data 2>/dev/null; echo x >/data/ro 2>/dev/null
	umount /data 2>/dev/null; ls /data' -v "$WORK/vol:/data:ro"
like "$OUT" file '... which cannot be undone from inside'
check '... nothing was written' [ ! -e "$WORK/vol/ro" ]
in_root 'cat /one' -v "$WORK/vol/file:/one:ro"
is "$OUT" outside '-v of one file'
in_root 'ls /new/deep/dir' -v "$WORK/vol:/new/deep/dir"
like "$OUT" file '-v onto what is not in the image'
ln -s /data "$ROOT/link"
ln -s /etc "$ROOT/escape"
in_root 'cat /escape/vol/file' -v "$WORK/vol:/escape/vol"
is "$OUT" outside '-v by way of a link in the image stays in the image'
check "... and not the host's /etc" in_host test ! -e /etc/vol
run_user --rootfs "$ROOT" -v "$WORK/nosuch:/data" -- true
is "$STATUS" 125 '-v of what is not there is 125'
like "$ERR" "^podsplice: [^[:cntrl:]]*$WORK/nosuch[^[:cntrl:]]*\$" \
	'... with one line that names it'

# the host's file system is out of reach
in_root "ls -d $WORK $T /root/.. /proc/1/root/$T 2>/dev/null | grep -v '^/root'"
is "$OUT" '' "nothing of the host's files is to be seen"
in_root 'cat /proc/mounts'
unlike "$OUT" "$T" '... nor of its mounts'
in_root 'ls -a / | grep -i -E "old|pivot|put"'
is "$OUT" '' 'no old root'
in_root 'for f in /proc/kcore /proc/sysrq-trigger /proc/keys; do
	head -c 1 $f 2>/dev/null; done; echo x >/proc/sysrq-trigger; echo $?' \
	2>/dev/null
unlike "$OUT" '(^|[^0-9])0$' 'dangerous parts of /proc are not writable'

# Power
# A file's capabilities that the pod can't have don't keep it from running:
# execve() refuses what it can't give, where it heeds them (no nosuid).
cp "$(command -v ping)" "$WORK/ping"
setcap cap_net_raw,cap_net_admin+ep "$WORK/ping" ||
	note 'no capabilities for files here'
run_user -- "$WORK/ping" -c 1 -W 5 "$GW4"
is "$STATUS" 0 'a program with capabilities of its own runs'
cp "$ROOT/bin/busybox" "$ROOT/usr/bin/busybox"
setcap cap_net_raw+ep "$ROOT/usr/bin/busybox"
run_user --rootfs "$ROOT" -- /usr/bin/busybox true
is "$STATUS" 0 '... from --rootfs'
cp "$ROOT/usr/bin/busybox" "$WORK/vol/busybox"
setcap cap_net_raw+ep "$WORK/vol/busybox"
run_user --rootfs "$ROOT" -v "$WORK/vol:/data" -- /data/busybox true
is "$STATUS" 0 '... from a volume'
rm -f "$WORK/ping" "$ROOT/usr/bin/busybox" "$WORK/vol/busybox"
in_root 'grep -E "^(CapEff|CapPrm|CapBnd|CapInh|CapAmb|NoNewPrivs):" /proc/self/status'
PODMAN=$((0x800405fb)) # podman's default set
for set in CapEff CapPrm CapBnd CapInh CapAmb; do
	value=$(echo "$OUT" | awk -v "s=$set:" '$1 == s { print $2 }')
	check "$set ($value) is within podman's default" \
		[ $((0x${value:-ffffffff} & ~PODMAN)) = 0 ]
done
like "$OUT" 'NoNewPrivs:.1' 'no_new_privs'
in_root 'unshare -U true 2>&1; mount -t tmpfs x /tmp 2>&1 && echo mounted'
unlike "$OUT" mounted 'it cannot mount'
in_root 'ip link set lo down 2>/dev/null && echo down; ip link add d type dummy 2>/dev/null && echo added'
is "$OUT" '' 'it cannot change the network'
in_root 'ls -l /proc/self/fd | wc -l; ls /proc/self/fd | tr "\n" " "'
is "$(echo "$OUT" | tail -n 1)" '0 1 2 3 ' \
	'no descriptor but stdin, stdout, stderr (and that of ls)'
run_user -- ls /proc/self/fd
is "$(echo "$OUT" | tr '\n' ' ')" '0 1 2 3 ' '... without --rootfs too'
for n in 1024 777; do
	OUT=$(guard "${AS_USER[@]}" sh -c "ulimit -Sn $n; exec $PODSPLICE run \
		-- sh -c 'ulimit -Sn; ulimit -Hn'" 2>&1)
	is "$OUT" "$n
$(ulimit -Hn)" "ulimit -n is the caller's: $n"
done
OUT=$(guard "${AS_USER[@]}" sh -c "umask 027; exec $PODSPLICE run \
	-- sh -c 'umask; grep SigBlk /proc/self/status'" 2>&1)
is "$OUT" $'0027\nSigBlk:\t0000000000000000' \
	"the umask is the caller's, and no signal is blocked"
run_user -- cat /proc/sys/net/ipv4/ip_unprivileged_port_start
is "$OUT" 0 'any port is free to bind in the pod'
run_user -- cat /proc/sys/net/ipv4/ping_group_range
unlike "$OUT" '^1.0$' 'and ping works for everybody'
run_user -- sh -c 'readlink /proc/1/fd/*; head -c 9 /proc/1/environ /proc/1/mem'
is "$OUT" '' "init's memory, environment and descriptors are nobody's to read"
in_root 'cat /proc/self/uid_map | wc -l'
check 'the subordinate ids are mapped' [ "$OUT" -ge 2 ]
in_root 'touch /data/f; chown 33:33 /data/f && stat -c %u:%g /data/f'
is "$OUT" 33:33 '... and of use'
run_user -- readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts \
	/proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/user
is "$(echo "$OUT" | sort -u | wc -l)" 6 'six namespaces'
for ns in net ipc uts pid mnt user; do
	unlike "$OUT" "$(readlink "/proc/$HOLD/ns/$ns" | sed 's/[][]/\\&/g')" \
		"... $ns is not the host's"
done

# Without --rootfs
run_user -- sh -c "pwd; ls $T/net.py; cat /proc/self/cmdline | head -c 2"
like "$OUT" "$T/net.py" "without --rootfs: the user's files"
OUT=$(cd "$WORK/vol" && guard nsenter "--net=/run/netns/$HOSTNS" \
	"--mount=/proc/$HOLD/ns/mnt" "--wd=$WORK/vol" -- "${AS_USER[@]:4}" \
	"$PODSPLICE" run -- pwd 2>&1)
is "$OUT" "$WORK/vol" '... where the user was'
as_user mkdir -p "$RUNTIME/secret-dir"
as_user sh -c "echo secret >$RUNTIME/agent.sock.txt"
run_user -- sh -c "ls -A $RUNTIME; cat $RUNTIME/agent.sock.txt" 2>/dev/null
is "$OUT" '' '... but not the runtime directory'
run_user -- sh -c "echo x >$RUNTIME/new; ls $RUNTIME/new >/dev/null"
check '... which nothing reaches from inside' [ ! -e "$RUNTIME/new" ]
as_user rm -rf "$RUNTIME/secret-dir" "$RUNTIME/agent.sock.txt"
spawn agent "${AS_USER[@]}" "$PY" -c "
import socket, time
s = socket.socket(socket.AF_UNIX)
s.bind('$WORK/agent.1')
s.listen()
print('up', flush=True)
time.sleep(1000)"
AGENT=$PID
wait_for 10 grep -q up "$T/agent.out"
OUT=$(guard "${AS_USER[@]}" env "SSH_AUTH_SOCK=$WORK/agent.1" "$PODSPLICE" \
	run -- "$PY" -c "
import os, socket
print(os.environ.get('SSH_AUTH_SOCK'))
s = socket.socket(socket.AF_UNIX)
try:
    s.connect('$WORK/agent.1')
    print('connected')
except OSError:
    print('out of reach')" 2>&1)
like "$OUT" 'out of reach' "an agent's socket is out of reach"
kill "$AGENT"
run_user -- sh -c 'mount; ls /sys/class/net'
like "$OUT" $'lo\ntap0$' "/sys is the pod's without --rootfs too"

# -i
OUT=$(printf 'one\ntwo\n' | guard "${AS_USER[@]}" "$PODSPLICE" run -i -- \
	sort -r 2>&1)
is "$OUT" $'two\none' '-i: stdin, and its end'
OUT=$(head -c 10000000 "$T/podsplice" /dev/zero 2>/dev/null |
	head -c 10000000 | guard "${AS_USER[@]}" "$PODSPLICE" run -i -- \
	wc -c 2>&1)
is "$OUT" 10000000 '-i: 10 MB'
OUT=$(guard "${AS_USER[@]}" "$PODSPLICE" run -- head -c 10000000 /dev/zero \
	2>/dev/null | wc -c)
is "$OUT" 10000000 'stdout: 10 MB'
leftovers runner
finish
