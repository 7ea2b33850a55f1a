#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What netstack, portfwd and the socket maker can still do, tried from inside
# each by a debugger that makes them call it; and what the pod's root can do to
# them. A forbidden call kills the one process, and another takes its place.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

grep -q 'seccomp: load the filter' "$BINARY" ||
	skip_all 'a build without lists of system calls'
command -v gdb >/dev/null || skip_all 'gdb is not installed'
strip -g "$PODSPLICE" # gdb would read all of it each time
serve_peer 9000 || bail 'no server on the other host'
start()
{
	pod sandbox -p 8080:80 -- "$PY" "$T/net.py" serve 80 || bail 'no pod'
	wait_port pod 80
}
start
check 'all processes are there' helper

field() # PID FIELD
{
	awk -v f="$2:" '$1 == f { print $2 }' "/proc/$1/status"
}

USERNS=$(stat -Lc %i "/proc/$SUP/ns/user")
for who in NETSTACK PORTFWD MAKER; do
	pid=${!who}
	is "$(field "$pid" Seccomp) $(field "$pid" NoNewPrivs)" '2 1' \
		"$who: a list of system calls, no new privileges"
	is "$(field "$pid" CapInh) $(field "$pid" CapAmb)" \
		'0000000000000000 0000000000000000' "$who: nothing to inherit"
	want=0000000000000000
	[ "$who" = MAKER ] && want=0000000000002000 # CAP_NET_RAW
	is "$(field "$pid" CapEff) $(field "$pid" CapPrm)" "$want $want" \
		"$who: its capabilities"
	unlike "$(stat -Lc %i "/proc/$pid/ns/user")" \
		"^($USERNS|$(stat -Lc %i "/proc/$POD/ns/user"))\$" \
		"$who: a user namespace that isn't ours nor the pod's"
	is "$(find "/proc/$pid/root/" | wc -l)" 1 "$who: an empty root"
	is "$(stat -c %u "/proc/$pid/environ")" 0 "$who: not dumpable"
done

# what each holds: no namespace, no directory, nothing of the user's but stderr
held_only_ours() # PID
{
	local fd
	for fd in "/proc/$1/fd"/*; do
		case ${fd##*/}:$(readlink "$fd") in
		2:* | *:socket:* | *:pipe:* | *:anon_inode:*) ;;
		*:/dev/null | *:/dev/net/tun | */smaps_rollup) ;;
		*)
			note "$fd: $(readlink "$fd")"
			return 1
			;;
		esac
	done
}
for who in NETSTACK PORTFWD MAKER; do
	check "$who: its descriptors" held_only_ours "${!who}"
done
is "$(field "$SUP" NoNewPrivs) $(field "$SUP" CapEff)" '1 0000000000000000' \
	'the supervisor: no new privileges, no capability'

call() # PID CALL: make the process call it
{
	debug "$1" -ex "print (long)$2"
}

debug() # PID GDB-ARGS
{
	local pid=$1
	shift
	guard gdb -nx -batch -iex 'set auto-load off' -iex 'set sysroot /' \
		-p "$pid" "$@" "$PODSPLICE" 2>&1 </dev/null
}

# ROLE CALL: kills the process, and only it
deadly()
{
	helper || bail 'a process is missing'
	local pid=${!1} got
	got=$(call "$pid" "$2")
	killed "$1" "$pid" "$got" "$2"
}

killed() # ROLE PID GDB-SAYS WHAT
{
	like "$3" 'SIGSYS' "$1: $4 kills it"
	check "... and another takes its place" wait_for 10 reborn "$1" "$2"
	# one that dies again and again is started more slowly
	KILLS=$((KILLS + 1))
	[ $((KILLS % 6)) != 0 ] || { pod_end && start; }
}

reborn() # ROLE OLD
{
	helper && [ "${!1}" != "$2" ]
}

KILLS=0
# AF_UNIX; memory that is code; another program. That each process has its list
# is shown by a few; what is on the lists, below.
for who in NETSTACK PORTFWD MAKER; do
	for what in 'socket(1,1,0)' 'mmap(0,4096,4,0x22,-1,0)' \
		'execl("/bin/sh","sh",0)'; do
		deadly "$who" "$what"
	done
done
# AF_NETLINK, AF_PACKET, AF_VSOCK; TUNSETIFF, TCGETS; F_DUPFD; SO_MARK
for what in 'socket(16,3,0)' 'socket(17,3,0)' 'socket(40,1,0)' \
	'ioctl(3,0x400454ca,0)' 'ioctl(2,0x5401,0)' 'fcntl(3,0,0)' \
	'setsockopt(3,1,36,0,0)'; do
	deadly NETSTACK "$what"
done
# sockets of UDP and SCTP; a filter; TLS on top of TCP
for what in 'socket(2,2,0)' 'socket(10,1,132)' 'setsockopt(3,1,26,0,0)' \
	'setsockopt(3,6,31,0,0)'; do
	deadly PORTFWD "$what"
done
# a raw one, for which it has the capability
deadly MAKER 'socket(2,3,255)'
# the numbers of other ABIs: x32's getpid, i386's by its own instruction
if [ "$(uname -m)" = x86_64 ]; then
	for who in NETSTACK PORTFWD; do
		deadly "$who" 'syscall(0x40000027)'
		helper || bail 'a process is missing'
		pid=${!who}
		killed "$who" "$pid" "$(debug "$pid" -ex 'set $orig_rax = -1' \
			-ex 'set var *(unsigned short *)$pc = 0x80cd' \
			-ex 'set $rax = 20' -ex stepi)" 'int $0x80'
	done
