# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients and servers for published UDP ports: udp.py VERB ARGS. What they saw
is printed, a line each. Nothing is lost on the way here, but for what a full
buffer may drop: so there is always a bounded number of datagrams under way."""
import errno
import hashlib
import os
import random
import socket
import struct
import sys
import time

HANG = 20
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_RECVERR = 11
MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10),
                socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}
PMTUDISC_DONT, PMTUDISC_DO, PMTUDISC_PROBE = 0, 2, 3


def say(*words):
    print(*words, flush=True)


def family_of(host):
    return socket.AF_INET6 if ':' in host else socket.AF_INET


def client(host, port, connect=True):
    s = socket.socket(family_of(host), socket.SOCK_DGRAM)
    s.settimeout(HANG)
    if connect:
        s.connect((host, int(port)))
    return s


def name(e):
    return errno.errorcode.get(e.errno, str(e))


def data_of(i, n):
    return hashlib.shake_128(b'%d %d' % (i, n)).digest(n)


# In the pod

def serve(port, bind='::', log=''):
    """echoes; "who": ADDR PORT of the client; "out HOST PORT": what that one
    answers to a question from this very socket; "burst SIZE N": N datagrams of
    SIZE and a short one in one go; "df SIZE": so large, not to be fragmented,
    until that is an error, and which; "frag SIZE": so large, may be"""
    s = socket.socket(family_of(bind), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((bind, int(port)))
    waits = {}
    while True:
        data, peer = s.recvfrom(65536)
        words = data[:100].split(b' ')
        if log:
            say(peer[0], peer[1], len(data))
        if words[0] == b'who':
            s.sendto(f'{peer[0].removeprefix("::ffff:")} {peer[1]}'.encode(),
                     peer)
        elif words[0] == b'out':
            host = words[1].decode()
            if s.family == socket.AF_INET6 and ':' not in host:
                host = '::ffff:' + host
            to = (host, int(words[2]))
            waits[to] = peer
            s.sendto(b'question', to)
        elif peer[:2] in waits:
            s.sendto(b'%s said %s' % (peer[0].removeprefix('::ffff:').encode(),
                                      data), waits.pop(peer[:2]))
        elif words[0] == b'burst':
            size, n = int(words[1]), int(words[2])
            s.sendmsg([data_of(i, size) for i in range(n)] + [b'short'],
                      [(SOL_UDP, UDP_SEGMENT, struct.pack('H', size))], 0, peer)
        elif words[0] == b'df':
            s.sendto(do_not_fragment(peer, s, int(words[1])), peer)
        elif words[0] == b'frag':
            discover(s, peer, PMTUDISC_DONT)
            s.sendto(bytes(int(words[1])), peer)
        else:
            s.sendto(data, peer)


def discover(s, peer, how):
    v4 = peer[0].startswith('::ffff:')
    level, opt = MTU_DISCOVER[socket.AF_INET if v4 else socket.AF_INET6]
    s.setsockopt(level, opt, how)


def do_not_fragment(peer, s, size):
    discover(s, peer, PMTUDISC_DO)
    for _ in range(100):
        try:
            s.sendto(bytes(size), peer)
        except OSError as e:
            return name(e).encode()
        time.sleep(.02)  # the error is on its way
    return b'no error'


def answer_gone(port):
    """answers the first client until that is refused"""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(('::', int(port)))
    _, peer = s.recvfrom(100)
    s.connect(peer)
    try:
        for _ in range(100):
            s.send(b'answer')
            time.sleep(.02)  # the client may not be gone yet
        say('no error')
    except OSError as e:
        say(name(e))


def answer_all_gone(port, n, go):
    """N clients say hello; when GO is there, all are answered: how many of them
    are refused"""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    s.bind(('', int(port)))
    peers = {s.recvfrom(100)[1] for _ in range(int(n))}
    for peer in peers:
        s.sendto(b'hello', peer)
    while not os.path.exists(go):
        time.sleep(.02)
    for peer in peers:
        s.sendto(b'answer', peer)
    say('answered')
    refused, end = set(), time.monotonic() + HANG
    while refused != peers and time.monotonic() < end:
        try:
            refused.add(s.recvmsg(1, 512, socket.MSG_ERRQUEUE)[3])
        except BlockingIOError:
            time.sleep(.02)
    say('refused', len(refused))


# Outside

def who(host, port, n='1'):
    """as whom the pod sees us; our own port"""
    for _ in range(int(n)):
        with client(host, port) as s:
            s.send(b'who')
            addr, as_port = s.recv(100).decode().split()
            same = int(as_port) == s.getsockname()[1]
            say(addr, 'own port' if same else 'other port')


def sizes(host, port, *sizes):
    """each of the sizes there and back"""
    with client(host, port) as s:
        for n in map(int, sizes):
            data = data_of(0, n)
            s.send(data)
            got = s.recv(65536)
            say(n, 'OK' if got == data else f'DIFFERS {len(got)}')


def mix(host, port, n, gso=''):
    """N datagrams of all sizes, 16 under way, some of them of one sendmsg()"""
    rnd = random.Random(1)
    common = [0, 1, 100, 1200, 1200, 1200, 1400, 1472, 1473, 3000]
    with client(host, port) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sent = bad = 0
        while sent < int(n):
            batch = []
            if gso and rnd.random() < .5:
                size = rnd.choice([1, 7, 500, 1200])
                batch = [data_of(sent + i, size) for i in range(15)]
                batch.append(data_of(sent, rnd.randrange(1, size + 1)))
                s.sendmsg(batch, [(SOL_UDP, UDP_SEGMENT,
                                   struct.pack('H', size))])
            else:
                for i in range(16):
                    batch.append(data_of(sent + i, rnd.choice(common)))
                    s.send(batch[-1])
            sent += len(batch)
            # an echo may overtake none: one socket, one queue at each step
            bad += [s.recv(65536) for _ in batch] != batch
        say(sent, 'OK' if not bad else f'{bad} batches DIFFER')


def burst(host, port, size, n):
    """what the pod sends in one go arrives as it was sent"""
    with client(host, port) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.send(b'burst %d %d' % (int(size), int(n)))
        good = sum(s.recv(65536) == data_of(i, int(size))
                   for i in range(int(n)))
        say(good, s.recv(100).decode())


def queue(host, port, size, n):
    """N datagrams in one go, "sent" is said, and all of them come back"""
    with client(host, port) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        for i in range(int(n)):
            s.send(data_of(i, int(size)))
        say('sent')
        say(sum(s.recv(65536) == data_of(i, int(size))
                for i in range(int(n))))


def gro(host, port, size, n):
    """the same, received together: the kernel is to see segments"""
    with client(host, port) as s:
        s.setsockopt(SOL_UDP, UDP_GRO, 1)
        s.send(b'burst %d %d' % (int(size), int(n)))
        got, want = b'', b''.join(data_of(i, int(size)) for i in range(int(n)))
        calls = 0
        while len(got) < len(want) + 5:
            got += s.recv(65536)
            calls += 1
        say('OK' if got == want + b'short' else 'DIFFERS',
            'together' if calls < int(n) else 'one by one')


def asked(port, *hosts):
    """one socket asks several addresses: who answers, as whom it is seen"""
    s = socket.socket(family_of(hosts[0]), socket.SOCK_DGRAM)
    s.settimeout(HANG)
    s.bind(('::' if ':' in hosts[0] else '', 0))
    ports = set()
    for host in hosts:
        s.sendto(b'who', (host, int(port)))
        data, peer = s.recvfrom(100)
        ports.add(data.split()[1])
        say(peer[0] == host, peer[1] == int(port), data.decode().split()[0])
    say(len(ports), 'ports')


def ask(host, port, *words):
    with client(host, port) as s:
        s.send(' '.join(words).encode())
        try:
            say(s.recv(65536).decode())
        except OSError as e:
            say(name(e))


def reply_to(me, host, port, *words):
    """asked from the address ME: the answer, or its length"""
    with socket.socket(family_of(me), socket.SOCK_DGRAM) as s:
        s.bind((me, 0))
        s.settimeout(HANG)
        s.sendto(' '.join(words).encode(), (host, int(port)))
        got = s.recv(65536)
        say(len(got) if got.count(0) else got.decode())


def tell(host, port, *words):
    """and goes away"""
    with client(host, port) as s:
        s.send(' '.join(words).encode())


def many(host, port, n):
    """N clients, one after the other, who all stay; the last ones again"""
    clients = [client(host, port) for _ in range(int(n))]
    for s in clients:
        s.send(b'who')
        s.recv(100)
    good = 0
    for s in clients[-20:]:
        s.send(b'again')
        good += s.recv(100) == b'again'
    say(good)


def leave(host, port, n):
    """N clients that say hello, are answered, and go"""
    socks = [client(host, port) for _ in range(int(n))]
    for s in socks:
        s.send(b'hello')
    say(sum(s.recv(100) == b'hello' for s in socks))


def steady(host, port, stop, total='0'):
    """asks until STOP is there and something is answered after it; says how
    many of its ports the pod saw, each time that it changes"""
    with client(host, port) as s:
        s.settimeout(.2)
        seen, after, i = [], 0, 0
        while after < 20:
            i += 1
            try:
                s.send(b'who %d' % i)
                got = s.recv(100)
            except OSError:
                continue
            if not seen or seen[-1] != got:
                seen.append(got)
            after += os.path.exists(stop)
        say(len(seen), int(seen[-1].split()[1]) == s.getsockname()[1])


VERBS = {f.__name__.replace('_', '-'): f for f in (
    serve, answer_gone, answer_all_gone, leave, who, sizes, mix, burst, queue,
    gro, asked, ask, reply_to, tell, many, steady)}

if __name__ == '__main__':
    VERBS[sys.argv[1]](*sys.argv[2:])
