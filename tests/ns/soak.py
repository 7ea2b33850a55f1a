#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The load of the soak test. `serve` is the server, `load` runs clients of
every kind until a time and prints what they did, a line of JSON. Each byte of
each stream is told by the stream's seed and its place, and is checked where it
arrives; what went wrong is a line that begins with BAD, at either end.

A flow through libslirp ends when netstack is killed, and a datagram may be
lost then. Clients of such flows are told where kills are written down: what
fails around one counts as lost, what fails at another time is wrong."""

import errno
import hashlib
import http.client
import json
import os
import random
import socket
import struct
import sys
import threading
import time

import net
from net import line_of, reset

CHUNK = 1 << 16
HANG = 60  # a wait that long is a failure
ANSWER = 8  # seconds; longer than it takes to start netstack again
PERIOD = 1000003  # a prime: no power of two hides a lost or doubled piece
BLOCK = hashlib.shake_128(b'soak').digest(PERIOD)
TWICE = BLOCK + BLOCK[:CHUNK]
TCP_REPAIR = 19


class Bad(Exception):
    """bytes, an address or an end that isn't what it must be"""


def piece(seed, offset, n):
    at = (seed + offset) % PERIOD
    return TWICE[at:at + n]


def put(sock, seed, n, size=CHUNK, pause=0):
    for offset in range(0, n, size):
        sock.sendall(piece(seed, offset, min(size, n - offset)))
        if pause:
            time.sleep(pause)


def take(sock, seed, n, size=CHUNK, pause=0):
    """n bytes, each of them right"""
    got = 0
    while got < n:
        data = sock.recv(min(size, n - got))
        if not data:
            raise Bad(f'the end after {got} of {n} bytes')
        if data != piece(seed, got, len(data)):
            raise Bad(f'other bytes within {got}+{len(data)} of {n}')
        got += len(data)
        if pause:
            time.sleep(pause)


def take_end(sock):
    data = sock.recv(CHUNK)
    if data:
        raise Bad(f'{len(data)} bytes where the end should be')


def take_reset(sock):
    try:
        data = sock.recv(CHUNK)
    except ConnectionResetError:
        return
    raise Bad(f'{len(data)} bytes, then an end, where a reset should be')


def both_ways(sock, mine, mine_n, theirs, theirs_n):
    """sends and half-closes, takes to the end, at the same time"""
    failed = []

    def sender():
        try:
            put(sock, mine, mine_n)
            sock.shutdown(socket.SHUT_WR)
        except OSError as e:
            failed.append(e)

    t = threading.Thread(target=sender)
    t.start()
    try:
        take(sock, theirs, theirs_n)
        take_end(sock)
    finally:
        t.join()
    if failed:
        raise failed[0]


# The server: "VERB KEY NUMBER..." is the first line. What only the server can
# see is kept under the key, for another connection to ask.

class Results:
    def __init__(self):
        self.known, self.changed = {}, threading.Condition()

    def keep(self, key, text):
        with self.changed:
            self.known[key] = text
            while len(self.known) > 1000:  # nobody asks for each of them
                del self.known[next(iter(self.known))]
            self.changed.notify_all()

    def get(self, key):
        with self.changed:
            self.changed.wait_for(lambda: key in self.known, HANG)
            return self.known.pop(key, 'nothing')


def s_both(s, n, mine, m, theirs):
    both_ways(s, theirs, m, mine, n)


def s_half(s, n, mine, m, theirs):
    take(s, mine, n)
    take_end(s)
    put(s, theirs, m)


def s_late(s, n, mine, m, theirs):
    put(s, theirs, m)
    s.shutdown(socket.SHUT_WR)
    take(s, mine, n)
    take_end(s)


def s_reset(s, n, theirs):
    put(s, theirs, n)
    s.recv(1)  # all has arrived: a reset may overtake what hasn't
    reset(s)


def s_be_reset(s, n, mine):
    take(s, mine, n)
    s.sendall(b'!')
    take_reset(s)


def s_slow(s, n, mine, size, pause_ms):
    take(s, mine, n, size, pause_ms / 1000)
    take_end(s)
    s.sendall(b'!')


