#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts rootlessport as podman does, and is podman and conmon to it.

  rootlessport.py run BINARY JSON... [--raw TEXT] [--size N] [--split]
                      [--stray FD...] [--word W] [--unready]
      The configuration is made of the objects, later ones over earlier ones;
      or it is TEXT, followed by N blanks. Prints "failed STATUS TEXT" and ends,
      or "ready PID", what was written to its ready descriptor, and which
      descriptors it holds that it shouldn't. Then SIGUSR1 closes the exit pipe,
      SIGUSR2 writes to it; "ended STATUS" when it has ended.
  rootlessport.py reload PATH TEXT...
      Sends each as a packet, prints the answer.
"""

import argparse
import fcntl
import json
import os
import select
import signal
import socket
import sys

HANG = 30


def high(fd):
    up = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 300)
    os.close(fd)
    return up


def pipe():
    """out of the way of the numbers that the product gets"""
    return tuple(map(high, os.pipe()))


def feed(fd, data, split):
    with os.fdopen(fd, 'wb', 0) as f:
        try:
            step = 1 if split else max(1, len(data))
            for i in range(0, len(data), step):
                f.write(data[i:i + step])
        except BrokenPipeError:
            pass


def drain(fd):
    """all that comes until its last writer has closed it; None: one hasn't"""
    data = b''
    while select.select([fd], [], [], HANG)[0]:
        more = os.read(fd, 65536)
        if not more:
            return data
        data += more
    return None


def status_of(pid):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def start(opts, targets):
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    for fd, number in targets:
        os.dup2(fd, number)  # inheritable
    os.execv(opts.binary, ['rootlessport', *opts.word])


def run(argv):
    p = argparse.ArgumentParser()
    p.add_argument('binary')
    p.add_argument('config', nargs='*', type=json.loads)
    p.add_argument('--raw')
    p.add_argument('--size', type=int, default=0)
    p.add_argument('--split', action='store_true')
    p.add_argument('--stray', type=int, nargs='*', default=[])
    p.add_argument('--word', action='append', default=[])
    p.add_argument('--unready', action='store_true')
    opts = p.parse_args(argv)
    config = {'ExitFD': 3, 'ReadyFD': 4}
    for c in opts.config:
        config.update(c)
    text = json.dumps(config) if opts.raw is None else opts.raw
    stdin, out, err, ready, bye = (pipe() for _ in range(5))
    strays = {n: pipe() for n in opts.stray}
    targets = [(stdin[0], 0), (out[1], 1), (err[1], 2)]
    targets += [(w, n) for n, (_, w) in strays.items()]
    for fd, key in (bye[0], 'ExitFD'), (ready[1], 'ReadyFD'):
        if isinstance(config[key], int) and 2 < config[key] < 300:
            targets.append((fd, config[key]))
    signal.signal(signal.SIGUSR1, lambda *_: os.close(bye[1]))
    signal.signal(signal.SIGUSR2, lambda *_: os.write(bye[1], b'stay'))
    pid = start(opts, targets)
    for fd, _ in targets:
        os.close(fd)
    for fd in bye[0], ready[1]:
        if all(fd != other for other, _ in targets):
            os.close(fd)
    if opts.unready:
        os.close(ready[0])
    feed(stdin[1], text.encode() + b' ' * opts.size, opts.split)
    told = '' if opts.unready else drain(ready[0])
    if not told:
        status = status_of(pid)
        print('failed', status, (drain(out[0]) or b'').decode().strip(),
              flush=True)
        print((drain(err[0]) or b'').decode().strip(), file=sys.stderr)
        return
    print('ready', pid, told.decode(), flush=True)
    said = {n: drain(r) for n, r in [(1, out[0]), (2, err[0])] +
            [(n, r) for n, (r, _) in strays.items()]}
    print((said[2] or b'').decode(), end='', file=sys.stderr, flush=True)
    print('holds', *[n for n in said if said[n] is None], flush=True)
    print('ended', status_of(pid), flush=True)


def reload(path, *texts):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(HANG)
        # as podman does, whose path is longer than a socket's may be
        fd = os.open(os.path.dirname(path), os.O_PATH)
        s.connect(f'/proc/self/fd/{fd}/{os.path.basename(path)}')
        for t in texts:
            s.send(t.encode())
        if not texts:
            s.shutdown(socket.SHUT_WR)
        print(s.recv(4096).decode())


if __name__ == '__main__':
    {'run': lambda *a: run(a), 'reload': reload}[sys.argv[1]](*sys.argv[2:])
