# SPDX-License-Identifier: GPL-2.0-or-later
"""pcap FILE: what is in a capture, read without a library

largest N: bytes of the largest frame; in order: times never go back; whole N:
streams of TCP whose bytes are all there, in the pattern of net.py.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net  # noqa: E402


def frames(data):
    magic, _, _, _, _, _, link = struct.unpack_from('<IHHiIII', data)
    assert magic == 0xa1b23c4d and link == 1
    at = 24
    while at < len(data):
        s, ns, cap, full = struct.unpack_from('<IIII', data, at)
        assert cap == full
        yield s * 10**9 + ns, data[at + 16:at + 16 + cap]
        at += 16 + cap


def tcp(frame):
    """(key, flags, sequence, payload) of a TCP segment, or None"""
    kind = struct.unpack_from('>H', frame, 12)[0]
    if kind == 0x0800 and frame[23] == 6:
        total = struct.unpack_from('>H', frame, 16)[0]
        l4 = 14 + (frame[14] & 15) * 4
        end = 14 + total
        addr = frame[26:34]
    elif kind == 0x86dd and frame[20] == 6:
        l4 = 54
        end = l4 + struct.unpack_from('>H', frame, 18)[0]
        addr = frame[22:54]
    else:
        return None
    sport, dport, seq = struct.unpack_from('>HHI', frame, l4)
    start = l4 + (frame[l4 + 12] >> 4) * 4
    return (addr, sport, dport), frame[l4 + 13], seq, frame[start:end]


def main(path):
    largest, last, ordered, streams = 0, 0, True, {}
    with open(path, 'rb') as f:
        data = f.read()
    for when, frame in frames(data):
        largest = max(largest, len(frame))
        ordered = ordered and when >= last
        last = when
        seg = tcp(frame)
        if not seg:
            continue
        key, flags, seq, payload = seg
        if flags & 2:
            streams[key] = (seq + 1, bytearray())
        first, got = streams.get(key, (seq, bytearray()))
        off = (seq - first) & 0xffffffff
        if off < 1 << 31 and payload:
            if len(got) < off + len(payload):
                got.extend(bytes(off + len(payload) - len(got)))
            got[off:off + len(payload)] = payload
    whole = sum(is_pattern(got) for _, got in streams.values())
    print('largest', largest, 'in order' if ordered else 'out of order',
          'whole', whole)


def is_pattern(got):
    """3 MB of net.py's get or put, with or without a request in front"""
    return len(got) >= 3000000 and any(
        b''.join(net.fill(3000000, seed)) in bytes(got) for seed in '12')


if __name__ == '__main__':
    main(*sys.argv[1:])
