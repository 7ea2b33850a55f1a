# SPDX-License-Identifier: GPL-2.0-or-later
"""Checked traffic of every sort, from sockets in other network namespaces."""

import ctypes
import errno
import hashlib
import os
import random
import socket
import struct
import threading

LIMIT = 8  # seconds after which any flow has hung: it guards, no more
libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace in which sockets can be made."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def socket(self, family, kind=socket.SOCK_STREAM):
        own = os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.enter(self.fd)
            s = socket.socket(family, kind)
            s.settimeout(LIMIT)
            return s
        finally:
            self.enter(own)
            os.close(own)

    @staticmethod
    def enter(fd):
        if libc.setns(fd, 0x40000000):
            raise OSError(ctypes.get_errno(), 'setns')

    def dial(self, addr, port, verb=''):
        family = socket.AF_INET6 if ':' in addr else socket.AF_INET
        s = self.socket(family)
        try:
            s.connect((addr, port))
            if verb:
                s.sendall(verb.encode() + b'\n')
        except BaseException:
            s.close()
            raise
        return s

    def close(self):
        os.close(self.fd)


def read_all(s):
    out = b''
    while data := s.recv(65536):
        out += data
    return out


def expect(got, want):
    if got != want:
        raise ValueError(f'{len(got)} bytes, not those expected' if
                         len(got) > 80 else f'{got!r} instead of {want!r}')


def content(n, seed):
    """As net.py's server sends it."""
    block = hashlib.shake_128(seed.encode()).digest(1000003)
    return (block * (n // len(block) + 1))[:n]


PIECE = content(70000, '1')


def get(ns, addr, port, n=60000):
    with ns.dial(addr, port, f'send {n} 1') as s:
        expect(read_all(s), PIECE[:n])


def put(ns, addr, port, n=60000):
    with ns.dial(addr, port, 'sum') as s:
        s.sendall(PIECE[:n])
        s.shutdown(socket.SHUT_WR)
        digest = hashlib.sha256(PIECE[:n]).hexdigest()
        expect(read_all(s).decode(), f'{n} {digest}\n')


def who(ns, addr, port, seen):
    with ns.dial(addr, port, 'who') as s:
        expect(read_all(s).decode().split()[0], seen)


def urgent(ns, addr, port):
    with ns.dial(addr, port, 'oob') as s:
        s.sendall(b'abc')
        s.send(b'!', socket.MSG_OOB)
        s.shutdown(socket.SHUT_WR)
        expect(read_all(s), b'abc ! \n')


def reset(ns, addr, port):
    with ns.dial(addr, port, 'reset') as s:
        try:
            got = s.recv(1)
        except ConnectionResetError:
            return
        raise ValueError(f'{got!r} instead of a reset')


def refused(ns, addr, port):
    try:
        ns.dial(addr, port).close()
    except ConnectionRefusedError:
        return
    raise ValueError('was not refused')


def datagram(ns, addr, port, ask, check, sport=0, tries=4):
    """One question, asked again as a resolver would."""
    family = socket.AF_INET6 if ':' in addr else socket.AF_INET
    with ns.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(LIMIT / tries)
        s.bind(('', sport))
        s.connect((addr, port))
        for left in reversed(range(tries)):
            try:
                s.send(ask)
                check(s.recv(65535))
                return
            except (socket.timeout, ConnectionRefusedError):
                if not left:
                    raise


def udp(ns, addr, port, tries=4):
    data = random.randbytes(300)
    want = f' 300 {hashlib.sha256(data).hexdigest()}'

    def check(got):
        expect(got.decode()[-len(want):], want)

    # one port, or libslirp would keep a socket for each time
    datagram(ns, addr, port, data, check, 40000, tries)


# A question for x.test, and the answer to it

def dns_question(id):
    return struct.pack('!6H', id, 0x100, 1, 0, 0, 0) + \
        b'\1x\4test\0' + struct.pack('!2H', 1, 1)


def dns_check(id):
    def check(got):
        expect((got[:2], got[-4:]), (struct.pack('!H', id), b'\xc0\0\2\7'))
    return check


def dns_udp(ns, addr):
    id = random.randrange(65536)
    datagram(ns, addr, 53, dns_question(id), dns_check(id))


def dns_tcp(ns, addr):
    id = random.randrange(65536)
    ask = dns_question(id)
    with ns.dial(addr, 53) as s:
        s.sendall(struct.pack('!H', len(ask)) + ask)
        s.shutdown(socket.SHUT_WR)
        dns_check(id)(read_all(s)[2:])


def dns_answer(ask):
    return ask[:2] + struct.pack('!5H', 0x8180, 1, 1, 0, 0) + \
        dns_question(0)[12:] + b'\xc0\x0c' + \
        struct.pack('!2HIH', 1, 1, 60, 4) + b'\xc0\0\2\7'


def dns_serve(ns, addr):
    """A resolver that knows one answer; in threads, as long as we live."""
    def datagrams(s):
        while True:
            ask, peer = s.recvfrom(4096)
            s.sendto(dns_answer(ask), peer)

    def streams(s):
        while True:
            c, _ = s.accept()
            with c:
                c.settimeout(LIMIT)
                try:
                    while len(ask := c.recv(4096)) > 2:
                        answer = dns_answer(ask[2:])
                        c.sendall(struct.pack('!H', len(answer)) + answer)
                except OSError:
                    pass

    for kind, fn in ((socket.SOCK_DGRAM, datagrams),
                     (socket.SOCK_STREAM, streams)):
        s = ns.socket(socket.AF_INET, kind)
        s.settimeout(None)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((addr, 53))
        if kind == socket.SOCK_STREAM:
            s.listen(100)
        threading.Thread(target=fn, args=(s,), daemon=True).start()


class Long:
    """A connection that stays, and echoes."""

    def __init__(self, name, ns, addr, port):
        self.name, self.where = name, (ns, addr, port)
        self.sock = None
        self.open()

    def open(self):
        self.close()
        ns, addr, port = self.where
        self.sock = ns.dial(addr, port, 'echo')

    def turn(self):
        for n in (1, 900, 70000):
            self.sock.sendall(PIECE[:n])
            got = b''
            while len(got) < n:
                data = self.sock.recv(n - len(got))
                if not data:
                    raise EOFError('looks complete, but is not')
                got += data
            expect(got, PIECE[:n])

    def close(self):
        if self.sock:
            self.sock.close()


def failure(fn, *args):
    """None, or in words why the flow failed."""
    try:
        fn(*args)
        return None
    except (OSError, ValueError, EOFError) as e:
        return errno.errorcode.get(getattr(e, 'errno', None), '') or \
            f'{type(e).__name__} {e}'
