#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames that no kernel sends, from inside a pod: hostile.py CLASS[,CLASS...]
DEVICE GW-MAC STOP sends all frames of the classes over and over, until the file
STOP is there and at least once; then it prints how many. IPv4 and IPv6, right
checksums unless that is the point. But for floods they leave the pod's own
packets room in the queue they share."""

import errno
import itertools
import os
import random
import socket
import struct
import sys
import time

POD4, GW4, DNS4, NONE4 = '10.0.2.100', '10.0.2.2', '10.0.2.3', '10.0.2.77'
POD6, GW6, NONE6 = 'fd00::100', 'fd00::2', 'fd00::77'
FAR4, FAR6 = '198.51.100.1', '2001:db8:9::1'
TCP, UDP, ICMP, ICMP6, HOP, ROUTING, FRAG, OPTS = 6, 17, 1, 58, 0, 43, 44, 60
OTHER_MAC = bytes.fromhex('020000000077')
# at the other host: answers, refuses, drops; on the host's own loopback
ECHO, NOBODY, SILENT, LOOPBACK = 9002, 9003, 9101, 9100
MF = 0x2000


class Forger:
    """Frames of one device."""

    def __init__(self, own, gw):
        self.own, self.gw = own, gw
        self.random = random.Random(1)

    def eth(self, proto, data, src=None, dst=None):
        return (dst or self.gw) + (src or self.own) + \
            struct.pack('!H', proto) + data

    def ip(self, dst, proto, data, src=None, frag=0, ident=1, chain=()):
        """@chain: IPv6 extension headers, (number, bytes behind the first)"""
        if ':' in dst:
            for number, body in reversed(chain):
                data = bytes([proto]) + body + data
                proto = number
            return struct.pack('!IHBB', 6 << 28, len(data), proto, 255) + \
                packed(src or POD6) + packed(dst) + data
        head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(data), ident, frag,
                           64, proto, 0) + packed(src or POD4) + packed(dst)
        return head[:10] + csum(head) + head[12:] + data

    def packet(self, dst, proto, data, mac=None, **how):
        return self.eth(0x86dd if ':' in dst else 0x0800,
                        self.ip(dst, proto, data, **how), mac)

    def udp(self, dst, sport, dport, data=b'data', mac=None, **how):
        return self.packet(dst, UDP, self.udp_of(dst, sport, dport, data,
                                                 how.get('src')), mac, **how)

    def udp_of(self, dst, sport, dport, data, src=None):
        d = struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data
        return d[:6] + (pseudo_csum(src, dst, UDP, d) or b'\xff\xff') + d[8:]

    def tcp(self, dst, sport, dport, flags=2, options=b'', offset=None,
            data=b'', mac=None, **how):
        words = 5 + len(options) // 4 if offset is None else offset
        d = struct.pack('!HHIIBBHHH', sport, dport, 1000, 0, words << 4, flags,
                        64000, 0, 0) + options + data
        d = d[:16] + pseudo_csum(how.get('src'), dst, TCP, d) + d[18:]
        return self.packet(dst, TCP, d, mac, **how)

    def echo(self, dst, ident, data=b'ping'):
        v6 = ':' in dst
        d = struct.pack('!BBHHH', 128 if v6 else 8, 0, 0, ident, 1) + data
        c = pseudo_csum(None, dst, ICMP6, d) if v6 else csum(d)
        return self.packet(dst, ICMP6 if v6 else ICMP, d[:2] + c + d[4:])

    def arp(self, op, mac, sender, target, src=None):
        return self.eth(0x0806, struct.pack('!HHBBH', 1, 0x800, 6, 4, op) + mac +
                        packed(sender) + bytes(6) + packed(target), src,
                        b'\xff' * 6)

    def icmp6(self, kind, body, src, dst, mac=None):
        d = bytes([kind, 0, 0, 0]) + body
        d = d[:2] + pseudo_csum(src, dst, ICMP6, d) + d[4:]
        return self.packet(dst, ICMP6, d, mac, src=src)

    def basic(self):
        """One good frame of each sort."""
        return [self.tcp(FAR4, 41000, NOBODY), self.tcp(FAR6, 41000, NOBODY),
                self.udp(FAR4, 41000, ECHO), self.udp(FAR6, 41000, ECHO),
                self.echo(FAR4, 1), self.echo(GW6, 1),
                self.arp(1, self.own, POD4, GW4)]

    # The classes

    def truncated(self):
        for frame in self.basic():
            for n in range(14, len(frame)):
                yield frame[:n]
                # and what lies about its length
                yield frame[:16] + struct.pack('!H', n * 997 & 0xffff) + \
                    frame[18:n]

    def jumbo(self):
        for n in (1473, 1501, 9000, 32768, 65000):
            yield self.udp(FAR4, 41001, ECHO, bytes(n))
            yield self.udp(FAR6, 41001, ECHO, bytes(n))
            yield self.tcp(FAR4, 41001, NOBODY, data=bytes(n))
            yield self.echo(GW4, 1, bytes(n))

    def fragments(self):
        whole = self.udp_of(FAR4, 41002, ECHO, bytes(1000))
        ident = self.random.randrange(65536)

        def part(at, n, more, ident=ident, proto=UDP):
            return self.packet(FAR4, proto, whole[at:at + n], ident=ident,
                               frag=at // 8 | (MF if more else 0))

        yield from (part(512, 496, False), part(0, 512, True))
        # overlapping in many ways; never complete; beyond the end; none
        for a, b in ((0, 24), (8, 16), (24, 8), (16, 64), (0, 1008), (8, 8)):
            yield from (part(a, b, True, 7), part(24, 8, False, 7),
                        part(8, 64, True, 7))
        for i in range(200):
            yield part(8, 8, True, i)
            yield part(0, 16, True, i + 1000, TCP)
        for frag in (0x1fff, 0x3fff, MF, 0x4001):
            yield self.packet(FAR4, UDP, b'12345678', frag=frag)
            yield self.packet(FAR4, UDP, b'', frag=frag)
            yield self.packet(FAR4, TCP, b'1', frag=frag)
        for at in (0, 1, 8, 0xfff8):
            yield self.packet(FAR6, UDP, whole[:64], chain=[
                (FRAG, b'\0' + struct.pack('!HI', at, ident))])

    def vlan(self):
        for frame in self.basic():
            tag = b'\x81\x00\x00\x05'
            yield frame[:12] + tag + frame[12:]
            yield frame[:12] + b'\x88\xa8\x00\x07' + tag + frame[12:]
            yield frame[:12] + tag + frame[12:14]
            yield frame[:12] + b'\x88\x47\x00\x01\x01\x40' + frame[14:]
        for proto in (0x8863, 0x88cc, 0x88e5, 0x0000, 0x05dc, 0xffff):
            yield self.eth(proto, bytes(50))

    def spoofed(self):
        for mac in (None, OTHER_MAC, self.gw, bytes(6), b'\xff' * 6):
            for src in (POD4, NONE4, GW4, DNS4, FAR4, '127.0.0.1', '0.0.0.0',
                        '255.255.255.255', '224.0.0.1'):
                for dst in (FAR4, '127.0.0.1', GW4, NONE4, '0.0.0.0'):
                    port = ECHO if dst == FAR4 else LOOPBACK
                    yield self.udp(dst, 41003, port, b'spoofed', mac, src=src)
                    yield self.tcp(dst, 41003, NOBODY, mac=mac, src=src)
            for src in (POD6, NONE6, GW6, FAR6, '::1', '::', 'ff02::1',
                        '::ffff:10.0.2.100', 'fe80::77'):
                for dst in (FAR6, '::1', '::ffff:127.0.0.1', GW6, NONE6, '::'):
                    port = ECHO if dst == FAR6 else LOOPBACK
                    yield self.udp(dst, 41003, port, b'spoofed', mac, src=src)
                    yield self.tcp(dst, 41003, NOBODY, mac=mac, src=src)

    def forged(self):
        """ARP and NDP about the gateway, DNS and others' addresses."""
        for victim in (GW4, DNS4, NONE4, '0.0.0.0', FAR4, '127.0.0.1'):
            for op in (1, 2, 3, 99):
                yield self.arp(op, OTHER_MAC, victim, victim)
                yield self.arp(op, OTHER_MAC, victim, GW4, OTHER_MAC)
                yield self.arp(op, b'\xff' * 6, victim, POD4)
        lladdr = b'\x02\x01' + OTHER_MAC
        for victim in (GW6, 'fd00::3', NONE6, FAR6, '::1', 'fe80::2'):
            target = packed(victim)
            for dst in ('ff02::1', GW6, 'fe80::2'):
                for src in (victim, POD6, 'fe80::77'):
                    yield self.icmp6(136, b'\xe0\0\0\0' + target + lladdr, src,
                                     dst)
                    yield self.icmp6(135, bytes(4) + target + b'\x01\x01' +
                                     OTHER_MAC, src, dst, OTHER_MAC)
            # a router, too, and a redirect
            yield self.icmp6(134, b'\x40\xc0\x07\x08' + bytes(8) + b'\x01\x01' +
                             OTHER_MAC, 'fe80::77', 'ff02::1')
            yield self.icmp6(137, bytes(4) + target + target, 'fe80::2', POD6)
            # options that never end
            yield self.icmp6(136, b'\xe0\0\0\0' + target + b'\x02\x00', victim,
                             GW6)

    def extensions(self):
        pad = (OPTS, b'\0' + b'\x01\x04' + bytes(4))
        hop = (HOP, b'\0' + b'\x01\x04' + bytes(4))
        atomic = (FRAG, b'\0' + bytes(6))
        routing = (ROUTING, b'\0' + b'\x00\x01' + bytes(4))
        long = (OPTS, b'\xff' + bytes(2046))
        lies = (OPTS, b'\xfe' + bytes(6))
        jumbo = (HOP, b'\0' + b'\xc2\x04\x00\x01\x00\x00')
        for n in (1, 2, 7, 8, 9, 50, 150):
            for link in (pad, hop, routing, atomic):
                yield self.tcp(FAR6, 41004, NOBODY, chain=[link] * n)
                yield self.udp(FAR6, 41004, ECHO, chain=[link] * n)
        for chain in ([lies], [jumbo], [hop, pad, routing, atomic],
                      [pad, lies]):
            yield self.tcp(FAR6, 41004, NOBODY, chain=chain)
            yield self.udp(FAR6, 41004, ECHO, chain=chain)
        yield self.tcp(FAR6, 41004, NOBODY, chain=[long])
        for proto in (50, 51, 59, 135, 139, 253, 255):
            yield self.packet(FAR6, proto, bytes(40))
            yield self.packet(FAR4, proto, bytes(40))

    def options(self):
        """TCP options and header lengths."""
        bad = [bytes([kind, n] + [0] * 38) for kind in range(0, 40)
               for n in (0, 1, 2, 3, 40, 255)]
        for i, garbage in enumerate(bad):
            for dst in (FAR4, FAR6):
                yield self.tcp(dst, 42000 + i, NOBODY, options=garbage)
                yield self.tcp(dst, 42000 + i, NOBODY, flags=0x12,
                               options=garbage)
        for offset in range(16):
            for flags in (0, 1, 2, 3, 4, 6, 16, 18, 41, 63, 194, 255):
                for dst in (FAR4, FAR6):
                    yield self.tcp(dst, 43000 + offset, NOBODY, flags=flags,
                                   offset=offset)
        for port in (0, 53, 80, 65535):
            yield self.tcp(FAR4, 0, port)
            yield self.tcp(GW4, port, port, data=b'x' * 100)

    def noise(self):
        """Anything, but for ARP: where the pod's own address is, is for the pod
        to say, and what is sent there then is lost."""
        for frame in self.basic()[:-1]:
            for _ in range(200):
                data = bytearray(frame + bytes(self.random.randrange(60)))
                for _ in range(self.random.randrange(1, 8)):
                    data[self.random.randrange(12, len(data))] = \
                        self.random.randrange(256)
                yield bytes(data)

    def syn_flood(self):
        for i in range(60000):
            yield self.tcp(FAR4, 1024 + i, SILENT)
            yield self.tcp(FAR6, 1024 + i, SILENT)

    def udp_flood(self):
        for i in range(60000):
            yield self.udp(FAR4, 1024 + i, SILENT)
            yield self.udp(FAR6, 1024 + i, SILENT)

    def icmp_flood(self):
        for i in range(60000):
            yield self.echo(FAR4, i)
            yield self.echo(GW4, i)
            yield self.echo(GW6, i)


def packed(text):
    return socket.inet_pton(socket.AF_INET6 if ':' in text else socket.AF_INET,
                            text)


def csum(data):
    if len(data) % 2:
        data += b'\0'
    n = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return struct.pack('!H', ~n & 0xffff)


def pseudo_csum(src, dst, proto, data):
    src = packed(src or (POD6 if ':' in dst else POD4))
    return csum(src + packed(dst) + struct.pack('!IHBB', len(data), 0, 0, proto)
                + data)


def main(names, device, gw, stop):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((device, 0))
    forger = Forger(s.getsockname()[4], bytes.fromhex(gw.replace(':', '')))
    sent = turned_away = 0
    while not sent or not os.path.exists(stop):
        for frame in itertools.chain.from_iterable(
                getattr(forger, name)() for name in names.split(',')):
            try:
                s.send(frame)
                sent += 1
            except OSError as e:
                # a full queue; longer than the device takes
                if e.errno not in (errno.ENOBUFS, errno.EMSGSIZE,
                                   errno.EINVAL):
                    raise
                turned_away += 1
            if 'flood' not in names and sent % 50 == 0:
                time.sleep(0.01)
        print('round', flush=True)
    print(sent, turned_away, flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
