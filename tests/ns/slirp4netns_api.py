#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of slirp4netns' API socket, polite and not:
slirp4netns_api.py SOCKET SCENARIO. Each prints what it saw."""
import json
import socket
import sys
import threading

LIMIT = 60


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(LIMIT)
    s.connect(sys.argv[1])
    return s


def rest(s):
    out = b''
    while data := s.recv(65536):
        out += data
    s.close()
    return out.decode()


def raw(text, end=True):
    s = connect()
    s.sendall(text if isinstance(text, bytes) else text.encode())
    if end:
        s.shutdown(socket.SHUT_WR)
    return rest(s)


def call(verb, end=True, **args):
    return raw(json.dumps({'execute': verb, 'arguments': args}) + '\n', end)


def add(**args):
    base = {'proto': 'tcp', 'host_port': 8080, 'guest_port': 80}
    return call('add_hostfwd', **{k: v for k, v in {**base, **args}.items()
                                  if v is not None})


def desc(reply):
    return json.loads(reply)['error']['desc']


def errors():
    """One line each; those that end the original aren't among them."""
    for text in ('', 'x', '{', '{"execute":', 'x' * 4095):
        print(desc(raw(text)))
    print(desc(raw(b'\0' * 4096, end=False)))
    print(desc(raw('{"execute":"x"}' + ' ' * 4081, end=False)))
    for text in ('[]', '[1]', '{}', '{"execute":1}', '{"execute":"x"}',
                 '{"execute":"x"} and more', '{"execute":1,"execute":"x"}'):
        print(desc(raw(text)))
    for bad in ({'proto': 'sctp'}, {'host_addr': '::1'}, {'host_addr': 'x'},
                {'host_port': None}, {'host_port': 0}, {'guest_addr': 'x'},
                {'guest_port': None}, {'guest_port': 0}):
        print(desc(add(**bad)))
    # in the order in which they are looked at
    print(desc(add(proto='x', host_addr='x', host_port=0)))
    print(desc(add(host_addr='x', host_port=0, guest_port=0)))
    for bad in ({}, {'id': 77}, {'id': 'x'}, {'id': 0}):
        print(desc(call('remove_hostfwd', **bad)))


def ours():
    """What the original does worse."""
    print(desc(add(proto=None)), desc(raw('{"execute":"add_hostfwd"}')),
          desc(raw('{"execute":"add_hostfwd","arguments":[]}')),
          desc(add(host_port=88083)), desc(add(guest_port=65536)), sep='\n')


def forward():
    """As podman and rootlesskit do it."""
    print(raw('{\n "execute": "add_hostfwd",\n "arguments": {\n'
              '  "proto": "tcp", "host_addr": "", "host_port": 8080,\n'
              '  "guest_addr": "", "guest_port": 80\n }\n}\n'))
    print(add(host_addr='127.0.0.1', host_port=8081, guest_addr='10.0.2.100'))
    print(add(proto='udp', host_port=8080, guest_port=90))
    print(desc(add())[:62])
    reply = json.loads(call('list_hostfwd'))
    for e in reply['entries']:
        print(*(e[k] for k in ('id', 'proto', 'host_addr', 'host_port',
                               'guest_addr', 'guest_port')))
    print(call('remove_hostfwd', id=2))
    print(desc(call('remove_hostfwd', id=2)))
    print(add(host_addr='127.0.0.1', host_port=8081))


def pieces():
    """One byte at a time, without an end; a half-close is none needed."""
    s = connect()
    for ch in '{"execute": "list_hostfwd"}':
        s.sendall(ch.encode())
    print(sorted(json.loads(rest(s))))


def flood():
    """Without an end, and without reading."""
    s = connect()
    try:
        while True:
            s.sendall(b'\0' * 65536)
    except OSError as e:
        print(type(e).__name__ in ('BrokenPipeError', 'ConnectionResetError'))
    s.close()
    s = connect()
    s.sendall(b'\0' * 65536)
    print(desc(rest(s)))


def crowd():
    """Silent ones, and those who don't read, while others are served."""
    silent = [connect() for _ in range(20)]
    for s in silent[::2]:
        s.sendall(b'{"execute": "list_hostfwd"}')
    replies = []

    def many():
        for _ in range(25):
            replies.append(call('list_hostfwd', end=False))
    threads = [threading.Thread(target=many) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(len(replies), len(set(replies)))
    for s in silent:
        s.close()


def one_write():
    """Whoever reads once has it all; then comes the end."""
    s = connect()
    s.sendall(b'{"execute": "list_hostfwd"}\n')
    first = s.recv(2048)
    print('return' in json.loads(first) or 'entries' in json.loads(first),
          first[-1:], s.recv(1))


def only():
    guest_addr, host_port, guest_port = sys.argv[3:]
    print(add(guest_addr=guest_addr, host_port=int(host_port),
              guest_port=int(guest_port)))


if __name__ == '__main__':
    globals()[sys.argv[2]]()