else
	skip 'the numbers of other ABIs' 'not on this processor'
fi

# The whole lists: what is let through whatever the arguments, or fails with
# ENOENT. mmap, socket and setsockopt are only with some arguments; so are fcntl
# and ioctl of the first two.
LIBSLIRP='access fstat getpeername lstat newfstatat open openat readlink stat'
ALL='brk clock_gettime close exit_group futex madvise mremap munmap pread64
	recvmsg restart_syscall rt_sigreturn sendmsg write'
LOOPS="$ALL accept4 bind connect epoll_ctl epoll_pwait epoll_wait getrandom
	getsockname getsockopt read recvfrom sendto shutdown"
PROBE=${BINARY%/setup/*}/tests/sandbox_probe
sorted()
{
	tr -s '[:space:]' '\n' | sort | paste -sd' '
}
probe() # ROLE WANT
{
	# two calls of x86-64 are never shown to a filter; they do nothing but
	# in code that the kernel itself put there
	is "$(as_user "$T/sandbox_probe" "$1" 2>&1 |
		grep -vxE '335|336|uretprobe|uprobe' | sorted)" \
		"$(echo "$2" | sorted)" "$1: the system calls let through"
}
if [ "$(uname -m)" = x86_64 ] && [ -x "$PROBE" ]; then
	install -m 755 "$PROBE" "$T/sandbox_probe"
	probe netstack "$LOOPS $LIBSLIRP"
	probe portfwd "$LOOPS pipe2 recvmmsg sendmmsg splice"
	probe maker "$ALL poll ppoll"
else
	skip 'the system calls let through' \
		'the names are of x86-64, the program of a build with tests'
fi

# The rest fails without killing: several attempts in one go.
# what libslirp calls without need
helper || bail 'a process is missing'
got=$(debug "$NETSTACK" -ex 'print (long)open("/etc/passwd",0)' \
	-ex 'print (long)openat(-100,"/",0)' \
	-ex 'print (long)socket(2,3,255)' -ex 'print (long)socket(10,3,58)')
for i in 1:'a file is not opened' 2:'nor the root' 3:'no raw socket is made' \
	4:'nor one of ICMPv6'; do
	like "$got" "\\\$${i%%:*} = -1" "netstack: ${i#*:}"
done
# the bits that make a socket transparent need a capability that they lack
for who in NETSTACK PORTFWD; do
	got=$(debug "${!who}" -ex 'set var *(int *)($sp - 4096) = 1' \
		-ex 'print (long)setsockopt((int)socket(2,1,0),0,19,$sp-4096,4)' \
		-ex 'print *(int *)__errno_location()' \
		-ex 'print (long)setsockopt((int)socket(10,1,0),41,75,$sp-4096,4)' \
		-ex 'print *(int *)__errno_location()' \
		-ex 'print (long)socket(2,1,0)')
	for i in 1:IP_TRANSPARENT 3:IPV6_TRANSPARENT; do
		like "$got" "\\\$${i%%:*} = -1.*\\\$$((${i%%:*} + 1)) = 1" \
			"$who: ${i#*:} isn't permitted"
	done
	like "$got" '\$5 = [0-9]+' "$who: an ordinary socket is made"
done
# memory: the supervisor has no list, the kernel says it (Linux 6.6)
if [ "$(uname -r | awk -F. \
	'{ print ($1 > 6 || ($1 == 6 && $2 >= 6)) }')" = 1 ]; then
	like "$(call "$SUP" 'mprotect((long)$sp & ~4095,4096,5)')" '= -1' \
		'the supervisor: its stack does not become executable'
else
	skip 'the supervisor: memory does not become executable' 'Linux 6.6'
fi

# The pod's root, with every capability and from outside its mount namespace,
# against each process and the hop. (It has the user's own uid outside, and so
# may signal what it sees: a pod's own pid namespace shows it none of this.)
for who in SUP NETSTACK PORTFWD MAKER; do
	pid=${!who}
	for what in 'ls "/proc/$0/fd/"' 'cat "/proc/$0/environ"' \
		'cat "/proc/$0/maps"' 'ls "/proc/$0/root/"' \
		'nsenter -t "$0" -n true' 'nsenter -t "$0" -U true' \
		'nsenter -t "$0" -m true'; do
		# dumpable, and of the same user: its descriptors are numbers
		[ "$who $what" = 'SUP ls "/proc/$0/fd/"' ] && continue
		nsenter -t "$POD" -U -n -i -u \
			sh -c "$what" "$pid" >"$T/attack" 2>&1 </dev/null
		unlike "$? $(wc -c <"$T/attack")" '^0 [1-9]' \
			"the pod's root: $what of $who"
	done
	nsenter -t "$POD" -U "$PY" - "$pid" \
		>"$T/attack" 2>&1 <<-'PY'
		import ctypes, os, sys
		pid = int(sys.argv[1])
		libc = ctypes.CDLL(None, use_errno=True)
		got = []
		if libc.ptrace(16, pid, 0, 0) == 0:
		    got.append('ptrace')
		try:
		    pidfd = os.pidfd_open(pid)
		    for fd in range(3, 40):
		        if libc.syscall(438, pidfd, fd, 0) >= 0:
		            got.append('fd %d' % fd)
		except OSError:
		    pass
		print(' '.join(got) or 'nothing')
	PY
	is "$(cat "$T/attack")" nothing "the pod's root has nothing of $who"
done

is "$(peer_net get "$HOST4" 8080 1000000)" OK 'after all that: published'
is "$(pod_net get "$PEER4" 9000 1000000)" OK '... and egress'
pod_end
stop_spawned
leftovers sandbox
finish
