#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever is wrong with the command line or with the machine: one line that
# begins with "podsplice: ", status 125, nothing left.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)

# refuses NAME: of what run_user left
refuses()
{
	if [ "$STATUS" = 125 ] && [ "$(printf '%s\n' "$ERR" | wc -l)" = 1 ] &&
		[[ $ERR == 'podsplice: '* ]] && [ -z "$OUT" ]; then
		ok "$1"
		return
	fi
	not_ok "$1"
	note "status $STATUS, stdout '$OUT', stderr:"
	note "$ERR"
}

LONG=$(printf '%0300d' 0) LONGER=$(printf '/%04000d' 0)$(printf '/%0999d' 0)

# One case a line: the arguments before "-- true", words separated by spaces;
# @L and @P are too long a word and too long a path, @E is no word at all.
while read -r line; do
	case $line in
	'' | '#'*) continue ;;
	esac
	args=()
	for word in $line; do
		word=${word//@L/$LONG}
		word=${word//@P/$LONGER}
		word=${word//@E/}
		args+=("$word")
	done
	run_user "${args[@]}" -- true
	refuses "${line//#/}"
done <<'END'
# SPECs
-p @E
-p :
-p ::
-p 0
-p 80:0
-p 8080:
-p :80:
-p 70000
-p 70000:80
-p 80:70000
-p 65536:65536
-p -1:80
-p 80:-1
-p +80:80
-p 0x50:80
-p 8080:80:90:100
-p 80a:80
-p 80:80b
-p 8080-8079:80-79
-p 8080-8082:80-81
-p 8080-8081:80
-p 8080:80-81
-p 65530-65540:1-11
-p 8080-:80
-p -8080:80
-p 80:80/
-p 80:80/sctp
-p 80:80/icmp
-p 80:80/TCPP
-p 256.0.0.1:80:80
-p 1.2.3:80:80
-p 1.2.3.4.5:80:80
-p 01.2.3.4:80:80
-p [::1:80:80
-p ::1]:80:80
-p [::g]:80:80
-p [1.2.3.4]:80:80
-p []:80:80
-p [fe80::1%nosuch0]:80:80
-p %:80:80
-p %nosuch0:8080:80
-p %averyverylongname0:80:80
-p localhost:80:80
-p 80:80,source=maybe
-p 80:80,source
-p 80:80,proxy=v3
-p 80:80,max=-1
-p 80:80,max=many
-p 80:80,idle=0x10
-p 80:80,color=red
-p 80:80,
-p 8080:80,source=keep,source=off
-p @L
-p 8080:80/tcp/udp
-p 8080:80 -p 8080:81
-p 8080-8090:80-90 -p 8085:100
-p 203.0.113.7:8080:80
-p [2001:db8:5::5]:8080:80
# NET
--cidr 10.0.2.0
--cidr 10.0.2.0/33
--cidr 10.0.2.0/31
--cidr 10.0.2.1/24
--cidr 300.0.2.0/24
--cidr fd00::/64
--cidr 127.0.0.0/8
--cidr6 10.0.2.0/24
--cidr6 fd00::/129
--cidr6 fd00::1/64
--mtu 0
--mtu 67
--mtu 1279
--mtu 65521
--mtu 1500x
--mtu @E
--tap @L
--tap a/b
--tap @E
--tap lo
--mac 00:11:22:33:44
--mac 01:00:5e:00:00:01
--mac zz:11:22:33:44:55
--dns nameserver
--dns 1.2.3
--outbound 1.2.3
--outbound nosuch0
--datapath fast
# run
--hostname @L
--hostname a_b
--hostname -x
-v /tmp
-v :/data
-v /tmp:data
-v /tmp:/data:rx
-v /tmp:/
-v /tmp:/../etc
-v @P:/data
-v /tmp:@P
-w relative
-w @P
-e =value
--rootfs @E
--rootfs /nonexistent/root
--rootfs /etc/passwd
--rootfs @P
--log-level loud
--nosuch
--no-ipv6=yes
-z
-ip
END
run_user
refuses 'no command'
run_user --
refuses 'no command behind --'
run_user -p
refuses '-p without its SPEC'
run_user --mtu
refuses '--mtu without its value'
run_user -p 8080:80/sctp -- true
like "$ERR" 'sctp' 'sctp is refused by name'
for word in nosuch '' -x --nosuch; do
	verb "$word"
	refuses "verb '$word'"
done

# A port in use, with its owner's name; below 1024
spawn owner "${AS_USER[@]}" "$PY" "$T/net.py" serve 8080 4
OWNER=$PID
wait_port host 8080
run_user -p 8080:80 -- true
refuses 'a port in use'
like "$ERR" '8080' '... by number'
like "$ERR" "PID $OWNER|\\($OWNER|by $OWNER|$OWNER " '... with its owner'
run_user -p 0.0.0.0:8080:80 -- true
refuses 'a port in use, IPv4 alone'
run_user -p 8075-8085:75-85 -- true
refuses 'one of a range in use'
run_user -p 8090:90 -p 8080:80 -- true
refuses 'the second SPEC in use'
run_user -p '[::]:8080:80' -- true
is "$STATUS" 0 'IPv6 alone beside it is free'
kill "$OWNER"
wait_for 5 nobody_new_listens
# elsewhere it may be open to all: as it is by default
in_host sh -c 'echo 1024 >/proc/sys/net/ipv4/ip_unprivileged_port_start'
run_user -p 80:80 -- true
refuses 'a port below 1024'
like "$ERR" 'net\.ipv4\.ip_unprivileged_port_start' '... names the sysctl'

# Machines that lack something
tun_hidden()
{
	caught "${IN_HOST[@]}" unshare --mount --propagation private sh -c '
		: >"$1/tun"
		chmod "$2" "$1/tun"
		mount --bind "$1/tun" /dev/net/tun
		shift 2
		exec "$@"' sh "$T" "$1" \
		"${AS_USER[@]:4}" "$PODSPLICE" run -- true
}
tun_hidden 000
refuses "a TAP that can't be opened"
like "$ERR" '/dev/net/tun' '... names the device'
tun_hidden 666
refuses 'a /dev/net/tun that is no device'
caught "${IN_HOST[@]}" setpriv "--reuid=$ACCOUNT_UID" \
	"--regid=$ACCOUNT_GID" --init-groups -- "${CLEAN_ENV[@]}" \
	"XDG_RUNTIME_DIR=/$LONG" "$PODSPLICE" run -- echo fine

# Works, or refuses; a runtime directory may not be needed at all
works_or_refuses()
{
	if [ "$STATUS" = 0 ] && [ "$OUT" = fine ] && [ -z "$ERR" ]; then
		ok "$1: works without"
	else
		refuses "$1"
	fi
}
works_or_refuses 'too long a runtime directory'
runtime_as() # MOUNT-OPTIONS FILL
{
	caught "${IN_HOST[@]}" unshare --mount --propagation private sh -c '
		mount -t tmpfs -o "size=64k,nr_inodes=10,mode=700,uid=$2,gid=$3" \
			tmpfs "$1"
		[ -z "$5" ] || cat /dev/zero >"$1/full" 2>/dev/null
		mount -o "remount,$4" "$1"
		shift 5
		exec "$@"' sh "$RUNTIME" "$ACCOUNT_UID" "$ACCOUNT_GID" "$1" \
		"$2" "${AS_USER[@]:4}" "$PODSPLICE" run -p 8080:80 -- echo fine
}
runtime_as ro ''
works_or_refuses 'a read-only runtime directory'
runtime_as rw full
works_or_refuses 'a full runtime directory'
for dir in /nonexistent/dir relative /etc/passwd ''; do
	caught "${AS_USER[@]}" "XDG_RUNTIME_DIR=$dir" "$PODSPLICE" run -- \
		echo fine
	works_or_refuses "XDG_RUNTIME_DIR=$dir"
done
in_host rm -rf "/tmp/podsplice-$ACCOUNT_UID"

# No processes left to fork, no descriptors
caught "${AS_USER[@]}" sh -c "ulimit -n 12; exec $PODSPLICE run -- echo fine"
works_or_refuses 'twelve descriptors'
caught "${AS_USER[@]}" sh -c "ulimit -n 5; exec $PODSPLICE run -- echo fine"
works_or_refuses 'five descriptors'
# stdout, stderr and stdin closed by the caller
timeout "$GUARD" "${AS_USER[@]}" sh -c "exec $PODSPLICE run -- sh -c 'exit 4' \
	<&- >&- 2>&-" >"$T/fg.out" 2>"$T/fg.log"
is "$?" 4 'closed stdin, stdout and stderr'
# whose children are nobody's to ask about
timeout -k 5 "$GUARD" "${AS_USER[@]}" env --ignore-signal=CHLD \
	"$PODSPLICE" run -- sh -c 'exit 4' >"$T/fg.out" 2>"$T/fg.log"
is "$? $(cat "$T/fg.log")" '4 ' 'SIGCHLD ignored by the caller'
timeout "$GUARD" "${AS_USER[@]}" sh -c "$PODSPLICE run -- echo x >/dev/full" \
	2>/dev/null
ok 'a full stdout does not hang'

stop_spawned
leftovers bad_input
finish
