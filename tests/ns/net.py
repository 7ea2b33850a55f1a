#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The other end of the tests: a server that does what the first line of a
connection asks for, and clients that ask. Run it without arguments for the
list. A client prints one line and exits 0; what it prints is the result."""

import errno
import fcntl
import hashlib
import os
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

CHUNK = 1 << 16
SIOCATMARK = 0x8905
HANG = 60  # seconds after which any wait is a failure


def fill(n, seed):
    """n bytes that repeat at no power of two, so that a lost, doubled or
    swapped piece changes the checksum."""
    block = hashlib.shake_128(str(seed).encode()).digest(1000003)
    while n > 0:
        piece = block[:min(n, len(block))]
        n -= len(piece)
        yield piece


def digest(n, seed):
    h = hashlib.sha256()
    for piece in fill(n, seed):
        h.update(piece)
    return h.hexdigest()


def drain(sock):
    """Reads to the end; (bytes, sha256)."""
    h, n = hashlib.sha256(), 0
    while True:
        data = sock.recv(CHUNK)
        if not data:
            return n, h.hexdigest()
        n += len(data)
        h.update(data)


def line_of(sock):
    out = b''
    while not out.endswith(b'\n'):
        byte = sock.recv(1)
        if not byte:
            break
        out += byte
    return out.decode().strip()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack('ii', 1, 0))
    sock.close()


def say(*words):
    print(*words, flush=True)


# The server

def serve_one(sock, peer, banner):
    addr = peer[0] + ' ' + str(peer[1])
    try:
        sock.settimeout(HANG)
        if banner:
            sock.sendall(banner.encode() + b'\n')
        words = line_of(sock).split()
        verb = words[0] if words else 'nothing'
        if verb == 'who':
            sock.sendall(addr.encode() + b'\n')
        elif verb == 'sum':  # needs the client's half-close to be carried
            n, h = drain(sock)
            sock.sendall(f'{n} {h}\n'.encode())
        elif verb == 'send':
            for piece in fill(int(words[1]), words[2]):
                sock.sendall(piece)
        elif verb == 'send-sum':  # the server is the first to half-close
            for piece in fill(int(words[1]), words[2]):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            n, h = drain(sock)
            say('send-sum', n, h)
        elif verb == 'echo':
            while data := sock.recv(CHUNK):
                sock.sendall(data)
        elif verb == 'reset':
            reset(sock)
        elif verb == 'hold':
            say('hold', addr)
            try:
                n, _ = drain(sock)
                say('end eof', n)
            except OSError as e:
                say('end', errno.errorcode.get(e.errno, e))
        elif verb == 'oob':
            oob(sock)
        elif verb == 'slow':  # reads nothing for a while, then all
            time.sleep(float(words[1]))
            n, h = drain(sock)
            sock.sendall(f'{n} {h}\n'.encode())
    except OSError as e:
        say('failed', addr, e)
    finally:
        sock.close()


def oob(sock):
    """Tells the urgent byte and how much came before its mark."""
    poll = select.poll()
    poll.register(sock, select.POLLPRI)
    if not poll.poll(HANG * 1000):
        sock.sendall(b'no urgent data\n')
        return
    urgent = sock.recv(1, socket.MSG_OOB)
    before = b''
    while True:
        mark = struct.unpack('i', fcntl.ioctl(sock, SIOCATMARK, b'\0' * 4))[0]
        if mark:
            break
        data = sock.recv(1)
        if not data:
            break
        before += data
    after = b''
    while data := sock.recv(CHUNK):
        after += data
    sock.sendall(b' '.join([before, urgent, after]) + b'\n')


def listener(family, bind, port):
    s = socket.socket(socket.AF_INET if family == '4' else socket.AF_INET6,
                      socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family != '4':
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY,
                     family == '6')
    s.bind((bind or ('0.0.0.0' if family == '4' else '::'), port))
    s.listen(1024)
    return s


def serve(port, family='both', bind='', banner=''):
    """serve PORT [4|6|both [BIND [BANNER]]]: TCP server for every verb"""
    s = listener(family, bind, int(port))
    while True:
        c, peer = s.accept()
        if peer[0].startswith('::ffff:'):
            peer = (peer[0][7:],) + peer[1:]
        threading.Thread(target=serve_one, args=(c, peer, banner),
                         daemon=True).start()


def udp_serve(port, family='4', bind=''):
    """udp-serve PORT [4|6 [BIND]]: answers "ADDR PORT: DATAGRAM" """
    s = socket.socket(socket.AF_INET if family == '4' else socket.AF_INET6,
                      socket.SOCK_DGRAM)
    s.bind((bind or ('0.0.0.0' if family == '4' else '::'), int(port)))
    while True:
        data, peer = s.recvfrom(65535)
        say('datagram', peer[0], data[:60])
        s.sendto(f'{peer[0]} {len(data)} {hashlib.sha256(data).hexdigest()}'
                 .encode(), peer)


# The clients

def dial(host, port, verb=''):
    s = socket.create_connection((host, int(port)), timeout=HANG)
    if verb:
        s.sendall(verb.encode() + b'\n')
    return s


def who(host, port):
    """who HOST PORT: the address and port that the server sees"""
    with dial(host, port, 'who') as s:
        mine = s.getsockname()[1]
        seen = line_of(s).split()
        if not seen:
            say('nothing')
            return
        say(seen[0], 'same-port' if int(seen[1]) == mine else 'other-port')


def connect(host, port):
    """connect HOST PORT: OK, the errno of connect(), or of the first read"""
    try:
        s = socket.create_connection((host, int(port)), timeout=HANG)
    except socket.timeout:
        say('TIMEOUT')
        return
    except OSError as e:
        say(errno.errorcode.get(e.errno, str(e)))
        return
    s.settimeout(2)
    try:
        data = s.recv(1)
        say('OK' if data else 'EOF')
    except socket.timeout:
        say('OK')
    except OSError as e:
        say('then', errno.errorcode.get(e.errno, str(e)))


def get(host, port, n, seed='1'):
    """get HOST PORT N [SEED]: download, check"""
    with dial(host, port, f'send {n} {seed}') as s:
        say('OK' if drain(s) == (int(n), digest(int(n), seed)) else 'DIFFERS')


def put(host, port, n, seed='2'):
    """put HOST PORT N [SEED]: upload, half-close, check the server's sum"""
    with dial(host, port, 'sum') as s:
        for piece in fill(int(n), seed):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        answer = line_of(s)
        say('OK' if answer == f'{n} {digest(int(n), seed)}'
            else f'DIFFERS: {answer}')