def s_send(s, n, theirs):
    put(s, theirs, n)


def s_endless(s, theirs):
    try:
        put(s, theirs, 1 << 40)
    except ConnectionResetError:
        pass


def s_echo(s, size, mine, theirs):
    at = 0
    while True:
        first = s.recv(1)
        if not first:
            return
        if first != piece(mine, at, 1):
            raise Bad(f'another byte at {at}')
        take(s, mine + at + 1, size - 1)
        s.sendall(piece(theirs, at, size))
        at += size


STREAMS = {f.__name__[2:].replace('_', '-'): f for f in (
    s_both, s_half, s_late, s_reset, s_be_reset, s_slow, s_send, s_endless,
    s_echo)}


def serve_one(sock, peer, results):
    verb, key = 'nothing', ''
    try:
        sock.settimeout(HANG * 2)
        sock.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
        words = line_of(sock).split()
        if len(words) < 2:
            return  # a client that was cut off, or only looked
        verb, key, args = words[0], words[1], words[2:]
        if verb == 'who':
            sock.sendall(peer.encode() + b'\n')
            if args:  # the client is to close first
                take_end(sock)
        elif verb == 'result':
            sock.sendall(results.get(key).encode() + b'\n')
        else:
            STREAMS[verb](sock, *map(int, args))
            results.keep(key, 'OK')
    except (OSError, Bad) as e:
        # a fragile flow may be cut off; its client knows whether it might
        if not key.startswith('~') or 'other bytes' in str(e):
            net.say('BAD', verb, key, peer, repr(e))
        results.keep(key, repr(e))
    finally:
        sock.close()


def serve(port):
    """serve PORT: TCP and UDP, both families"""
    results = Results()
    for family in '46':
        threading.Thread(target=serve_udp, args=(family, int(port)),
                         daemon=True).start()
    s = net.listener('both', '', int(port))
    while True:
        c, peer = s.accept()
        addr = peer[0].removeprefix('::ffff:')
        threading.Thread(target=serve_one, args=(c, addr, results),
                         daemon=True).start()


def serve_udp(family, port):
    """a datagram is: seed, bytes; the answer: seed + 1, as many bytes"""
    s = socket.socket(socket.AF_INET if family == '4' else socket.AF_INET6,
                      socket.SOCK_DGRAM)
    if family == '6':
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(('', port))
    while True:
        data, peer = s.recvfrom(65535)
        seed, n = struct.unpack('!I', data[:4])[0], len(data) - 4
        if data[4:] != piece(seed, 0, n):
            net.say('BAD datagram', peer[0], n)
        s.sendto(struct.pack('!I', seed + 1) + piece(seed + 1, 0, n), peer)


# The clients

class Target:
    """Where clients of a place go. fragile: through libslirp, in netstack's
    hands; source: the address to bind to; seen: what the server must see."""

    def __init__(self, name, host, port, fragile=False, source=None,
                 seen=None):
        self.name, self.host, self.port = name, host, port
        self.fragile, self.source, self.seen = fragile, source, seen
        self.af = socket.AF_INET6 if ':' in host else socket.AF_INET


