#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of fuzz_frame into the folder "frame" beside this file."""
import os
import socket
import struct

MACS = bytes.fromhex('52550a000202020000000100')
POD4, WORLD4 = '10.0.2.100', '198.51.100.7'
POD6, WORLD6 = 'fd00::100', '2001:db8::7'
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
SYN, SYN_ACK, ACK, FIN_ACK, RST = 2, 18, 16, 17, 4


def tcp(sport, dport, flags):
    return struct.pack('!HHIIBBHHH', sport, dport, 1, 0, 5 << 4, flags, 0, 0, 0)


def udp(sport, dport, data=b'abcd'):
    return struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data


def ip4(src, dst, proto, data, options=b'', frag=0):
    words = 5 + len(options) // 4
    return (MACS + b'\x08\x00' +
            struct.pack('!BBHHHBBH4s4s', 4 << 4 | words, 0,
                        words * 4 + len(data), 0, frag, 64, proto, 0,
                        socket.inet_aton(src), socket.inet_aton(dst)) +
            options + data)


def ip6(src, dst, proto, data):
    return (MACS + b'\x86\xdd' +
            struct.pack('!IHBB16s16s', 6 << 28, len(data), proto, 64,
                        socket.inet_pton(socket.AF_INET6, src),
                        socket.inet_pton(socket.AF_INET6, dst)) + data)


def pod(frame):
    return struct.pack('!H', len(frame)) + frame


def hop(frame):
    return struct.pack('!H', len(frame) | 0x8000) + frame


def flow(a, b, ip):
    """Opened by the hop, closed by both, the ports used again."""
    return (hop(ip(b, a, TCP, tcp(5000, 80, SYN))) +
            pod(ip(a, b, TCP, tcp(80, 5000, SYN_ACK))) +
            hop(ip(b, a, TCP, tcp(5000, 80, FIN_ACK))) +
            pod(ip(a, b, TCP, tcp(80, 5000, FIN_ACK))) +
            hop(ip(b, a, TCP, tcp(5000, 80, SYN))) +
            pod(ip(a, b, TCP, tcp(80, 5000, RST))))


FRAG6 = bytes([UDP, 0, 0, 1, 0, 0, 0, 1])
SEEDS = {
    'arp': pod(MACS + b'\x08\x06' + bytes(28)),
    'syn4': pod(ip4(POD4, WORLD4, TCP, tcp(40000, 80, SYN))),
    'syn6': pod(ip6(POD6, WORLD6, TCP, tcp(40000, 80, SYN))),
    'udp4_options': pod(ip4(POD4, WORLD4, UDP, udp(1, 2), b'\x01' * 8)),
    'udp4_fragment': pod(ip4(POD4, WORLD4, UDP, udp(1, 2), frag=0x2000)),
    'udp6_extensions': pod(ip6(POD6, WORLD6, 0,
                               bytes([44, 0, 1, 4, 0, 0, 0, 0]) +
                               bytes([UDP, 0, 0, 0, 0, 0, 0, 1]) + udp(1, 2))),
    'udp6_fragment': pod(ip6(POD6, WORLD6, 44, FRAG6 + udp(1, 2))),
    'loopback4': pod(ip4(POD4, '127.0.0.1', TCP, tcp(1, 2, SYN))),
    'mapped': pod(ip6(POD6, '::ffff:127.0.0.1', TCP, tcp(1, 2, SYN))),
    'dhcp': pod(ip4('0.0.0.0', '255.255.255.255', UDP, udp(68, 67))),
    'dns_tcp': pod(ip4(POD4, '10.0.2.3', TCP, tcp(1, 53, SYN))),
    'unreachable': pod(ip4(POD4, WORLD4, ICMP, bytes([3, 3]) + bytes(34))),
    'too_big6': pod(ip6(POD6, WORLD6, ICMP6, bytes([2, 0]) + bytes(54))),
    'flow4': flow(POD4, WORLD4, ip4),
    'flow6': flow(POD6, WORLD6, ip6),
    'cut_off': pod(ip4(POD4, WORLD4, TCP, tcp(1, 2, ACK)))[:40],
}


def write(folder, seeds):
    """Each seed in its file, in a folder beside this one."""
    here = os.path.dirname(os.path.abspath(__file__))
    for name, data in seeds.items():
        with open(os.path.join(here, folder, name), 'wb') as f:
            f.write(data)


if __name__ == '__main__':
    write('frame', SEEDS)