def slow(host, port, n, seconds):
    """slow HOST PORT N SECONDS: upload to a server that reads late"""
    with dial(host, port, f'slow {seconds}') as s:
        for piece in fill(int(n), 4):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        answer = line_of(s)
        say('OK' if answer == f'{n} {digest(int(n), 4)}'
            else f'DIFFERS: {answer}')


def late(host, port, n):
    """late HOST PORT N: the server half-closes, then we upload N bytes"""
    with dial(host, port, 'send-sum 100000 5') as s:
        ok = drain(s) == (100000, digest(100000, 5))
        for piece in fill(int(n), 6):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        say(f'OK {n} {digest(int(n), 6)}' if ok else 'DIFFERS')


def be_reset(host, port):
    """be-reset HOST PORT: how a reset by the server looks"""
    with dial(host, port, 'reset') as s:
        try:
            say('EOF' if not s.recv(1) else 'data')
        except OSError as e:
            say(errno.errorcode[e.errno])


def do_reset(host, port):
    """do-reset HOST PORT: open, send, reset"""
    s = dial(host, port, 'hold')
    s.sendall(b'x' * 1000)
    time.sleep(0.3)  # let it arrive: the reset may overtake nothing
    reset(s)
    say('OK')


def hold(host, port, n='1'):
    """hold HOST PORT [N]: N connections, open until stdin ends; then how the
    first of them stood"""
    socks = [dial(host, port, 'hold') for _ in range(int(n))]
    say('open', len(socks))
    sys.stdin.read()
    socks[0].settimeout(1)
    try:
        say('EOF' if not socks[0].recv(1) else 'data')
    except socket.timeout:
        say('still open')
    except OSError as e:
        say(errno.errorcode[e.errno])


def stream(host, port):
    """stream HOST PORT: download for ever; how it ended"""
    s = dial(host, port, 'send 1000000000000 7')
    said = False
    try:
        while s.recv(CHUNK):
            if not said:
                said = True
                say('running')
        say('EOF')
    except OSError as e:
        say(errno.errorcode.get(e.errno, str(e)))


def urgent(host, port):
    """urgent HOST PORT: send abc, urgent !, def; what the server made of it"""
    with dial(host, port, 'oob') as s:
        s.sendall(b'abc')
        s.send(b'!', socket.MSG_OOB)
        time.sleep(0.2)
        s.sendall(b'def')
        s.shutdown(socket.SHUT_WR)
        say(line_of(s))


