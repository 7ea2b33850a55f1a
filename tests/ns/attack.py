#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody who took over a pod would try. Prints a line for each attempt
that got somewhere, and "tried N" at the end.

  attack.py processes PID...   ways into processes, by ptrace, /proc, pidfds
  attack.py hop PID            ways into the namespace that PID is in and in
                               which the other end of tap0 is
  attack.py sees               the pids that /proc shows
"""

import ctypes
import errno
import os
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
KCMP_FILES, PIDFD_GETFD, KCMP, PERF_EVENT_OPEN = 2, 438, 312, 298
NAMESPACES = {'user': 0x10000000, 'net': 0x40000000, 'mnt': 0x20000,
              'pid': 0x20000000, 'ipc': 0x8000000, 'uts': 0x4000000}
tried = 0


def attempt(what, fn):
    global tried
    tried += 1
    try:
        got = fn()
    except OSError as e:
        if e.errno in (errno.ENOSYS, errno.EFAULT, errno.ENOTSOCK):
            print(what, 'was no attempt:', e)  # our own mistake
        return
    if got is not None:
        print(what, 'works:', got)


def call(*args):
    n = libc.syscall(*[ctypes.c_long(a) for a in args])
    if n < 0:
        raise OSError(ctypes.get_errno(), 'syscall')
    return n


def ptrace(pid):
    if libc.ptrace(PTRACE_SEIZE, pid, None, None):
        raise OSError(ctypes.get_errno(), 'ptrace')
    libc.ptrace(PTRACE_DETACH, pid, None, None)
    return 'traced'


def vm_read(pid):
    buf = ctypes.create_string_buffer(8)
    iov = struct.pack('PN', ctypes.addressof(buf), 8)
    far = struct.pack('PN', 0x400000, 8)
    n = libc.process_vm_readv(pid, iov, 1, far, 1, 0)
    if n < 0 and ctypes.get_errno() != errno.EFAULT:
        raise OSError(ctypes.get_errno(), 'process_vm_readv')
    return 'memory'  # a wrong address, too, is told only to who may read


def perf(pid):
    attr = ctypes.create_string_buffer(struct.pack('IIQ', 1, 128, 1), 128)
    return call(PERF_EVENT_OPEN, ctypes.addressof(attr), pid, -1, -1, 0)


def read(path):
    with open(path, 'rb', buffering=0) as f:
        return f.read(16) or None


def enter(fd, kind):
    """In a child: it may well be that it works"""
    pid = os.fork()
    if pid == 0:
        os._exit(100 if libc.setns(fd, kind) == 0 else 0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 100:
        raise OSError(errno.EPERM, 'setns')
    return 'entered'


def enter_by_name(pid, name, kind):
    fd = os.open(f'/proc/{pid}/ns/{name}', os.O_RDONLY)
    try:
        return enter(fd, kind)
    finally:
        os.close(fd)


def attack_process(pid):
    attempt(f'{pid}: ptrace', lambda: ptrace(pid))
    attempt(f'{pid}: process_vm_readv', lambda: vm_read(pid))
    attempt(f'{pid}: kcmp', lambda: call(KCMP, os.getpid(), pid, KCMP_FILES,
                                         0, 0))
    attempt(f'{pid}: perf_event_open', lambda: perf(pid))
    for name in 'environ', 'maps', 'mem', 'auxv', 'syscall', 'stack':
        attempt(f'{pid}: {name}', lambda: read(f'/proc/{pid}/{name}'))
    for name in 'exe', 'cwd', 'root':
        attempt(f'{pid}: {name}', lambda: os.readlink(f'/proc/{pid}/{name}'))
        attempt(f'{pid}: open {name}', lambda: os.open(f'/proc/{pid}/{name}',
                                                       os.O_PATH))
    for fd in range(64):
        attempt(f'{pid}: fd {fd}', lambda: os.open(f'/proc/{pid}/fd/{fd}',
                                                   os.O_RDONLY))
    for name, kind in NAMESPACES.items():
        attempt(f'{pid}: ns/{name}', lambda: enter_by_name(pid, name, kind))
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    for fd in range(64):
        attempt(f'{pid}: pidfd_getfd {fd}',
                lambda: call(PIDFD_GETFD, pidfd, fd, 0))
    for name, kind in NAMESPACES.items():
        attempt(f'{pid}: pidfd, {name}', lambda: enter(pidfd, kind))


# rtnetlink, by hand: ip(8) has no words for most of this

RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK = 16, 18, 19
REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400
IFLA_IFNAME, IFLA_LINK, IFLA_LINKINFO, IFLA_NET_NS_PID = 3, 5, 18, 19
IFLA_LINK_NETNSID, IFLA_TARGET_NETNSID, IFLA_INFO_KIND = 37, 46, 1


def attr(kind, data):
    return struct.pack('HH', 4 + len(data), kind) + data + \
        b'\0' * (-len(data) % 4)


def u32(n):
    return struct.pack('i', n)


def link(verb, flags, index, *attrs):
    body = struct.pack('BxHiII', 0, 0, index, 0, 0) + b''.join(attrs)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack('IHHII', 16 + len(body), verb, REQUEST | flags, 1,
                           0) + body)
        reply = s.recv(65536)
    if struct.unpack_from('H', reply, 4)[0] == 2:  # NLMSG_ERROR
        error = -struct.unpack_from('i', reply, 16)[0]
        if error:
            raise OSError(error, 'rtnetlink')
    return reply


def netnsid_of(name):
    """Where the other end is, as the kernel numbers it"""
    reply, at = link(RTM_GETLINK, 0, socket.if_nametoindex(name)), 32
    while at + 4 <= len(reply):
        n, kind = struct.unpack_from('HH', reply, at)
        if kind == IFLA_LINK_NETNSID:
            return struct.unpack_from('i', reply, at + 4)[0]
        at += (n + 3) & ~3
    raise SystemExit('tap0 has its other end here')


def attack_hop(pid):
    tap, nsid = socket.if_nametoindex('tap0'), netnsid_of('tap0')
    there = attr(IFLA_TARGET_NETNSID, u32(nsid))
    dummy = attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, b'veth'))
    attempt('look at a device there',
            lambda: link(RTM_GETLINK, 0, 1, there)[:4])
    attempt('make a device there',
            lambda: link(RTM_NEWLINK, ACK | CREATE | EXCL, 0, there,
                         attr(IFLA_IFNAME, b'evil0\0'), dummy)[:4])
    attempt('make a device there, by a process',
            lambda: link(RTM_NEWLINK, ACK | CREATE | EXCL, 0,
                         attr(IFLA_NET_NS_PID, u32(pid)),
                         attr(IFLA_IFNAME, b'evil1\0'), dummy)[:4])
    attempt('make a device on top of one there',
            lambda: link(RTM_NEWLINK, ACK | CREATE | EXCL, 0,
                         attr(IFLA_LINK, u32(2)),
                         attr(IFLA_LINK_NETNSID, u32(nsid)),
                         attr(IFLA_IFNAME, b'evil2\0'),
                         attr(IFLA_LINKINFO,
                              attr(IFLA_INFO_KIND, b'macvlan')))[:4])
    # under another name: the hop has a tap0
    name = attr(IFLA_IFNAME, b'evil3\0')
    attempt('move our device there, by a process',
            lambda: link(RTM_SETLINK, ACK, tap, name,
                         attr(IFLA_NET_NS_PID, u32(pid)))[:4])
    attempt('move our device there',
            lambda: link(RTM_SETLINK, ACK, tap, name, there)[:4])


def main():
    verb, *args = sys.argv[1:]
    if verb == 'processes':
        for pid in args:
            attack_process(int(pid))
    elif verb == 'hop':
        attack_hop(int(args[0]))
    else:
        return print(*sorted(p for p in os.listdir('/proc') if p.isdigit()))
    print('tried', tried)


main()
