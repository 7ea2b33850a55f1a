#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What netstack, portfwd and the socket maker can still do, tried from inside
# each by a debugger that makes them call it; and what the pod's root can do to
# them. A forbidden call kills the one process, and another takes its place.
# shellcheck source=tests/ns/splice_lib.sh
. "$(dirname "$0")/splice_lib.sh"

command -v gdb >/dev/null || skip_all 'gdb is not installed'
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

call() # PID CALL: make the process call it
{
	guard gdb -nx -batch -iex 'set auto-load off' -iex 'set sysroot /' \
		-p "$1" -ex "print (long)$2" "$PODSPLICE" 2>&1 </dev/null
}

# ROLE CALL: kills the process, and only it
deadly()
{
	helper || bail 'a process is missing'
	local pid=${!1} got
	got=$(call "$pid" "$2")
	like "$got" 'SIGSYS' "$1: $2 kills it"
	check "... and another takes its place" wait_for 10 reborn "$1" "$pid"
}

reborn() # ROLE OLD
{
	helper && [ "${!1}" != "$2" ]
}

KILLS=0
for who in NETSTACK PORTFWD MAKER; do
	# AF_UNIX, AF_NETLINK, AF_PACKET
	for what in 'socket(1,1,0)' 'socket(16,3,0)' 'socket(17,3,0)' \
		'listen(3,1)' 'fork()' 'execl("/bin/sh","sh",0)' \
		'ptrace(16,1,0,0)' 'unshare(0x10000000)' 'setns(3,0)' \
		'prctl(4,1,0,0,0)' 'kill(1,0)' 'mprotect(0x1000,4096,4)' \
		'mmap(0,4096,4,0x22,-1,0)' 'mount("a","b","c",0,0)' \
		'chroot("/")' 'ioctl(3,0x400454ca,0)' 'setuid(0)'; do
		deadly "$who" "$what"
		# one that dies again and again is started more slowly
		KILLS=$((KILLS + 1))
		[ $((KILLS % 6)) = 0 ] && pod_end && start
	done
done
# what libslirp calls without need only fails
helper
like "$(call "$NETSTACK" 'open("/etc/passwd",0)')" '= -1' \
	'netstack: a file is not opened'
helper
like "$(call "$NETSTACK" 'openat(-100,"/",0)')" '= -1' '... nor the root'
like "$(call "$PORTFWD" 'open("/etc/passwd",0)')" '= -1' \
	'portfwd: a file is not opened'
# the bit that makes a socket transparent needs a capability that they lack
like "$(call "$PORTFWD" 'socket(2,1,0)')" '= [0-9]+' \
	'portfwd: a socket of IPv4 is made'

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
