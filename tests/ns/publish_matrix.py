#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table behind publish_matrix.sh: specs, probes of who is served by which,
and conflicts. Usage: publish_matrix.py VERB [WORD...] KEY=ADDRESS..."""

import errno
import json
import socket
import sys
import time

A = dict(w.split('=') for w in sys.argv[2:] if '=' in w)
WORDS = [w for w in sys.argv[2:] if '=' not in w]
PROTOS = {'tcp': socket.SOCK_STREAM, 'udp': socket.SOCK_DGRAM}

# Each form of ADDR: its text in a SPEC, in the list of ports, and whom it
# serves. Clients are what they connect to, from the other host or our own.
ALL = {'host4', 'host6', 'other4', 'other6', 'lo4', 'lo6', 'own4', 'own6'}
FORMS = {
    'none': ('', '::', ALL),
    'any4': ('0.0.0.0', '0.0.0.0', {'host4', 'other4', 'lo4', 'own4'}),
    'any6': ('[::]', '::', {'host6', 'other6', 'lo6', 'own6'}),
    'one4': (A['host4'], A['host4'], {'host4', 'own4'}),
    'one6': (f"[{A['host6']}]", A['host6'], {'host6', 'own6'}),
    'lo4': ('127.0.0.1', '127.0.0.1', {'lo4'}),
    'lo6': ('[::1]', '::1', {'lo6'}),
    # what this host sends to an address of eth0 counts as come through it
    'dev': ('%eth0', '%eth0', ALL - {'lo4', 'lo6'}),
}
# from where, to which address, as whom the pod sees it
CLIENTS = {
    'host4': ('peer', A['host4'], A['peer4']),
    'host6': ('peer', A['host6'], A['peer6']),
    'other4': ('peer', A['other4'], A['peer4']),
    'other6': ('peer', A['other6'], A['peer6']),
    'lo4': ('host', '127.0.0.1', A['gw4']),
    'lo6': ('host', '::1', A['gw6']),
    'own4': ('host', A['host4'], A['host4']),
    'own6': ('host', A['host6'], A['host6']),
}


def specs():
    """All of the table: (SPEC, form, wanted host port or 0, off)"""
    port = 8000
    for proto in PROTOS:
        for form, (text, _, _) in FORMS.items():
            port += 1
            yield f'{text}:{port}:80/{proto}'.lstrip(':'), form, port, False
            free = f'{text}::80' if text else '0:80'
            yield f'{free}/{proto}', form, 0, False
            yield f'{text}:80/{proto}'.lstrip(':'), form, 0, False
            port += 1
            yield (f'{text}:{port}:80/{proto},source=off'.lstrip(':'), form,
                   port, True)


def ask(proto, host, port):
    """Whom the pod sees, or what went wrong."""
    try:
        if proto == 'tcp':
            with socket.create_connection((host, port), timeout=20) as s:
                mine = s.getsockname()[1]
                s.sendall(b'who\n')
                with s.makefile() as f:
                    addr, seen = f.readline().split()
                return addr, int(seen) == mine
        with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET,
                           socket.SOCK_DGRAM) as s:
            s.connect((host, port))
            s.settimeout(2)
            for _ in range(10):  # datagrams may be lost
                s.send(b'who')
                try:
                    return s.recv(1000).decode().split()[0], True
                except socket.timeout:
                    pass
            return 'nothing', True
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e)), True


def probe(place, path):
    """Every SPEC from all clients of one place: NAME|GOT|WANT"""
    with open(path, encoding='ascii') as f:
        ports = {p['id']: p for p in json.load(f)['ports']}
    for i, (spec, form, port, off) in enumerate(specs(), 1):
        p, proto = ports[i], spec.split('/')[1][:3]
        listed = (p['proto'], p['host_addr'], p['pod_port'], p['source'],
                  p['host_port'] > 0 if not port else p['host_port'])
        if place == 'host':
            if listed != (proto, FORMS[form][1], 80, 'off' if off else 'keep',
                          port or True):
                print(f'{spec}: how it is listed|{listed}|')
        for who, (where, addr, seen) in CLIENTS.items():
            if where != place:
                continue
            got, same = ask(proto, addr, p['host_port'])
            want = 'ECONNREFUSED'
            if who in FORMS[form][2]:
                want = seen
                if off:
                    want = A['gw6' if ':' in addr else 'gw4']
            # where it is kept, so is the port
            if got == addr and not same and where == 'peer':
                got += ' with another port'
            print(f'{spec}: {place} to {addr}|{got}|{want}')


def bind(proto, form, port):
    """As podsplice would; raises OSError."""
    text = FORMS[form][0]
    six = form in ('none', 'any6', 'one6', 'lo6', 'dev')
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET,
                      PROTOS[proto])
    try:
        if proto == 'tcp':
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY,
                         form not in ('none', 'dev'))
        if form == 'dev':
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
            text = ''
        s.bind((text.strip('[]') or '::', port))
        if proto == 'tcp':
            s.listen(1)
    except OSError:
        s.close()
        raise
    return s


def held():
    """(proto, form, port) of each that is held"""
    return [(proto, form, 9000 + i) for proto in PROTOS
            for i, form in enumerate(FORMS)]


def hold():
    socks = [bind(*h) for h in held()]
    print('ready', len(socks), flush=True)
    time.sleep(1000)


def conflicts():
    """Every form against each held one: SPEC|free or busy|how it is named"""
    for proto, _, port in held():
        for form, (text, _, _) in FORMS.items():
            try:
                bind(proto, form, port).close()
                busy = 'free'
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise
                busy = 'busy'
            print(f'{text}:{port}:80/{proto}'.lstrip(':'), busy,
                  f"{text or '*'}:{port}/{proto}", sep='|')


if sys.argv[1] == 'specs':
    print(*(s[0] for s in specs()), sep='\n')
else:
    {'probe': probe, 'hold': hold, 'conflicts': conflicts}[sys.argv[1]](*WORDS)
