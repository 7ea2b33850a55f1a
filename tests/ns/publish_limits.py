#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rude clients, and servers that deserve them, for publish_limits.sh. Usage:
publish_limits.py VERB HOST|4 PORT [N]. What holds something says "open N" and
holds it until it is killed."""

import selectors
import socket
import struct
import sys
import time

BATCH = 250


def say(*words):
    print(*words, flush=True)


def listener(port, backlog):
    s = socket.create_server(('', port), backlog=backlog)
    say('ready')
    return s


def never(_, port):
    """A server that never accepts."""
    keep = listener(port, 1)
    time.sleep(10000)
    keep.close()


def keep(_, port):
    """A server that waits for ever for a whole request."""
    sel = selectors.DefaultSelector()
    sel.register(listener(port, 4096), selectors.EVENT_READ, 'listener')
    while True:
        for key, _ in sel.select():
            if key.data:
                sel.register(key.fileobj.accept()[0], selectors.EVENT_READ)
            elif not key.fileobj.recv(4096):
                sel.unregister(key.fileobj)
                key.fileobj.close()


def drop(host, port, n):
    """N connections, dropped without a byte: by FIN and by reset in turns."""
    for start in range(0, n, BATCH):
        socks = [socket.create_connection((host, port), timeout=60)
                 for _ in range(min(BATCH, n - start))]
        for i, s in enumerate(socks):
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
            s.close()
    say('OK')


def loris(host, port, n):
    """N requests, each begun and never ended."""
    socks = []
    for _ in range(n):
        s = socket.create_connection((host, port), timeout=60)
        s.sendall(b'GET / HTTP/1.1\r\nHost: ')
        socks.append(s)
    say('open', len(socks))
    time.sleep(10000)


def pending(host, port, n):
    """N connections, whether they are answered or not."""
    socks = []
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((host, port))
        socks.append(s)
    say('open', len(socks))
    time.sleep(10000)


def checksum(data):
    t = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while t >> 16:
        t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff


def syns(host, port, n):
    """N SYNs from 198.18.0.0/24, where nobody answers."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    dst = socket.inet_aton(host)
    for i in range(n):
        src = socket.inet_aton(f'198.18.0.{1 + i % 250}')
        head = struct.pack('!HHIIBB', 1024 + i // 250, port, i, 0, 5 << 4, 2)
        tail = struct.pack('!H', 64000)
        pseudo = src + dst + struct.pack('!HH', 6, 20)
        sum_ = checksum(pseudo + head + tail + b'\0\0\0\0')
        seg = head + tail + struct.pack('!HH', sum_, 0)
        ip = struct.pack('!BBHHHBBH', 0x45, 0, 40, 0, 0, 64, 6, 0) + src + dst
        try:
            raw.sendto(ip + seg, (host, 0))
        except OSError:  # its queue is full: they are many enough
            pass
    say('OK')


if __name__ == '__main__':
    {f.__name__: f for f in (never, keep, drop, loris, pending, syns)}[
        sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
