#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A service manager, as far as sockets and states go.

activate.py start PROTO,ADDR,PORT... -- CMD...: binds, and becomes CMD with
    those descriptors. PROTO: tcp or udp, with a 6 for IPv6 alone, a d for both
    families, or a 4.
activate.py listen NAME: prints what states are told at the socket NAME, in
    which an @ first means one without a file."""

import os
import socket
import sys


def bound(word):
    proto, addr, port = word.split(',')
    family = socket.AF_INET if proto[3] == '4' else socket.AF_INET6
    kind = socket.SOCK_STREAM if proto[:3] == 'tcp' else socket.SOCK_DGRAM
    s = socket.socket(family, kind)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, proto[3] == '6')
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, int(port)))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s


def start(words):
    at = words.index('--')
    socks = [bound(word) for word in words[:at]]
    for s in socks:  # out of the way first
        os.dup2(s.fileno(), s.fileno() + 100)
    for i, s in enumerate(socks):
        os.dup2(s.fileno() + 100, 3 + i)
    os.closerange(3 + len(socks), 1000)
    os.environ['LISTEN_PID'] = str(os.getpid())
    os.environ['LISTEN_FDS'] = str(len(socks))
    os.environ['LISTEN_FDNAMES'] = ':'.join('x' * len(socks))
    os.execvp(words[at + 1], words[at + 1:])


def listen(name):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind('\0' + name[1:] if name[0] == '@' else name)
    if name[0] != '@':
        os.chmod(name, 0o666)
    while True:
        print(s.recv(4096).decode().replace('\n', ' '), flush=True)


if sys.argv[1] == 'start':
    start(sys.argv[2:])
else:
    listen(sys.argv[2])
