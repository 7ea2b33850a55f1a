#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of fuzz_netstack into the folder "netstack" beside this
file."""
import struct

from make_frame import MACS, POD4, POD6, SYN, TCP, WORLD4, WORLD6
from make_frame import ip4, ip6, tcp, udp, write

(OP_RAW, OP_SUMMED, OP_TCP, OP_UDP, OP_ICMP, OP_VERDICT, OP_GARBAGE, OP_WAIT,
 OP_SERVERS, OP_PEER, OP_DEAD_PEER, OP_WORLD, OP_HOP, OP_STATS,
 OP_FLOOD) = range(15)
SEND, READ, SHUT, CLOSE = range(4)
LAST = 0x40  # the last SYN that was asked about
WRITE_BACK, RESET, DECLINE = 0, 1, 8
# the first byte: 1 host loopback, 2 a host port, 4 no DNS, 8 no splice,
# 16 no kernel hop
PLAIN, SLIRP, USER_HOP = b'\x00', b'\x08', b'\x10'
UDP, F_SYN, F_FIN, F_RST, F_ACK = 17, 2, 1, 4, 16


def raw(frame, op=OP_RAW):
    return bytes([op]) + struct.pack('!H', len(frame)) + frame


def seg(flow, flags, n=0):
    return bytes([OP_TCP, flow, flags]) + struct.pack('!HB', n, 0)


def datagram(where, sport, dport, data, op=OP_UDP):
    return (bytes([op, where]) + struct.pack('!HHB', sport, dport, len(data)) +
            data)


def wait(ms):
    return bytes([OP_WAIT]) + struct.pack('!H', ms)


TURNS = wait(1) * 2  # until netstack has done what came before


def verdict(what):
    return TURNS + bytes([OP_VERDICT, LAST, what])


def world(which, act, data=b''):
    data += bytes(-len(data) % 4)
    return TURNS + bytes([OP_WORLD, which, act + 4 * (len(data) // 4)]) + data


def talk(flow):
    return (wait(10) + wait(10) + seg(flow, F_ACK) + seg(flow, F_ACK, 1000) +
            wait(10) + world(0, READ) + world(0, SEND, b'hello' * 8) +
            wait(10) + seg(flow, F_ACK) + world(0, SHUT) + wait(10) +
            seg(flow, F_ACK | F_FIN) + wait(10) + seg(flow, F_ACK))


def near(frame):
    """With the hop limit that neighbour discovery has (RFC 4861 3.1)."""
    return frame[:21] + b'\xff' + frame[22:]


def frag(off, more, data):
    return ip4(POD4, WORLD4, UDP, data, frag=(off // 8) | more << 13)


QUERY = (b'\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00'
         b'\x00\x01\x00\x01')
SERVERS = bytes([OP_SERVERS, 3])
ARP = (MACS + b'\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01' + MACS[6:] +
       b'\x0a\x00\x02\x64' + bytes(6) + b'\x0a\x00\x02\x02')
RS = b'\x85\x00\x00\x00' + bytes(4)
NS = b'\x87\x00\x00\x00' + bytes(4) + bytes.fromhex(
    'fd000000000000000000000000000002') + b'\x01\x01' + MACS[6:]
NA = b'\x88\x00\x00\x00\x60\x00\x00\x00' + bytes.fromhex(
    'fd000000000000000000000000000100') + b'\x02\x01' + MACS[6:]
DHCP = (b'\x01\x01\x06\x00' + b'abcd' + bytes(20) + MACS[6:] + bytes(202) +
        b'\x63\x82\x53\x63\x35\x01\x01\xff')
VLAN = MACS + b'\x81\x00\x00\x05' + ip4(POD4, WORLD4, TCP,
                                        tcp(1, 2, SYN))[12:]
CHAIN = (bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 7 + bytes([TCP, 0] + [0] * 6) +
         tcp(40001, 80, SYN))
SEEDS = {
    'arp': PLAIN + raw(ARP),
    'dhcp': PLAIN + raw(ip4('0.0.0.0', '255.255.255.255', UDP,
                            udp(68, 67, DHCP)), OP_SUMMED),
    'router': PLAIN + raw(near(ip6('fe80::1', 'ff02::2', 58, RS)), OP_SUMMED),
    'neighbour': PLAIN + raw(near(ip6(POD6, 'fd00::2', 58, NS)), OP_SUMMED),
    'ping': PLAIN + datagram(0, 0x0800, 0, b'\x00\x01\x00\x01data', OP_ICMP) +
    datagram(1, 0x0800, 0, b'\x00\x01\x00\x01data', OP_ICMP) +
    datagram(0x81, 0x8000, 0, b'\x00\x01\x00\x01data', OP_ICMP) +
    world(0, SEND, bytes(16)) + wait(1000),
    'slirp_tcp4': SLIRP + seg(0, F_SYN) + talk(0),
    'slirp_tcp6': SLIRP + raw(near(ip6(POD6, 'fd00::2', 58, NA)), OP_SUMMED) +
    seg(1, F_SYN) + talk(1),
    'slirp_refused': SLIRP + seg(0x50, F_SYN) + seg(0xd0, F_SYN) + wait(10),
    'slirp_reset': SLIRP + seg(0, F_SYN) + wait(10) + seg(0, F_ACK) +
    seg(0, F_RST | F_ACK),
    'slirp_silent': SLIRP + seg(0, F_SYN) + wait(60000) + wait(60000),
    'write_back': PLAIN + seg(0, F_SYN) + verdict(WRITE_BACK) + wait(1),
    'refuse': PLAIN + seg(0, F_SYN) + verdict(RESET) +
    b''.join(seg(1, F_SYN) + verdict(w) for w in range(2, 7)),
    'decline': PLAIN + seg(0, F_SYN) + verdict(DECLINE) + talk(0),
    'portfwd_dies': PLAIN + seg(0, F_SYN) + bytes([OP_DEAD_PEER]) +
    seg(1, F_SYN) + bytes([OP_PEER]) + verdict(DECLINE) + wait(10),
    'garbage': PLAIN + seg(0, F_SYN) + bytes([OP_GARBAGE, 64, 3, 1, 2, 3]),
    'dns': PLAIN + SERVERS + datagram(2, 5000, 53, QUERY) +
    world(0, SEND, QUERY) + wait(5000) + wait(5000) +
    datagram(0x82, 5000, 53, QUERY) + world(0, CLOSE) + wait(5000),
    'udp': PLAIN + datagram(0, 5000, 7, b'data') + world(0, READ) +
    world(0, SEND, b'back') + wait(10) + datagram(0x80, 5000, 7, b'data') +
    world(1, SEND, b'back' * 9) + wait(60000) + wait(60000) + wait(60000) +
    wait(60000),
    'udp_everywhere': PLAIN + b''.join(
        datagram(w, 9, 7, b'x') + datagram(w | 0x80, 9, 7, b'x')
        for w in range(8)),
    'fragments': PLAIN + raw(frag(0, 1, udp(5000, 7, bytes(16))), OP_SUMMED) +
    raw(frag(24, 0, bytes(8)), OP_SUMMED) + raw(frag(65528, 0, bytes(8))) +
    raw(frag(8, 1, bytes(64)), OP_SUMMED) + wait(60000),
    'vlan': PLAIN + raw(VLAN),
    'extensions': PLAIN + raw(ip6(POD6, WORLD6, 60, CHAIN)),
    'syn_flood': PLAIN + bytes([OP_FLOOD, 0, 255, OP_FLOOD, 0x11, 255]) +
    verdict(DECLINE),
    'syn_flood_slirp': SLIRP + b''.join(
        bytes([OP_FLOOD, i << 4, 255]) for i in range(8)),
    'udp_flood': PLAIN + b''.join(
        bytes([OP_FLOOD, i << 4 | 2, 255]) for i in range(8)),
    'user_hop': USER_HOP + raw(ip4(WORLD4, POD4, TCP, tcp(80, 5000, SYN)),
                               OP_HOP) +
    raw(ip4(POD4, WORLD4, TCP, tcp(5000, 80, SYN | F_ACK)), OP_SUMMED),
    'forged': PLAIN + raw(ip4('10.0.2.55', WORLD4, TCP, tcp(1, 2, SYN)),
                          OP_SUMMED) +
    raw(ip4('10.0.2.2', WORLD4, UDP, udp(1, 2)), OP_SUMMED) +
    raw(MACS[:6] + b'\x02\x00\x00\x00\x00\x77' + ip4(
        POD4, '10.0.2.2', TCP, tcp(1, 2, SYN))[12:], OP_SUMMED),
    'stats': PLAIN + bytes([OP_STATS]),
    'short': PLAIN + raw(MACS) + raw(b'') + raw(ip4(POD4, WORLD4, 6, b'')),
}

write('netstack', SEEDS)
