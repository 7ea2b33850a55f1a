# SPDX-License-Identifier: GPL-2.0-or-later
"""The page that the shim shares with us (shim.h), and names for its sites."""

import errno
import mmap
import os
import struct
import subprocess

SITES, FRAMES = 4096, 3
HEAD = struct.Struct('=QIIIIII')
SITE = struct.Struct(f'={2 + FRAMES}Q24s24sII')

# What the manual pages say that each call may fail with, three of each; fewer
# where the rest would be a mistake in the program (EBADF, EFAULT), or cannot be
# without a reason that the test would have to bring about (EAGAIN).
ERRNOS = {
    'socket': 'EMFILE ENOBUFS EAFNOSUPPORT',
    'socketpair': 'EMFILE ENFILE ENOMEM',
    'connect': 'EADDRNOTAVAIL ENETUNREACH ENOBUFS',
    'bind': 'EADDRINUSE EADDRNOTAVAIL ENOMEM',
    'listen': 'EADDRINUSE ENOBUFS EOPNOTSUPP',
    'accept': 'EMFILE ENOBUFS ECONNABORTED',
    'accept4': 'EMFILE ENOBUFS ECONNABORTED',
    'getsockname': 'ENOBUFS ENOMEM EINVAL',
    'getsockopt': 'ENOPROTOOPT ENOMEM ENOBUFS',
    'setsockopt': 'ENOPROTOOPT ENOMEM EINVAL',
    'shutdown': 'ENOTCONN',
    'send': 'EINTR ECONNRESET ENOBUFS',
    'sendto': 'ENOBUFS ENOMEM EPERM',
    'sendmsg': 'EINTR ENOBUFS ENOMEM',
    'sendmmsg': 'ENOBUFS ENOMEM EPERM',
    'recv': 'EINTR ECONNRESET ENOMEM',
    'recvfrom': 'EINTR ECONNREFUSED ENOMEM',
    'recvmsg': 'EINTR ENOMEM ENOBUFS',
    'recvmmsg': 'EINTR ECONNREFUSED ENOMEM',
    'splice': 'EINVAL ENOMEM ECONNRESET',
    'pipe2': 'EMFILE ENFILE ENOMEM',
    'read': 'EINTR EIO ENOMEM',
    'pread64': 'EINTR EIO ENOMEM',
    'write': 'EINTR EIO ENOSPC',
    'pwrite64': 'EINTR EIO ENOSPC',
    'poll': 'EINTR ENOMEM',
    'epoll_create1': 'EMFILE ENFILE ENOMEM',
    'epoll_ctl': 'ENOMEM ENOSPC EPERM',
    'epoll_wait': 'EINTR',
    'signalfd': 'EMFILE ENFILE ENOMEM',
    'timerfd_create': 'EMFILE ENFILE ENOMEM',
    'timerfd_settime': 'ECANCELED EINVAL',
    'pidfd_open': 'EMFILE ENFILE ENOMEM',
    'inotify_init1': 'EMFILE ENFILE ENOMEM',
    'inotify_add_watch': 'ENOSPC ENOMEM EACCES',
    'dup2': 'EMFILE EBUSY EINTR',
    'dup3': 'EMFILE EBUSY EINTR',
    'unshare': 'ENOMEM ENOSPC EPERM',
    'setns': 'ENOMEM EPERM EINVAL',
    'mount': 'ENOMEM EPERM EBUSY',
    'umount2': 'ENOMEM EPERM EBUSY',
    'fsopen': 'EMFILE ENFILE EPERM',
    'fsconfig': 'ENOMEM EPERM EINVAL',
    'fsmount': 'EMFILE ENOSPC EPERM',
    'open_tree': 'EMFILE ENOMEM EACCES',
    'move_mount': 'ENOMEM EPERM EINVAL',
    'mount_setattr': 'ENOMEM EPERM EINVAL',
    'mkdir': 'ENOSPC EACCES EROFS',
    'mkdirat': 'ENOSPC EACCES EROFS',
    'fopen': 'EMFILE EACCES ENOMEM',
    'fopen64': 'EMFILE EACCES ENOMEM',
    'opendir': 'EMFILE EACCES ENOMEM',
    'open': 'EMFILE EACCES ENOMEM',
    'open64': 'EMFILE EACCES ENOMEM',
    'openat': 'EMFILE EACCES ENOMEM',
    'openat64': 'EMFILE EACCES ENOMEM',
    '__open64_2': 'EMFILE EACCES ENOMEM',
    'fcntl': 'EMFILE EINVAL EPERM',
    'fcntl64': 'EMFILE EINVAL EPERM',
    'ioctl': 'ENOTTY EINVAL ENOMEM',
    'posix_spawnp': 'EAGAIN ENOMEM ENOENT',
    'fork': 'EAGAIN ENOMEM',
    'clone': 'EAGAIN ENOMEM EPERM',
    'syscall': 'EPERM EINVAL ENOSYS',
    'malloc': 'ENOMEM',
    'calloc': 'ENOMEM',
    'realloc': 'ENOMEM',
}


