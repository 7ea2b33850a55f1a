#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What TCP looks like to an application. `run` prints what each scenario saw,
in words that are the same wherever TCP is the same: the tests run it natively
and in a pod and compare. The other verbs are clients for single tests, and a
maker of forged frames. Without arguments: the list."""

import errno
import hashlib
import os
import random
import select
import socket
import struct
import sys
import threading
import time

import net
from net import digest, drain, fill, line_of, reset, say

HANG = 60
CHUNK = 1 << 16
MPTCP = 262
TCP_FASTOPEN_NO_COOKIE = 34
MSG_FASTOPEN = 0x20000000
EVENTS = [(select.POLLIN, 'IN'), (select.POLLPRI, 'PRI'),
          (select.POLLOUT, 'OUT'), (select.POLLRDHUP, 'RDHUP'),
          (select.POLLERR, 'ERR'), (select.POLLHUP, 'HUP')]


def name(e):
    if isinstance(e, socket.timeout):
        return 'TIMEOUT'
    return errno.errorcode.get(getattr(e, 'errno', e), str(e))


def names(events):
    return '|'.join(n for bit, n in EVENTS if events & bit) or '0'


# The server: the first line says what to do, and under which name to keep
# what was seen, which another connection can ask for.

results, results_cond = {}, threading.Condition()


def keep(key, text):
    with results_cond:
        results[key] = text
        results_cond.notify_all()


def how_it_ends(sock):
    try:
        n, h = drain(sock)
        return f'{n} {h[:12]} EOF'
    except OSError as e:
        return name(e)


def serve_one(sock, peer):
    key = ''
    try:
        sock.settimeout(HANG)
        words = line_of(sock).split()
        verb, key, args = words[0], words[1], words[2:]
        if verb == 'who':
            sock.sendall(peer[0].encode() + b' %d\n' % peer[1])
        elif verb == 'result':
            with results_cond:
                results_cond.wait_for(lambda: key in results, HANG)
                sock.sendall(results.get(key, 'none').encode() + b'\n')
        elif verb == 'sum':
            text = how_it_ends(sock)
            keep(key, text)
            sock.sendall(text.encode() + b'\n')
        elif verb == 'send':
            for piece in fill(int(args[0]), 1):
                sock.sendall(piece)
            keep(key, 'sent')
            if len(args) > 1:  # and stay
                keep(key, how_it_ends(sock))
        elif verb == 'shut-first':
            for piece in fill(int(args[0]), 1):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            keep(key, how_it_ends(sock))
        elif verb == 'echo':
            while data := sock.recv(CHUNK):
                sock.sendall(data)
            keep(key, 'EOF')
        elif verb == 'both':  # send while receiving
            n = int(args[0])
            t = threading.Thread(target=lambda: [sock.sendall(p)
                                                 for p in fill(n, 1)])
            t.start()
            got = 0
            h = hashlib.sha256()
            while got < n and (data := sock.recv(CHUNK)):
                got += len(data)
                h.update(data)
            t.join()
            keep(key, f'{got} {h.hexdigest()[:12]}')
        elif verb == 'reset-after':  # data, then a byte from there, then RST
            sock.sendall(b'x' * int(args[0]))
            sock.recv(1)
            reset(sock)
        elif verb == 'close-after':  # the same with close()
            sock.recv(1)
        elif verb == 'close-now':
            pass
        elif verb == 'reset-now':
            reset(sock)
        elif verb == 'stall':  # reads nothing until asked for its result
            keep(key, 'stalls')
            time.sleep(float(args[0]))
            keep(key + '-end', how_it_ends(sock))
        elif verb == 'oob':
            net.oob(sock)
        elif verb == 'lines':  # answers each request with its number
            f = sock.makefile('rb')
            for line in f:
                sock.sendall(b'answer to ' + line)
    except OSError as e:
        keep(key, name(e))
    except (IndexError, ValueError):
        pass
    finally:
        sock.close()


def serve(port, family='both', bind=''):
    """serve PORT [4|6|both [BIND]]: the server for all scenarios"""
    s = net.listener(family, bind, int(port))
    try:
        s.setsockopt(socket.SOL_TCP, socket.TCP_FASTOPEN, 64)
    except OSError:
        pass
    while True:
        c, peer = s.accept()
        if peer[0].startswith('::ffff:'):
            peer = (peer[0][7:],) + peer[1:]
        threading.Thread(target=serve_one, args=(c, peer),
                         daemon=True).start()


def serve_many(port):
    """serve-many PORT: greets each of many with a byte, echoes, one thread"""
    s = net.listener('4', '', int(port))
    s.listen(65535)
    s.setblocking(False)
    ep = select.epoll()
    ep.register(s.fileno(), select.EPOLLIN)
    conns = {}
    while True:
        for fd, _ in ep.poll():
            if fd == s.fileno():
                try:
                    while True:
                        c, _ = s.accept()
                        c.setblocking(False)
                        c.send(b'!')
                        conns[c.fileno()] = c
                        ep.register(c.fileno(), select.EPOLLIN)
                except OSError:
                    continue
            try:
                data = conns[fd].recv(CHUNK)
                if data:
                    conns[fd].send(data)
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            conns.pop(fd).close()


# The scenarios

class World:
    def __init__(self, host, port):
        self.host, self.port = host, int(port)
        self.af = socket.AF_INET6 if ':' in host else socket.AF_INET
        self.run = '%x' % random.getrandbits(48)
        self.n = 0
        self.key = ''

    def socket(self, proto=0):
        s = socket.socket(self.af, socket.SOCK_STREAM, proto)
        s.settimeout(HANG)
        return s

    def dial(self, verb, s=None):
        self.n += 1
        self.key = f'{self.run}-{self.n}'
        s = s or self.socket()
        s.connect((self.host, self.port))
        word, _, args = verb.partition(' ')
        s.sendall(f'{word} {self.key} {args}\n'.encode())
        return s

    def result(self, suffix=''):
        """what the server saw of the connection dialled last"""
        key = self.key + suffix
        with self.socket() as s:
            s.connect((self.host, self.port))
            s.sendall(f'result {key}\n'.encode())
            return line_of(s)


def wait_flags(s, want, poller=None):
    """flags, once one of `want` is among them"""
    p = poller or select.poll()
    every = 0
    for bit, _ in EVENTS:
        every |= bit
    p.register(s, every)
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        for _, ev in p.poll(0):
            if ev & want:
                time.sleep(0.05)  # for what comes right behind it
                return names(dict(p.poll(0)).get(s.fileno(), 0))
        time.sleep(0.005)
    return 'never'


def get_byte(s):
    try:
        data = s.recv(CHUNK)
        return 'data' if data else 'EOF'
    except OSError as e:
        return name(e)


def s_names(w):
    with w.dial('who') as s:
        peer, own = s.getpeername(), s.getsockname()
        seen = line_of(s).split()
        udp = socket.socket(w.af, socket.SOCK_DGRAM)
        udp.connect((w.host, 9))  # what routing says we are
        return [peer[:2] == (w.host, w.port),
                own[0] == udp.getsockname()[0], own[1] > 1023, seen[0],
                s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]


def s_bound_port(w):
    out = []
    for port in 40123, 1023, w.port:
        s = w.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('', port))
        with w.dial('who', s):
            out += [s.getsockname()[1] == port, bool(line_of(s))]
            reset(s)
    return out


def s_bound_address(w):
    with w.dial('who') as s:
        own = s.getsockname()[0]
    s = w.socket()
    s.bind((own, 0))
    with w.dial('who', s):
        return [s.getsockname()[0] == own, line_of(s).split()[0]]


def s_half_close_by_us(w):
    with w.dial('sum') as s:
        for piece in fill(300000, 2):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        return [line_of(s), get_byte(s)]


def s_half_close_by_them(w):
    with w.dial('shut-first 100000') as s:
        n, h = drain(s)
        for piece in fill(300000, 3):
            s.sendall(piece)
        time.sleep(0.2)
        s.sendall(b'and late')
        s.shutdown(socket.SHUT_WR)
        return [n, h == digest(n, '1'), w.result()]


def s_reset_by_them(w):
    with w.dial('reset-after 1000') as s:
        got = 0
        while got < 1000:
            got += len(s.recv(CHUNK))
        s.sendall(b'!')
        first = get_byte(s)
        out = [got, first]
        for _ in range(2):
            try:
                s.send(b'x')
                out.append('sent')
            except OSError as e:
                out.append(name(e))
        out.append(get_byte(s))
        try:
            s.getpeername()
            out.append('named')
        except OSError as e:
            out.append(name(e))
        return out


def s_reset_at_once_by_them(w):
    with w.dial('reset-now') as s:
        return [get_byte(s)]


def s_reset_by_us(w):
    s = w.dial('stall 1')
    s.sendall(b'x' * 100000)
    w.result()  # it has begun
    reset(s)
    return [w.result('-end')]


def s_linger_0(w):
    s = w.dial('echo')
    s.sendall(b'x' * 1000)
    got = 0
    while got < 1000:
        got += len(s.recv(CHUNK))
    reset(s)
    return [w.result()]


def s_close_with_unread_data(w):
    s = w.dial('send 1000 stay')
    wait_flags(s, select.POLLIN)
    s.close()  # the kernel resets then
    while (r := w.result()) == 'sent':
        time.sleep(0.05)
    return [r]


def s_write_after_their_close(w):
    with w.dial('close-after') as s:
        s.sendall(b'!')
        out = [get_byte(s)]
        end = time.monotonic() + HANG
        while time.monotonic() < end:
            try:
                s.send(b'x')
                time.sleep(0.02)
            except OSError as e:
                return out + [name(e)]
        return out + ['never']


def s_send_while_receiving(w):
    n = 8000000
    with w.dial(f'both {n}') as s:
        t = threading.Thread(target=lambda: [s.sendall(p)
                                             for p in fill(n, 1)])
        t.start()
        got, h = 0, hashlib.sha256()
        while got < n:
            data = s.recv(CHUNK)
            if not data:
                break
            got += len(data)
            h.update(data)
        t.join()
        return [got, h.hexdigest() == digest(n, '1'), w.result()]


def s_ping_pong(w):
    with w.dial('echo') as s:
        s.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
        good = 0
        for i in range(1000):
            s.sendall(bytes([i & 255]))
            good += s.recv(2) == bytes([i & 255])
        return [good]


def s_pipelined(w):
    with w.dial('lines') as s:
        n = 3000
        t = threading.Thread(target=lambda: [s.sendall(b'%d\n' % i)
                                             for i in range(n)])
        t.start()
        f = s.makefile('rb')
        good = sum(f.readline() == b'answer to %d\n' % i for i in range(n))
        t.join()
        return [good]


def flags(w, make):
    out = []
    every = (select.EPOLLIN | select.EPOLLPRI | select.EPOLLOUT |
             select.EPOLLRDHUP)
    with w.dial('echo') as s:
        p = make()
        p.register(s, every)
        out.append('idle ' + wait_flags_of(p, s, select.POLLOUT))
        s.sendall(b'x')
        out.append('data ' + wait_flags_of(p, s, select.POLLIN))
        s.recv(1)
        s.shutdown(socket.SHUT_WR)
        out.append('both ended ' + wait_flags_of(p, s, select.POLLHUP))
        out.append(get_byte(s))
    with w.dial('shut-first 10') as s:
        p = make()
        p.register(s, every)
        out.append('end ' + wait_flags_of(p, s, select.POLLRDHUP))
        s.recv(100)
        out.append('end, read ' + wait_flags_of(p, s, select.POLLRDHUP))
        out.append(get_byte(s))
        s.shutdown(socket.SHUT_WR)
        out.append('then ' + wait_flags_of(p, s, select.POLLHUP))
    with w.dial('reset-after 0') as s:
        p = make()
        p.register(s, every)
        s.sendall(b'!')
        out.append('reset ' + wait_flags_of(p, s, select.POLLHUP))
        out.append(name(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
        out.append('asked ' + wait_flags_of(p, s, select.POLLHUP))
        out.append(get_byte(s))
    with w.dial('stall 0.2') as s:  # the end comes with our data unread
        p = make()
        p.register(s, every)
        s.shutdown(socket.SHUT_RD)
        out.append('shut ' + wait_flags_of(p, s, select.POLLRDHUP))
    return out


def wait_flags_of(p, s, want):
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        if dict(p.poll(0)).get(s.fileno(), 0) & want:
            time.sleep(0.05)
            return names(dict(p.poll(0)).get(s.fileno(), 0))
        time.sleep(0.005)
    return 'never'


def s_poll(w):
    return flags(w, select.poll)


def s_epoll(w):
    return flags(w, select.epoll)


def s_mptcp(w):
    out = []
    try:
        s = w.socket(MPTCP)
    except OSError as e:
        return [name(e)]
    with w.dial('sum', s) as s:
        for piece in fill(3000000, 2):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        out.append(line_of(s))
    with w.dial('reset-after 10', w.socket(MPTCP)) as s:
        s.recv(100)
        s.sendall(b'!')
        out.append(get_byte(s))
    return out


def fast_open(w, no_cookie):
    """TCP_FASTOPEN: the request goes with the SYN; twice, for the cookie"""
    out = []
    for _ in range(3):
        s = socket.socket(w.af, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                     struct.pack('ll', HANG, 0))
        if no_cookie:
            try:
                s.setsockopt(socket.SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
            except OSError as e:
                return [name(e)]
        w.n += 1
        data = f'sum {w.run}-{w.n}\n'.encode() + b'in the SYN ' * 40
        try:
            n = s.sendto(data, MSG_FASTOPEN, (w.host, w.port))
        except OSError as e:
            return out + [name(e)]
        s.sendall(data[n:])
        s.sendall(b'behind it')
        s.shutdown(socket.SHUT_WR)
        out.append(line_of(s))
        s.close()
    return out


def s_fast_open(w):
    return fast_open(w, False)


def s_fast_open_without_cookie(w):
    return fast_open(w, True)


def s_keepalive(w):
    with w.dial('echo') as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.setsockopt(socket.SOL_TCP, socket.TCP_KEEPIDLE, 1)
        s.setsockopt(socket.SOL_TCP, socket.TCP_KEEPINTVL, 1)
        s.setsockopt(socket.SOL_TCP, socket.TCP_KEEPCNT, 2)
        time.sleep(5)
        s.sendall(b'still?')
        return [s.recv(10)]


def s_bind_to_device(w):
    s = w.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                 os.environ['DEVICE'].encode())
    with w.dial('who', s):
        return [line_of(s).split()[0]]


def s_mark(w):
    s = w.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x77)
    with w.dial('who', s):
        return [line_of(s).split()[0]]


def s_urgent(w):
    with w.dial('oob') as s:
        s.sendall(b'abc')
        s.send(b'!', socket.MSG_OOB)
        time.sleep(0.2)
        s.sendall(b'def')
        s.shutdown(socket.SHUT_WR)
        return [line_of(s)]


def s_shut_reading(w):
    with w.dial('sum') as s:
        s.shutdown(socket.SHUT_RD)
        # later it may be the end or the reset of what the server says
        seen = get_byte(s)
        s.sendall(b'x' * 1000)
        s.shutdown(socket.SHUT_WR)
        return [seen, w.result()]


def s_second_connect(w):
    with w.dial('echo') as s:
        out = [name(s.connect_ex((w.host, w.port)))]
        s.sendall(b'x')
        return out + [s.recv(1)]


def run(host, port, *only):
    """run HOST PORT [SCENARIO...]: what each scenario saw, a line each"""
    for key, fn in list(globals().items()):
        if key.startswith('s_') and (not only or key[2:] in only):
            try:
                seen = fn(World(host, port))
            except OSError as e:
                seen = [name(e)]
            say(key[2:].replace('_', ' ') + ':', *seen)


# Clients of their own

def fail(host, port):
    """fail HOST PORT: what connect() says, blocking and not, within 3 s"""
    af = socket.AF_INET6 if ':' in host else socket.AF_INET
    out = []
    s = socket.socket(af, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                 struct.pack('ll', 3, 0))
    out.append('blocking ' + name(s.connect_ex((host, int(port)))))
    s.close()
    s = socket.socket(af, socket.SOCK_STREAM)
    s.setblocking(False)
    first = name(s.connect_ex((host, int(port))))
    p = select.poll()
    p.register(s, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    if p.poll(3000):
        time.sleep(0.1)  # the error is there before all of the flags are
    got = dict(p.poll(0)).get(s.fileno(), 0)
    if first == 'EINPROGRESS':
        err = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        first = name(err) if err else 'no error'
    else:
        got = 0
    out += ['not blocking', first]
    try:
        s.getpeername()
        out.append('named')
    except OSError as e:
        out.append(name(e))
    say(f'{host} {port}:', *out, *([names(got)] if got else []))


def again(host, port, n, by):
    """again HOST PORT N us|us-fin|them|them-reset: N connections from one
    port, each right after the end of the one before"""
    w = World(host, port)
    seen = {}
    source = 40321
    verbs = {'us': 'echo', 'us-fin': 'echo', 'them': 'who',
             'them-reset': 'reset-after 0'}
    for _ in range(int(n)):
        for attempt in range(200):
            s = w.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(('', source))
                w.dial(verbs[by], s)
                break
            except OSError as e:
                s.close()
                what = name(e)
                # the last segment of the one before is still under way
                if what not in ('EADDRNOTAVAIL', 'EADDRINUSE') or \
                        by == 'us-fin':
                    break
                time.sleep(0.01)
        else:
            what = 'still ' + what
        if s.fileno() >= 0:
            try:
                if by != 'them':
                    s.sendall(b'!')
                    what = get_byte(s)
                else:
                    what = line_of(s) and get_byte(s)
            except OSError as e:
                what = name(e)
            if by == 'us':
                reset(s)
            else:
                s.close()
        seen[what] = seen.get(what, 0) + 1
    # how many of them wait for the end of TIME_WAIT is a matter of clocks
    say(f'again {by}:', *(k if by == 'us-fin' else f'{v} {k}'
                          for k, v in sorted(seen.items())))


def stall(host, port, n, up_or_down, limit, hold_file):
    """stall HOST PORT N up|down LIMIT FILE: N flows whose reader doesn't
    read; says when all writers are stuck, and holds until FILE is there"""
    w = World(host, port)
    socks = []
    for _ in range(int(n)):
        if up_or_down == 'up':
            s = w.dial('stall 100')
            s.setblocking(False)
            socks.append((s, 0))
        else:
            socks.append((w.dial('send 1000000000'), 0))
    sent = [0] * len(socks)
    quiet = time.monotonic()
    block = b'x' * (1 << 18)
    while up_or_down == 'up' and time.monotonic() - quiet < 2:
        for i, (s, _) in enumerate(socks):
            try:
                while sent[i] < int(limit):
                    sent[i] += s.send(block)
                    quiet = time.monotonic()
            except BlockingIOError:
                pass
        time.sleep(0.05)
    if up_or_down == 'down':
        time.sleep(3)
    say('stuck' if all(x < int(limit) for x in sent) else 'not stuck')
    while not os.path.exists(hold_file):
        time.sleep(0.1)


def burst(host, port, n):
    """burst HOST PORT N: N connects at once; how many got the greeting"""
    n = int(n)
    ep = select.epoll()
    socks = {}
    said = {}
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        try:
            s.connect((host, int(port)))
        except BlockingIOError:
            pass
        socks[s.fileno()] = s
        ep.register(s.fileno(), select.EPOLLIN)
    end = time.monotonic() + HANG
    todo = n
    while todo and time.monotonic() < end:
        for fd, _ in ep.poll(1):
            try:
                what = 'OK' if socks[fd].recv(1) == b'!' else 'EOF'
            except OSError as e:
                what = name(e)
            said[what] = said.get(what, 0) + 1
            ep.unregister(fd)
            todo -= 1
    if todo:
        said['TIMEOUT'] = todo
    # and each of them still works, one by one
    good = 0
    for s in list(socks.values())[::50]:
        s.settimeout(HANG)
        try:
            s.sendall(b'x')
            good += s.recv(1) == b'x'
        except OSError:
            pass
    say(*(f'{v} {k}' for k, v in sorted(said.items())),
        'all alive' if good == (n + 49) // 50 else f'{good} alive')


def steady(host, port, stop):
    """steady HOST PORT FILE: one flow with all bytes checked until FILE is
    there"""
    w = World(host, port)
    with w.dial('echo') as s:
        s.settimeout(HANG)
        rounds = 0
        while not (rounds > 3 and os.path.exists(stop)):
            data = os.urandom(20000)
            s.sendall(data)
            got = b''
            while len(got) < len(data):
                piece = s.recv(CHUNK)
                if not piece:
                    say('EOF')
                    return
                got += piece
            if got != data:
                say('DIFFERS')
                return
            if not rounds:
                say('running')
            rounds += 1
            time.sleep(0.005)
    say('OK')


def transfer(host, port, n, source=''):
    """transfer HOST PORT N [SOURCE]: N bytes there and N back, with sums"""
    w = World(host, port)
    for verb in 'sum', f'send {n}':
        s = w.socket()
        if source:
            s.bind((source, 0))
        with w.dial(verb, s):
            if verb == 'sum':
                for piece in fill(int(n), 1):
                    s.sendall(piece)
                s.shutdown(socket.SHUT_WR)
                got = line_of(s)
                want = f'{n} {digest(int(n), "1")[:12]} EOF'
            else:
                got = drain(s)
                want = (int(n), digest(int(n), '1'))
            if got != want:
                say('DIFFERS', verb, got)
                return
    say('OK')


def transfers(host, port, flows, n):
    """transfers HOST PORT FLOWS N: that many at once, N bytes each way"""
    bad = []

    def one():
        w = World(host, port)
        try:
            with w.dial('echo') as s:
                data = os.urandom(int(n))
                t = threading.Thread(target=s.sendall, args=(data,))
                t.start()
                got = bytearray()
                while len(got) < len(data):
                    piece = s.recv(CHUNK)
                    if not piece:
                        break
                    got += piece
                t.join()
                if got != data:
                    bad.append('DIFFERS')
        except OSError as e:
            bad.append(name(e))

    threads = [threading.Thread(target=one) for _ in range(int(flows))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    say(*(bad or ['OK']))


# Forged frames

def checksum(data):
    data += b'\0' * (len(data) % 2)
    t = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while t >> 16:
        t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff


def forge(*words):
    """forge KEY=VALUE...: TCP frames on dev=, to the MAC gw=. mac=, src=,
    sport=, dst=, dport=, flags=2, n=1, vary=none|seq|sport|src|dport,
    cut=BYTES (two IPv4 fragments, cut there), payload=BYTES"""
    o = {'flags': '2', 'n': '1', 'vary': 'none', 'cut': '0', 'payload': '0',
         'sport': '41000', 'seq': '1000'}
    o.update(word.split('=', 1) for word in words)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((o['dev'], 0))
    own = s.getsockname()[4]
    if 'mac' in o:
        own = bytes.fromhex(o['mac'].replace(':', ''))
    eth = bytes.fromhex(o['gw'].replace(':', '')) + own
    v6 = ':' in o['dst']
    af = socket.AF_INET6 if v6 else socket.AF_INET
    dst = socket.inet_pton(af, o['dst'])
    src = socket.inet_pton(af, o['src'])
    sport, dport, seq = int(o['sport']), int(o['dport']), int(o['seq'])
    payload = b'p' * int(o['payload'])
    sent = 0
    for i in range(int(o['n'])):
        if o['vary'] == 'seq':
            seq = 1000 + i * 77777 & 0xffffffff
        elif o['vary'] == 'sport':
            sport = 1024 + i % 64000
        elif o['vary'] == 'dport':
            dport = 1 + i % 65535
        elif o['vary'] == 'src':
            src = src[:-2] + struct.pack('!H', i & 0xffff)
        seg = struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff, 0,
                          5 << 4, int(o['flags']), 64000, 0, 0) + payload
        pseudo = src + dst + (struct.pack('!IHBB', len(seg), 0, 0, 6) if v6
                              else struct.pack('!BBH', 0, 6, len(seg)))
        seg = seg[:16] + struct.pack('!H', checksum(pseudo + seg)) + seg[18:]
        if v6:
            frames = [eth + b'\x86\xdd' + struct.pack(
                '!IHBB', 6 << 28, len(seg), 6, 64) + src + dst + seg]
        else:
            cut = int(o['cut'])
            parts = [(0, 0x2000, seg[:cut]), (cut, 0, seg[cut:])] if cut \
                else [(0, 0x4000, seg)]
            frames = []
            for at, bits, part in parts:
                ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(part),
                                 i & 0xffff, bits | at // 8, 64, 6, 0) + \
                    src + dst
                ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
                frames.append(eth + b'\x08\x00' + ip + part)
        for frame in frames:
            try:
                s.send(frame)
                sent += 1
            except OSError as e:
                if e.errno != errno.ENOBUFS:
                    raise
    say(sent)


VERBS = {f.__name__.replace('_', '-'): f for f in (
    serve, serve_many, run, fail, again, stall, burst, steady, transfer,
    transfers, forge)}

if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        for f in VERBS.values():
            print(f.__doc__)
        sys.exit(2)
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except (OSError, EOFError) as e:
        say('error', name(e), e)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
