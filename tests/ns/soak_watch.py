#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a helper has: `watch` writes it down, a line of JSON each time, `idle`
prints what there is now in words to compare, `judge` tells whether what was
written down grew, `total` what the loads have done."""

import json
import os
import re
import socket
import subprocess
import sys
import time

# What may come on top of the most that was seen, in the first third: a flow
# more or less, a page more or less. netstack's buffers are libslirp's, 256
# KiB for each of its connections.
ALLOWANCE = {'fds': 40, 'KiB': 256, 'elements': 60}
NETSTACK_KIB = 4096
POOL = 64  # sockets of the hop that portfwd may have at hand
PROCESSES = 'supervisor', 'netstack', 'portfwd', 'maker'


def control(path, verb):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(path)
        s.sendall(json.dumps({'execute': verb}).encode())
        s.shutdown(socket.SHUT_WR)
        return json.load(s.makefile())['return']


def private_kib(pid):
    with open(f'/proc/{pid}/smaps_rollup') as f:
        return sum(map(int, re.findall(r'^Private_\w+: *(\d+)', f.read(),
                                       re.M)))


def ticks(pid):
    with open(f'/proc/{pid}/stat') as f:
        return sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13]))


def elements(maker):
    """of each set in the hop"""
    out = subprocess.run(['nsenter', '-t', str(maker), '-n', 'nft', '-j',
                          'list', 'ruleset'], check=True,
                         stdout=subprocess.PIPE).stdout
    return {x['set']['name'] + ' elements': len(x['set'].get('elem', []))
            for x in json.loads(out)['nftables'] if 'set' in x}


def sample(path):
    """What can't be told while a process is started again is left out."""
    out = {'time': time.time()}
    pids = control(path, 'info')['pids']
    for name in PROCESSES:
        try:
            pid = pids[name]
            now = {f'{name} fds': len(os.listdir(f'/proc/{pid}/fd')),
                   f'{name} KiB': private_kib(pid),
                   f'{name} ticks': ticks(pid)}
            if name == 'maker':
                now.update(elements(pid))
            out.update(now)
        except (OSError, subprocess.CalledProcessError):
            pass
    flows = control(path, 'stats')['flows']
    out.update((f'{path} flows', flows[path]['open']) for path in flows)
    return out


def netstack(path):
    """netstack SOCKET: its pid; nothing while there is none"""
    print(control(path, 'info')['pids']['netstack'] or '')


def watch(path, seconds, every):
    """watch SOCKET SECONDS EVERY"""
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        print(json.dumps(sample(path)), flush=True)
        time.sleep(float(every))


def idle(path):
    """idle SOCKET: what comes back to what it was. Not what netstack has:
    libslirp closes a socket for datagrams after four minutes. Of
    portfwd's descriptors as many are no difference as are in its pool."""
    now = sample(path)
    now['portfwd fds'] = max(now['portfwd fds'], POOL + 20)
    print(*(f'{k}={v}' for k, v in sorted(now.items())
            if k.endswith(('elements', 'flows', 'fds'))
            and not k.startswith(('netstack', 'slirp'))), sep='\n')


def busy(path):
    """busy SOCKET: which processes used the CPU for two seconds"""
    before = sample(path)
    time.sleep(2)
    # a question was answered meanwhile
    now = sample(path)
    print(*(name for name in PROCESSES
            if now[f'{name} ticks'] - before[f'{name} ticks'] > 4))


def judge(file, warm_up, *units):
    """judge FILE SECONDS UNIT...: a line of TAP for each thing counted in
    these, the first SECONDS left out"""
    with open(file) as f:
        samples = [json.loads(line) for line in f]
    samples = [s for s in samples
               if s['time'] >= samples[0]['time'] + float(warm_up)]
    late = [s for s in samples if s['time'] >= samples[0]['time'] + 60]
    for key in sorted({k for s in samples for k in s}):
        unit = key.split()[-1]
        if unit not in units:
            continue
        # elements that live for a minute: as many as came in the last one
        seen = late if key.startswith(('closing', 'ended')) else samples
        n = len(seen) // 3
        if not n:
            continue  # too short a run to tell
        first, last = ([s[key] for s in part if key in s]
                       for part in (seen[:n], seen[-n:]))
        more = NETSTACK_KIB if key == 'netstack KiB' else ALLOWANCE[unit]
        good = first and last and \
            sum(last) / len(last) <= max(first) + more
        print('ok' if good else 'not ok', f'{key} are flat:',
              *(f'{min(part)}-{max(part)}' for part in (first, last) if part),
              sep=' ')


def total(*files):
    """total FILE...: a line of TAP for each kind of load, from the last line
    of each file"""
    all_ops = all_bytes = 0
    for file in files:
        with open(file) as f:
            rows = json.loads(f.readlines()[-1])
        for kind, target, ops, size, lost, bad in rows:
            print('ok' if ops and not bad else 'not ok',
                  f'{kind} {target}: {ops} times, {size} bytes, '
                  f'{lost} lost, {bad} wrong')
            all_ops += ops
            all_bytes += size
    print(f'# {all_ops} things done, {all_bytes} bytes')


if __name__ == '__main__':
    verbs = {'watch': watch, 'idle': idle, 'busy': busy, 'judge': judge,
             'total': total, 'netstack': netstack}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        for fn in verbs.values():
            print(fn.__doc__)
        sys.exit(2)
    verbs[sys.argv[1]](*sys.argv[2:])