class Client:
    """One worker: does one kind of thing again and again."""
    names = iter(range(1 << 30))

    def __init__(self, load, kind, target):
        self.load, self.kind, self.target = load, kind, target
        self.name = f'{kind}-{target.name}'
        self.rng = random.Random(f'{load.seed}/{self.name}')
        self.ops = self.bytes = self.lost = self.bad = 0
        self.last = 0

    def seed(self):
        return self.rng.randrange(1 << 20)

    def size(self, most):
        return self.rng.randrange(1, most)

    def socket(self):
        s = socket.socket(self.target.af, socket.SOCK_STREAM)
        s.settimeout(HANG)
        if self.target.source:
            s.bind((self.target.source, 0))
        s.connect((self.target.host, self.target.port))
        s.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
        return s

    def dial(self, verb, *args):
        self.key = '%s%x-%d' % ('~' if self.target.fragile else '',
                                self.load.run, next(self.names))
        s = self.socket()
        s.sendall(' '.join([verb, self.key, *map(str, args)]).encode() +
                  b'\n')
        return s

    def result(self):
        """what the server saw of the stream dialled last"""
        key = self.key
        with self.socket() as s:
            s.sendall(f'result {key}\n'.encode())
            text = line_of(s)
        if text != 'OK':
            raise Bad(f'the server of {key}: {text}')

    def again(self, wait):
        """tells whether to go on, after a while"""
        return not self.load.over.wait(self.rng.uniform(wait / 2, wait))

    def run(self):
        fn, wait = KINDS[self.kind]
        while not self.load.over.is_set():
            began = time.time()
            try:
                self.bytes += fn(self)
                self.ops += 1
            except (OSError, Bad, http.client.HTTPException) as e:
                if self.load.killed_since(began) and self.excused(e):
                    self.lost += 1
                else:
                    self.bad += 1
                    net.say('BAD', self.name, getattr(self, 'key', ''),
                            f'{time.time() - began:.1f} s', repr(e))
            if not self.again(wait):
                break

    def excused(self, e):
        return self.target.fragile and 'other bytes' not in str(e)


def k_bulk(c):
    n, m, mine, theirs = c.size(16 << 20), c.size(16 << 20), c.seed(), c.seed()
    if c.target.fragile:
        n, m = n // 8, m // 8
    with c.dial('both', n, mine, m, theirs) as s:
        both_ways(s, mine, n, theirs, m)
    c.result()
    return n + m


def k_short(c):
    """either end closes first, with the client's own address or the one
    that stands for it"""
    with c.dial('who', *(['wait'] if c.rng.random() < 0.5 else [])) as s:
        seen = line_of(s)
        if seen != c.target.seen:
            raise Bad(f'seen as {seen}, not as {c.target.seen}')
        if c.rng.random() < 0.5:
            s.shutdown(socket.SHUT_WR)
            take_end(s)
    return len(seen)


def k_half(c):
    n, m, mine, theirs = c.size(300000), c.size(300000), c.seed(), c.seed()
    with c.dial('half', n, mine, m, theirs) as s:
        put(s, mine, n)
        s.shutdown(socket.SHUT_WR)
        take(s, theirs, m)
        take_end(s)
    with c.dial('late', n, mine, m, theirs) as s:
        take(s, theirs, m)
        take_end(s)
        put(s, mine, n)
        s.shutdown(socket.SHUT_WR)
        c.result()
    return 2 * (n + m)


def k_reset(c):
    n, seed = c.size(200000), c.seed()
    with c.dial('reset', n, seed) as s:
        take(s, seed, n)
        s.sendall(b'!')
        take_reset(s)
    s = c.dial('be-reset', n, seed)
    with s:
        put(s, seed, n)
        if s.recv(1) != b'!':
            raise Bad('an end where a byte should be')
        reset(s)
    c.result()
    return 2 * n


def k_slow(c):
    """a few seconds in which more waits than all buffers hold"""
    n, seed = 8 << 20, c.seed()
    with c.dial('slow', n, seed, 65536, 50) as s:
        put(s, seed, n)
        s.shutdown(socket.SHUT_WR)
        if s.recv(1) != b'!':
            raise Bad('an end where a byte should be')
    with c.dial('send', n, seed) as s:
        take(s, seed, n, CHUNK, 0.05)
        take_end(s)
    return 2 * n


def k_vanish(c):
    """the server must learn of a client that leaves what comes unread, and of
    one that is gone without a word"""
    n, seed = c.size(2000000), c.seed()
    for silent in False, True:
        with c.dial('endless', seed) as s:
            take(s, seed, n)
            if silent:
                s.setsockopt(socket.SOL_TCP, TCP_REPAIR, 1)
        c.result()
    return 2 * n


def k_steady(c):
    """one flow for as long as the test lasts"""
    mine, theirs, size, at = c.seed(), c.seed(), 1000, 0
    with c.dial('echo', size, mine, theirs) as s:
        while True:
            s.sendall(piece(mine, at, size))
            take(s, theirs + at, size)
            at += size
            if not c.again(0.2):
                break
        s.shutdown(socket.SHUT_WR)
        take_end(s)
    c.result()
    return 2 * at