def errnos(call):
    return ERRNOS[call].split()


class Site:
    def __init__(self, key, parent, frames, call, obj, hits):
        self.key, self.parent, self.call = key, parent, call
        self.hits = hits
        self.frames, self.object = frames, obj
        self.role = self.where = None


class Page:
    """One page, for one run of podsplice at a time."""

    def __init__(self, path):
        size = HEAD.size + SITES * SITE.size
        self.path = path
        with open(path, 'wb') as f:
            f.truncate(size)
        os.chmod(path, 0o666)
        with open(path, 'r+b') as f:
            self.map = mmap.mmap(f.fileno(), size)

    def arm(self, key=0, err=0, skip=0):
        # the key last: only then does it count
        HEAD.pack_into(self.map, 0, 0, err, skip, 0, self.head()[4], 0, 0)
        struct.pack_into('=Q', self.map, 0, key)

    def head(self):
        return HEAD.unpack_from(self.map, 0)

    def fired(self):
        return self.head()[3] > 0

    def overrun(self):
        return self.head()[4]

    def hits(self):
        """{key: how often reached}"""
        out = {}
        for at in range(HEAD.size, len(self.map), SITE.size):
            rec = SITE.unpack_from(self.map, at)
            if rec[0]:
                out[rec[0]] = rec[-2]
        return out

    def sites(self):
        for at in range(HEAD.size, len(self.map), SITE.size):
            rec = SITE.unpack_from(self.map, at)
            if rec[0]:
                yield Site(rec[0], rec[1], rec[2:2 + FRAMES],
                           rec[-4].rstrip(b'\0').decode(),
                           rec[-3].rstrip(b'\0').decode(), rec[-2])


ROLES = {'fork_netstack': 'netstack', 'fork_portfwd': 'portfwd',
         'fork_maker': 'maker', 'fork_maker_again': 'maker',
         'maker_2_pod': 'runner', 'maker_main': 'runner'}


def name_all(sites, program):
    """Says in which function and line each site is, and in whose process."""
    frames = {f for s in sites.values() for i, f in enumerate(s.frames)
              if f and (i or not s.object)}
    places = lookup(sorted(frames), program)
    for s in sites.values():
        own = [f for i, f in enumerate(s.frames) if f and (i or not s.object)]
        s.chain = [p for f in own for p in places[f]]
        names = [f'{fn} {line}' for fn, line in s.chain[:4]]
        s.where = ' < '.join(([s.object] if s.object else []) + names)
    for s in sites.values():
        s.role = role_of(s, sites)


def role_of(site, sites):
    if not site.parent:
        return 'supervisor'
    maker = sites.get(site.parent)
    if maker:
        for fn, _ in maker.chain:
            if fn in ROLES:
                return ROLES[fn]
    return 'command'


def lookup(frames, program):
    """{return address: [(function, file:line), …], inlined ones first}"""
    # an address in the call, not behind it
    asked = ''.join(f'{f - 1:#x}\n' for f in frames)
    out = subprocess.run(['addr2line', '-a', '-f', '-i', '-e', program],
                         input=asked, text=True, check=True,
                         capture_output=True).stdout.splitlines()
    places, i = {}, 0
    while i < len(out):
        at, i = int(out[i], 16) + 1, i + 1
        places[at] = []
        while i < len(out) and not out[i].startswith('0x'):
            line = out[i + 1].split(' (')[0]
            places[at].append((out[i], '/'.join(line.split('/')[-1:])))
            i += 2
    return places


def number(name):
    return getattr(errno, name)