def banner(host, port):
    """banner HOST PORT: say nothing, read the server's first line"""
    with dial(host, port) as s:
        say(line_of(s))


def many(host, port, n):
    """many HOST PORT N: N connections at once, then a round trip on each"""
    socks = [dial(host, port, 'echo') for _ in range(int(n))]
    for i, s in enumerate(socks):
        s.sendall(b'%08d' % i)
    good = 0
    for i, s in enumerate(socks):
        data = b''
        while len(data) < 8:
            piece = s.recv(8 - len(data))
            if not piece:
                break
            data += piece
        good += data == b'%08d' % i
        s.close()
    say(good)


def churn(host, port, n):
    """churn HOST PORT N: N times connect, ask, read, close"""
    good = 0
    for _ in range(int(n)):
        with dial(host, port, 'who') as s:
            good += bool(line_of(s))
    say(good)


def udp_one(sock, size):
    data = os.urandom(int(size))
    want = [size, hashlib.sha256(data).hexdigest()]
    for _ in range(5):  # datagrams may be lost
        sock.send(data)
        try:
            words = sock.recv(65535).decode().split()
            while words[1:] != want:  # late, to one that was sent again
                words = sock.recv(65535).decode().split()
        except socket.timeout:
            continue
        return f'OK {words[0]}'
    return 'TIMEOUT'


def udp(host, port, size='100'):
    """udp HOST PORT [SIZE]: a datagram there and the answer back, three times
    from one socket"""
    for af, _, _, _, sa in socket.getaddrinfo(host, int(port), 0,
                                              socket.SOCK_DGRAM):
        s = socket.socket(af, socket.SOCK_DGRAM)
        s.settimeout(1)
        try:
            s.connect(sa)
            seen = []
            for _ in range(3):
                seen.append(udp_one(s, size))
                if seen[-1] == 'TIMEOUT':
                    break
            say(*(seen[:1] if len(set(seen)) == 1 else seen))
        except OSError as e:
            say(errno.errorcode.get(e.errno, str(e)))
        return


def udp_send(host, port, size='100'):
    """udp-send HOST PORT [SIZE]: a datagram there, with no wait for an answer"""
    af, _, _, _, sa = socket.getaddrinfo(host, int(port), 0,
                                         socket.SOCK_DGRAM)[0]
    with socket.socket(af, socket.SOCK_DGRAM) as s:
        s.sendto(bytes(int(size)), sa)


def raw_syn(device, gateway_mac, source, ports, *targets):
    """raw-syn DEV MAC SRC PORT,... TARGET...: TCP SYNs and UDP datagrams from
    SRC, past our own routing; nothing is awaited"""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((device, 0))
    own = s.getsockname()[4]
    mac = bytes.fromhex(gateway_mac.replace(':', ''))

    def csum(data):
        data += b'\0' * (len(data) % 2)
        t = sum(struct.unpack(f'!{len(data) // 2}H', data))
        while t >> 16:
            t = (t & 0xffff) + (t >> 16)
        return ~t & 0xffff

    n = 0
    for target in targets:
        v6 = ':' in target
        af = socket.AF_INET6 if v6 else socket.AF_INET
        src, dst = (socket.inet_pton(af, a) for a in
                    ((source.split(',')[1] if v6 else source.split(',')[0]),
                     target))
        for port in map(int, ports.split(',')):
            for proto in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                n += 1
                if proto == socket.IPPROTO_TCP:
                    seg = struct.pack('!HHIIBBHHH', 40000 + n, port, 1, 0,
                                      5 << 4, 2, 64000, 0, 0)
                    at = 16
                else:
                    seg = struct.pack('!HHHH', 40000 + n, port, 12, 0) + b'raw!'
                    at = 6
                pseudo = src + dst + (struct.pack('!IHBB', len(seg), 0, 0,
                                                  proto) if v6 else
                                      struct.pack('!BBH', 0, proto, len(seg)))
                seg = seg[:at] + struct.pack('!H', csum(pseudo + seg)) + \
                    seg[at + 2:]
                if v6:
                    ip = struct.pack('!IHBB', 6 << 28, len(seg), proto, 64) + \
                        src + dst
                    s.send(mac + own + b'\x86\xdd' + ip + seg)
                else:
                    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(seg), n,
                                     0x4000, 64, proto, 0) + src + dst
                    ip = ip[:10] + struct.pack('!H', csum(ip)) + ip[12:]
                    s.send(mac + own + b'\x08\x00' + ip + seg)
    say(n)


