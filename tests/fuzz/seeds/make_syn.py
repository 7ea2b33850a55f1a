#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of fuzz_syn into the folder "syn" beside this file."""
from make_frame import write

SYN, RAW, FLUSH, HEAR, VERDICT, GARBAGE, NEW, DIE, BURST = range(9)
# the byte's remainder by 9 is the step, its topmost bit the family
SYN6, BURST6 = 0x87, 0x86


def syn(port, op=SYN):
    return bytes([op]) + port.to_bytes(2, 'big')


def verdict(*pairs):
    return bytes([VERDICT, len(pairs) - 1]) + bytes(x for p in pairs for x in p)


ask = bytes([FLUSH, HEAR])
SEEDS = {
    'all_verdicts': b''.join(syn(p) + syn(p, SYN6) for p in range(9)) + ask +
    verdict(*((i, i // 2) for i in range(18))),
    'again': syn(7) + syn(7) + ask + verdict((0, 0), (0, 0)) + syn(7) + ask,
    'late': syn(7) + ask + verdict((0, 7)) + syn(7) + ask + verdict((0, 0)),
    'unknown': verdict((200, 0), (3, 9)),
    'portfwd_dies': syn(1) + ask + bytes([DIE]) + syn(2) +
    bytes([NEW, FLUSH, HEAR]) + verdict((0, 0), (1, 8)),
    'portfwd_twice': syn(1) + bytes([NEW, NEW, FLUSH, HEAR]) + verdict((0, 1)),
    'full': bytes([BURST, 0, 0, 255]) + ask + verdict((5, 0)) + bytes([NEW]) +
    ask,
    'deaf': (bytes([BURST, 0, 0, 0]) + bytes([BURST6, 0, 0, 0])) * 8 + ask,
    'garbage': bytes([GARBAGE, 64, 9]) + bytes(9) + bytes([GARBAGE, 1, 0]),
    'raw': bytes([RAW, 60]) + bytes.fromhex(
        '52550a000202020000000100080045000028000000004006000'
        '00a000264c6336407') + bytes.fromhex(
            '1f90005000000001000000005002000000000000'),
}

write('syn', SEEDS)
