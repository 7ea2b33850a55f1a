#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An engine as slirp4netns sees it: slirp4netns.py SCENARIO PROGRAM ARG...

Each scenario starts PROGRAM ARG... with descriptors and limits of its own and
prints what it saw, in one line.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time

LIMIT = 60
PR_SET_PDEATHSIG = 1
TUNSETIFF = 0x400454ca
TAP = 0x1002  # IFF_TAP, IFF_NO_PI
words = []


def until(what):
    end = time.monotonic() + LIMIT
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(what())


def state(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            return f.read().rsplit(')', 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return 'X'


def dead(pid):
    return state(pid) in 'ZX'


def family(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as f:
            below = [int(x) for x in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return below + [x for b in below for x in family(b)]


def start(*more, fds=(), **kw):
    return subprocess.Popen(words + list(more), pass_fds=fds,
                            stdout=subprocess.DEVNULL, **kw)


def started(*more, fds=(), **kw):
    """The same, when it has told that it is ready, by one byte and the end."""
    read, write = os.pipe()
    p = start('-r', str(write), *more, fds=[write, *fds], **kw)
    os.close(write)
    told = os.read(read, 16)
    if told == b'1':
        told += os.read(read, 16)
    os.close(read)
    if told != b'1':
        print('ready:', told, end=' ')
    return p


def lives(p):
    """It would end soon, if it did."""
    try:
        return p.wait(0.5)
    except subprocess.TimeoutExpired:
        return 'lives'


def exit_fd():
    """With the numbers that engines have used, in both orders."""
    for ready, end in ((3, 4), (4, 3)):
        r, w = os.pipe()
        out, keep = os.pipe()
        high = [os.dup2(x, 100 + i) for i, x in enumerate((r, w, out, keep))]
        os.closerange(3, 20)
        os.dup2(high[1], ready)
        os.dup2(high[2], end)
        p = start('-r', str(ready), '-e', str(end), fds=[ready, end])
        os.close(ready)
        os.close(high[1])
        got = os.read(high[0], 16) + b',' + os.read(high[0], 16)
        os.write(high[3], b'data')
        print(got.decode(), lives(p), end=' ')
        os.close(high[3])
        print(p.wait(LIMIT), end=' ')


def bad_fds():
    print(start('-e', '77').wait(LIMIT), end=' ')
    end, keep = os.pipe()
    p = start('-r', '78', '-e', str(end), fds=[end])
    print(lives(p), end=' ')
    os.close(keep)
    print(p.wait(LIMIT))


def nobody_reads():
    read, write = os.pipe()
    os.close(read)
    end, keep = os.pipe()
    p = start('-r', str(write), '-e', str(end), fds=[write, end])
    print(lives(p), end=' ')
    os.close(keep)
    print(p.wait(LIMIT))


def signals():
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        p = started()
        below = family(p.pid)
        p.send_signal(sig)
        print(-p.wait(LIMIT) == sig and until(lambda: all(map(dead, below))),
              end=' ')


def death_of_parent():
    """Of one that asked for it, and of one that didn't."""
    for asks in (True, False):
        read, write = os.pipe()
        parent = os.fork()
        if parent == 0:
            def before():
                if asks:
                    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            p = started(preexec_fn=before)
            os.write(write, b'%d' % p.pid)
            signal.pause()
        os.close(write)
        pid = int(os.read(read, 16))
        below = family(pid)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        if asks:
            print(until(lambda p=[pid, *below]: all(map(dead, p))), end=' ')
            continue
        time.sleep(0.5)  # it would end soon, if it did
        print('lives' if not dead(pid) else 'ended', end=' ')
        os.kill(pid, signal.SIGTERM)
        print(until(lambda p=[pid, *below]: all(map(dead, p))), end=' ')


def strays():
    """Descriptors that nobody spoke of: neither held nor written to."""
    pairs = [os.pipe() for _ in range(3)]
    outs = []
    for n, (read, write) in zip((6, 8, 251), pairs):
        outs.append(os.dup2(read, n + 1000))
        os.dup2(write, n + 500)
    os.closerange(3, 300)
    for n in (6, 8, 251):
        os.dup2(n + 500, n)
    os.closerange(500, 900)
    p = started('-a', os.environ['API'], fds=[6, 8, 251])
    os.closerange(3, 300)
    print([os.read(o, 1) for o in outs])  # the end, when nobody holds it
    p.terminate()
    p.wait(LIMIT)


def restarts():
    """The next begins when the one before is told to end, not when it has."""
    before = None
    for _ in range(10):
        end, keep = os.pipe()
        p = started('-e', str(end), fds=[end])
        os.close(end)
        if before:
            before.wait(LIMIT)
        os.close(keep)
        before = p
    print(before.wait(LIMIT))


def tap_there(pid):
    """A TAP in the network of a process, made by one who goes there."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        for what in ('user', 'net'):
            with open(f'/proc/{pid}/ns/{what}', encoding='ascii') as ns:
                if ctypes.CDLL(None).setns(ns.fileno(), 0):
                    os._exit(1)
        tap = os.open('/dev/net/tun', os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack('16sH22x', b'tap0', TAP))
        socket.send_fds(theirs, [b'x'], [tap])
        os._exit(0)
    fds = socket.recv_fds(ours, 1, 1)[1]
    os.waitpid(child, 0)
    return fds[0]


def tapfd():
    """Until somebody ends it."""
    tap = tap_there(words[2])
    words[1:] = ['--netns-type=tapfd', '-a', os.environ['API'], str(tap)]
    signal.signal(signal.SIGTERM, lambda *_: p.terminate())
    p = started(fds=[tap])
    print('ready', flush=True)
    print(p.wait(), end='')


SCENARIOS = {f.__name__: f for f in (exit_fd, bad_fds, nobody_reads, signals,
                                     death_of_parent, strays, restarts,
                                     tapfd)}
if __name__ == '__main__':
    words = sys.argv[2:]
    SCENARIOS[sys.argv[1]]()
    print()