def k_refused(c):
    s = socket.socket(c.target.af, socket.SOCK_STREAM)
    with s:
        s.settimeout(HANG)
        error = s.connect_ex((c.target.host, 9))
    if error != errno.ECONNREFUSED:
        raise Bad('connect: ' + errno.errorcode.get(error, str(error)))
    return 0


def k_http(c):
    """one connection, many parts of one file, which is BLOCK"""
    conn = http.client.HTTPConnection(c.target.host, c.target.port + 1,
                                      timeout=HANG)
    total, sock = 0, None
    try:
        for _ in range(50):
            at = c.rng.randrange(PERIOD - 1)
            end = min(PERIOD, at + c.size(100000)) - 1
            conn.request('GET', '/block',
                         headers={'Range': f'bytes={at}-{end}'})
            sock = sock or conn.sock
            r = conn.getresponse()
            data = r.read()
            if r.status != 206 or data != BLOCK[at:end + 1]:
                raise Bad(f'{r.status}, {len(data)} bytes, not these')
            if conn.sock is not sock:
                raise Bad('not kept alive')
            total += len(data)
            if not c.again(0.1):
                break
    finally:
        conn.close()
    return total


def ask(c, s, data, good):
    """one datagram and the answer to it, asked again as long as there was a
    reason for it to be lost"""
    while True:
        s.settimeout(ANSWER)
        sent = time.time()
        s.send(data)
        try:
            while not (n := good(s.recv(65535))):
                pass
            return n
        except socket.timeout:
            if not c.load.killed_since(sent):
                raise Bad(f'no answer in {ANSWER} s')
            c.lost += 1


def k_udp(c):
    total = 0
    with socket.socket(c.target.af, socket.SOCK_DGRAM) as s:
        s.connect((c.target.host, c.target.port))
        for _ in range(30):
            n, seed = c.size(1400), c.seed()

            def good(data):
                if data[:4] != struct.pack('!I', seed + 1):
                    return 0  # late: the answer to another
                if data[4:] != piece(seed + 1, 0, n):
                    raise Bad(f'another answer of {len(data)} bytes')
                return n

            total += ask(c, s, struct.pack('!I', seed) + piece(seed, 0, n),
                         good)
            if not c.again(0.1):
                break
    return total


def question(c):
    """a name that stands for an address"""
    addr = bytes([10] + [c.rng.randrange(256) for _ in range(3)])
    labels = ['ip-' + '-'.join(map(str, addr)), 'syn', 'test', '']
    ident = struct.pack('!H', c.rng.randrange(65536))
    body = b''.join(bytes([len(x)]) + x.encode() for x in labels)
    query = ident + bytes.fromhex('01000001000000000000') + body + \
        bytes.fromhex('00010001')

    def good(data):
        if data[:2] != ident:
            return 0
        if data[3] & 15 or data[12:12 + len(body)] != body or \
                data[-4:] != addr:
            raise Bad('answer ' + data.hex())
        return len(data)

    return query, good


def k_dns(c):
    total = 0
    for _ in range(10):
        with socket.socket(c.target.af, socket.SOCK_DGRAM) as s:
            s.connect((c.target.host, 53))
            total += ask(c, s, *question(c))
    return total


def k_dns_tcp(c):
    """the listener survives netstack, its connections don't"""
    query, good = question(c)
    with socket.socket(c.target.af, socket.SOCK_STREAM) as s:
        s.settimeout(HANG)
        s.connect((c.target.host, 53))
        s.sendall(struct.pack('!H', len(query)) + query)
        size, data = None, b''
        while size is None or len(data) < size:
            more = s.recv(CHUNK)
            if not more:
                raise Bad('the end before the answer')
            data += more
            if size is None and len(data) >= 2:
                size, data = struct.unpack('!H', data[:2])[0], data[2:]
    if not good(data):
        raise Bad('the answer to something else')
    return len(data)


def checksum(data):
    t = sum(struct.unpack(f'!{len(data) // 2}H', data))
    t = (t & 0xffff) + (t >> 16)
    return ~(t + (t >> 16)) & 0xffff


