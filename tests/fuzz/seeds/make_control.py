#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of fuzz_control into the folder "control" beside this
file."""
from make_frame import write

OPEN, SAY, FLOOD, ASK, HALF, CLOSE, HEAR, ANSWER, DIE = range(9)
INFO, STATS, FLOWS = 0x00, 0x10, 0x20
NETSTACK, PORTFWD, MAKER = range(3)


def op(code, which=0, data=b''):
    return bytes([code, which]) + data


def say(which, data, code=SAY):
    return op(code, which, bytes([len(data)]) + data)


def split(which, data, n):
    return b''.join(say(which, data[i:i + n]) for i in range(0, len(data), n))


def request(verb, arguments='{}'):
    return (b'{"execute":"%s","arguments":%s}' %
            (verb.encode(), arguments.encode()))


FLOW = op(ANSWER, PORTFWD, bytes([3, 1]) + bytes(4) + b'\x01\x00\x01' +
          bytes(range(200)))
ALL = (op(ANSWER, NETSTACK, b'\x00' + bytes(range(200))) +
       op(ANSWER, PORTFWD, b'\x01' + bytes(range(200))) +
       op(ANSWER, MAKER, b'\x02' + bytes(20)))
SEEDS = {
    'info': op(OPEN) + op(ASK, INFO) + op(HEAR),
    'stats': op(OPEN) + op(ASK, STATS) + ALL + op(HEAR),
    'flows': op(OPEN) + op(ASK, FLOWS) + FLOW + op(HEAR),
    'bytewise': op(OPEN) + split(0, request('info'), 1) + op(HEAR),
    'two_at_once': op(OPEN) + say(0, request('info') + request('stats')) +
    ALL + op(HEAR),
    'half_close': op(OPEN, 1) + say(1, request('info')[:-1]) + op(HALF, 1) +
    op(HEAR, 1),
    'no_json': op(OPEN) + say(0, b'GET / HTTP/1.0\r\n\r\n{"execute":1}\n') +
    op(HEAR),
    'strings': op(OPEN) + say(0, request('in}fo\\"', '{"a":"}\\u0000"}')),
    'deep': op(OPEN) + say(0, b'{"execute":' + b'[' * 200),
    'long': op(OPEN) + say(0, b' {"execute":"' + b'x' * 240, FLOOD) + op(HEAR),
    'close_while_asked': op(OPEN) + op(ASK, STATS) + op(CLOSE) + ALL,
    'dies': op(OPEN) + op(ASK, STATS) + op(DIE, NETSTACK) + op(DIE, PORTFWD) +
    op(DIE, MAKER) + op(HEAR),
    'odd_answers': op(OPEN) + op(ASK, FLOWS) +
    op(ANSWER, PORTFWD, b'\x43\x07' + bytes(7)) +
    op(ANSWER, PORTFWD, b'\x41\x00'),
    'four': b''.join(op(OPEN, i) + op(ASK, i | FLOWS) for i in range(4)) + FLOW,
}

write('control', SEEDS)