# A terminal for -t, ^C, ^Z and window sizes

def gso(device):
    """gso DEVICE: the most bytes of an IPv4 TCP packet; 0: the kernel is older

    It is attribute 63 of a link, which iproute2 tells since 6.3 only.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack('=IHHIIBBHiII', 32, 18, 1, 0, 0, 0, 0, 0,
                           socket.if_nametoindex(device), 0, 0))
        answer = s.recv(65536)
    at, value = 32, 0
    while at + 8 <= len(answer):
        size, kind = struct.unpack_from('=HH', answer, at)
        if kind == 63:
            value = struct.unpack_from('=I', answer, at + 4)[0]
        at += (size + 3) & ~3
    say(value)


def pty(script, *argv):
    """pty STEPS CMD...: runs CMD on a new terminal as a job of a small shell
    like parent. STEPS, comma-separated: wait=TEXT, send=TEXT (^C and ^Z are
    understood), size=ROWSxCOLS, stopped, fg, exit. Prints all that the
    terminal showed """
    master, slave = os.openpty()
    attrs = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)  # when our parent ends the terminal hangs up
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.close(slave)
            signal_ttou(True)
            os.tcsetpgrp(0, os.getpid())
            for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
                signal.signal(sig, signal.SIG_DFL)  # may be ignored here
            signal_ttou(False)
            os.execvp(argv[0], argv)
        try:
            os.setpgid(job, job)
        except OSError:
            pass
        signal_ttou(True)
        leader(slave, job)
    seen, at = b'', 0
    end = time.monotonic() + HANG

    def fail(why):
        sys.stdout.write(seen.decode(errors='replace'))
        say('\npty:', why)
        os.kill(pid, 9)
        sys.exit(1)

    def expect(text):  # each one behind the one before
        nonlocal seen, at
        while text not in seen[at:]:
            if time.monotonic() > end:
                fail('timed out in step ' + step)
            if select.select([master], [], [], 0.1)[0]:
                try:
                    seen += os.read(master, 4096)
                except OSError:
                    fail('ended before step ' + step)
        at = seen.index(text, at) + len(text)

    for step in script.split(','):
        verb, _, text = step.partition('=')
        text = text.replace('^C', '\3').replace('^Z', '\x1a') \
            .replace('\\n', '\n')
        if verb == 'wait':
            expect(text.encode())
        elif verb == 'send':
            os.write(master, text.encode())
        elif verb == 'size':
            rows, cols = map(int, text.split('x'))
            fcntl.ioctl(master, termios.TIOCSWINSZ,
                        struct.pack('HHHH', rows, cols, 0, 0))
        elif verb == 'stopped':
            expect(b'[stopped]')
            if termios.tcgetattr(slave) != attrs:
                fail('the terminal was not put back for the shell')
        elif verb == 'fg':
            os.kill(pid, 10)  # SIGUSR1: what the leader takes for "fg"
        elif verb == 'exit':
            expect(b'[exited')
            expect(b'\n')
    same = termios.tcgetattr(slave) == attrs
    sys.stdout.write(seen.decode(errors='replace'))
    say('\nterminal', 'as before' if same else 'changed')


def signal_ttou(ignore):
    signal.signal(signal.SIGTTOU,
                  signal.SIG_IGN if ignore else signal.SIG_DFL)


def leader(tty, job):
    """What a shell with job control does for one job."""

    def fg(*_):
        os.tcsetpgrp(tty, job)
        os.killpg(job, signal.SIGCONT)

    signal.signal(signal.SIGUSR1, fg)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pid, status = os.waitpid(job, os.WUNTRACED)
        os.tcsetpgrp(tty, os.getpgrp())
        if os.WIFSTOPPED(status):
            os.write(tty, b'[stopped]\n')
            continue
        code = os.waitstatus_to_exitcode(status)
        os.write(tty, b'[exited %d]\n' % code)
        time.sleep(0.2)
        os._exit(0)


VERBS = {f.__name__.replace('_', '-'): f for f in (
    serve, udp_serve, who, connect, get, put, slow, late, be_reset, do_reset,
    hold, stream, urgent, banner, many, churn, udp, udp_send, raw_syn, gso,
    pty)}

if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        for f in VERBS.values():
            print(f.__doc__)
        sys.exit(2)
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except (OSError, EOFError) as e:
        say('error', errno.errorcode.get(getattr(e, 'errno', 0), ''), e)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