def k_ping(c):
    v6 = c.target.af == socket.AF_INET6
    proto = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with socket.socket(c.target.af, socket.SOCK_RAW, proto) as s:
        s.connect((c.target.host, 0))
        body = struct.pack('!HH', c.rng.randrange(1, 65536),
                           c.rng.randrange(65536)) + \
            piece(c.seed(), 0, 2 * c.size(300))
        head = struct.pack('!BBH', 128, 0, 0) if v6 else \
            struct.pack('!BBH', 8, 0, checksum(b'\x08\0\0\0' + body))

        def good(data):
            data = data if v6 else data[20:]
            if data[0] != (129 if v6 else 0) or data[4:6] != body[:2]:
                return 0
            if data[4:] != body:
                raise Bad('another echo')
            return len(body)

        return ask(c, s, head + body, good)


# and how long to wait between two
KINDS = {
    'bulk': (k_bulk, 6), 'short': (k_short, 0.2), 'half': (k_half, 1),
    'reset': (k_reset, 1), 'slow': (k_slow, 2), 'vanish': (k_vanish, 3),
    'steady': (k_steady, 0), 'refused': (k_refused, 0.5),
    'http': (k_http, 2), 'udp': (k_udp, 0.5), 'dns': (k_dns, 1),
    'dns-tcp': (k_dns_tcp, 0.5), 'ping': (k_ping, 0.5)}
TCP = 'bulk short half reset slow vanish steady http'.split()


def env(name):
    return os.environ[name]


def workers(place):
    """(kind, target) of what runs there"""
    if place == 'pod':
        for v in '46':
            far = Target('out' + v, env('FAR' + v), 9000, seen=env('HOST' + v))
            yield from ((k, far) for k in TCP + ['refused'])
            # of a second address of the pod's: not spliced
            slow = Target('slirp' + v, env('FAR' + v), 9000, True,
                          env('SECOND' + v), env('HOST' + v))
            yield from ((k, slow) for k in
                        ('bulk', 'short', 'half', 'reset'))
            yield 'udp', Target('udp' + v, env('PEER' + v), 9000, True)
            dns = Target('dns' + v, env('DNS' + v), 53, True)
            yield from ((k, dns) for k in ('dns', 'dns-tcp'))
            yield 'ping', Target('gw' + v, env('GW' + v), 0, True)
        yield 'ping', Target('far4', env('FAR4'), 0, True)
    elif place == 'peer':
        for v in '46':
            yield from ((k, Target('in' + v, env('HOST' + v), 8080,
                                   seen=env('PEER' + v))) for k in TCP)
    else:  # the host's own loopback, which the pod sees as its gateway
        for v, addr in ('4', '127.0.0.1'), ('6', '::1'):
            yield from ((k, Target('lo' + v, addr, 8080,
                                   seen=env('GW' + v)))
                        for k in ('short', 'half', 'bulk', 'http'))


class Load:
    def __init__(self, seed, kills):
        self.seed, self.kills = seed, kills
        self.run = random.getrandbits(40)
        self.over = threading.Event()

    def killed_since(self, when):
        """netstack was, or was started again, since then"""
        return os.stat(self.kills).st_mtime > when - ANSWER


def load(place, seconds, seed, kills):
    """load pod|peer|host SECONDS SEED FILE: FILE is written to at each kill"""
    ld = Load(f'{seed}/{place}', kills)
    clients = [Client(ld, k, t) for k, t in workers(place)]
    threads = [threading.Thread(target=c.run) for c in clients]
    for t in threads:
        t.start()
    ld.over.wait(float(seconds))
    ld.over.set()
    for t in threads:
        t.join()
    net.say(json.dumps([[c.kind, c.target.name, c.ops, c.bytes, c.lost, c.bad]
                        for c in clients]))


if __name__ == '__main__':
    verbs = {'serve': serve, 'load': load}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        for f in verbs.values():
            print(f.__doc__)
        sys.exit(2)
    verbs[sys.argv[1]](*sys.argv[2:])
