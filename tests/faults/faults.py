#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fails each call of podsplice in turn (shim.c) and looks at what follows.

faults.py start|restart|traffic|nobufs OPTIONS -- WRAPPER...

 start    a pod from its start to its end: it works, or one line tells why not,
          and nothing is left
 restart  the same, and one of its processes is killed meanwhile
 traffic  a pod that goes on: one flow may be lost, everything else is unharmed
 nobufs   ENOBUFS where portfwd takes connections and sends datagrams: not even
          a datagram is lost

WRAPPER executes podsplice as the account, in the host's namespaces. Prints
"ok NAME", "not ok NAME" and "# diagnostics".
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import re
import select
import signal
import subprocess
import sys
import time

import load
import page

GUARD = 15       # seconds after which something hangs
PR_SET_CHILD_SUBREAPER = 36
HELPERS = ('maker', 'netstack', 'portfwd')  # in the order they are forked
TOLD = re.compile(r'podsplice: [^\n]+: [^\n]+\n')


# What may not work after a fault: it means just that to podsplice.
#  (place, errnos, flows)
MEANT = [
    # the host has no IPv6, or no way out by it
    ('(bind|socket) in open_at|routed_socket|uplink_can_ipv6',
     'EAFNOSUPPORT EADDRNOTAVAIL ENETUNREACH', 'in6 out6'),
    # nobody may read it, so there is no server
    ('read_lines resolv.c', 'EACCES', 'dns'),
]


# Where it takes connections and sends datagrams.
NOBUFS = r'^(accept4|sendmmsg|sendmsg) '

# Who can't wait any more, ends: another takes its place.
ENDS = ['^maker: poll$', '^netstack: read$']


def meant(site, err):
    return {flow for place, errnos, flows in MEANT
            if err in errnos.split() and
            re.search(place, f'{site.call} in {site.where}')
            for flow in flows.split()}


def wait_until(fn, seconds=GUARD):
    end = time.monotonic() + seconds
    while not (got := fn()):
        if time.monotonic() > end:
            break
        time.sleep(0.002)
    return got


def children(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children') as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def is_init(pid):
    try:
        with open(f'/proc/{pid}/status') as f:
            return re.search(r'^NSpid:.*\t1$', f.read(), re.M) is not None
    except OSError:
        return False


class Pod:
    """`podsplice run` with the shim, and what it left."""

    def __init__(self, opts, pg, port, command=('cat',), more=()):
        self.opts, self.port = opts, port
        self.log = open(pg.path + '.err', 'w+')
        self.run = subprocess.Popen(
            [*opts.wrapper, f'LD_PRELOAD={opts.shim}',
             f'FAULTS_PAGE={pg.path}', opts.program, 'run', '-i', *more,
             '-p', f'{port}:80', '--', *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.net = None

    def echoes(self):
        """Does the command run, with stdin and stdout?"""
        try:
            self.run.stdin.write(b'x\n')
            self.run.stdin.flush()
        except BrokenPipeError:
            return False
        out = self.run.stdout
        return bool(select.select([out], [], [], GUARD)[0]) and \
            os.read(out.fileno(), 2) == b'x\n'

    def find(self):
        """Our processes; after echoes()."""
        kids = children(self.run.pid)
        self.init = next(p for p in kids if is_init(p))
        self.pids = dict(zip(HELPERS, (p for p in kids if p != self.init)))
        self.net = load.Namespace(f'/proc/{self.init}/ns/net')

    def end(self):
        """Return: the exit status, or 'hang'"""
        try:
            self.run.stdin.close()
        except BrokenPipeError:
            pass
        try:
            status = self.run.wait(GUARD)
        except subprocess.TimeoutExpired:
            status = 'hang'
            self.run.kill()
            self.run.wait()
        self.run.stdout.close()
        if self.net:
            self.net.close()
        return status

    def messages(self):
        self.log.seek(0)
        return self.log.read()


def reap():
    """Everything that a run has left is our child. Return: what stays"""
    def none_left():
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        return False

    if wait_until(none_left, 5):
        return ''
    left = children(os.getpid())
    names = ' '.join(open(f'/proc/{p}/stat').read().split(')')[0] for p in left)
    for p in left:
        os.kill(p, signal.SIGKILL)
    wait_until(none_left, 5)
    return f'left behind: {names})'


class Nets:
    """The test's hosts, seen from the outside."""

    def __init__(self, opts):
        self.peer = load.Namespace(opts.peer_ns)
        self.opts = opts

    def listen(self, pod):
        """Servers in the pod, one for each family."""
        out = []
        for family, any_addr in ((load.socket.AF_INET, '0.0.0.0'),
                                 (load.socket.AF_INET6, '::')):
            s = pod.net.socket(family)
            s.setsockopt(load.socket.SOL_SOCKET, load.socket.SO_REUSEADDR, 1)
            if family == load.socket.AF_INET6:
                s.setsockopt(load.socket.IPPROTO_IPV6,
                             load.socket.IPV6_V6ONLY, 1)
            s.bind((any_addr, 80))
            s.listen(10)
            out.append(s)
        return out

    def into(self, addr, pod, server):
        self.forget_waiting(server)
        with self.peer.dial(addr, pod.port) as s:
            s.sendall(load.PIECE)
            s.shutdown(load.socket.SHUT_WR)
            c, _ = server.accept()
            with c:
                c.settimeout(load.LIMIT)
                load.expect(load.read_all(c), load.PIECE)

    @staticmethod
    def forget_waiting(server):
        """What a flow that failed may have left in the queue."""
        server.settimeout(0)
        try:
            while True:
                server.accept()[0].close()
        except BlockingIOError:
            server.settimeout(load.LIMIT)

    def served(self, pod, excused):
        """Each sort of traffic once; what failed, in words."""
        o, out = self.opts, []
        servers = self.listen(pod)
        flows = [('in4', self.into, o.host4, pod, servers[0]),
                 ('in6', self.into, o.host6, pod, servers[1]),
                 ('out4', load.get, pod.net, o.peer4, 9000),
                 ('out6', load.put, pod.net, o.peer6, 9000),
                 ('dns', load.dns_udp, pod.net, o.dns4),
                 ('udp', load.udp, pod.net, o.peer4, 9001)]
        for name, fn, *args in flows:
            if name in excused:
                continue
            # the call that fails may be this flow's, and only this one's
            why = load.failure(fn, *args)
            again = why and load.failure(fn, *args)
            if again:
                out.append(f'{name}: {why}, {again}')
        for s in servers:
            s.close()
        return out


def one_run(opts, nets, pg, port, victim, excused):
    """Start, use and end a pod. Return: what is wrong, in words, or ''"""
    pod = Pod(opts, pg, port)
    wrong = []
    up = pod.echoes()
    try:
        if up:
            pod.find()
            if victim:
                os.kill(pod.pids[victim], signal.SIGKILL)
            wrong += nets.served(pod, excused)
    except (FileNotFoundError, StopIteration):
        up = False  # it ended as soon as it had begun
    status = pod.end()
    text = pod.messages()
    pod.log.close()
    lines = text.splitlines(keepends=True)
    if left := reap():
        wrong.append(left)
    if status == 'hang':
        wrong.append('hangs')
    elif status not in (0, 125):
        wrong.append(f'status {status}')
    elif status == 0 and not up:
        wrong.append('status 0, but the command did not run')
    elif status == 125 and up and not pg.fired():
        wrong.append('status 125 without a fault')
    if status == 125 and not victim and \
            (len(lines) != 1 or not TOLD.fullmatch(text)):
        wrong.append('is not told in one clear line')
    if any(not line.startswith('podsplice: ') for line in lines):
        wrong.append('says what is not our line')
    if wrong and text:
        wrong.append('it said:\n' + text)
    return '\n'.join(wrong)


class Case:
    def __init__(self, site, err, victim=None, skip=0):
        self.site, self.err, self.skip = site, err, skip
        self.victim = victim

    def job(self):
        return (self.site.key, self.err, self.victim, self.skip,
                meant(self.site, self.err))


def choose(sites, opts, victim=None):
    """The cases: all errnos of a site, or one that its place chooses."""
    out = []
    for s in sorted(sites, key=lambda s: s.key):
        # to change or remove what is watched takes no memory: it can't fail
        if s.call == 'epoll_ctl' and 'loop_add' not in s.where:
            continue
        if opts.only and not re.search(opts.only, f'{s.role} {s.call} {s.where}'):
            continue
        all_errnos = page.errnos(s.call)
        if not opts.long:
            all_errnos = [all_errnos[s.key // 2 % len(all_errnos)]]
        out += [Case(s, e, victim) for e in all_errnos]
    return out


def worker(opts, number, pg, todo, done):
    """Takes cases and tells what was wrong with each."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    nets = Nets(opts)
    while (job := todo.get()) is not None:
        index, key, err, victim, skip, excused = job
        pg.arm(key, page.number(err) if err else 0, skip)
        try:
            wrong = one_run(opts, nets, pg, 8080 + number, victim, excused)
        except Exception as e:  # ours, or it would hang the parent
            wrong = f'the test itself: {e!r}'
        done.put((index, wrong, pg.fired() or not key))


class Crew:
    """Workers, each with a port and a page of its own."""

    def __init__(self, opts):
        self.opts = opts
        self.todo, self.done = multiprocessing.Queue(), multiprocessing.Queue()
        self.pages = [page.Page(f'{opts.dir}/page-{i}')
                      for i in range(opts.jobs)]
        self.all = [multiprocessing.Process(
            target=worker, args=(opts, i, pg, self.todo, self.done))
            for i, pg in enumerate(self.pages)]
        for w in self.all:
            w.start()

    def run(self, jobs):
        """[(key, errno, victim, skip, excused)] → [(wrong, fired)]"""
        for i, job in enumerate(jobs):
            self.todo.put((i, *job))
        out = [None] * len(jobs)
        for _ in jobs:
            i, wrong, fired = self.done.get()
            out[i] = (wrong, fired)
        return out

    def end(self):
        for _ in self.all:
            self.todo.put(None)
        for w in self.all:
            w.join()


class Tally:
    """Results by role and call."""

    def __init__(self, phase):
        self.phase, self.groups = phase, {}
        self.bad = 0

    def add(self, case, wrong, fired):
        g = self.groups.setdefault(case.site.role,
                                   dict(sites=set(), runs=0, idle=0))
        g['sites'].add(case.site.key)
        g['runs'] += 1
        g['idle'] += not fired
        if not wrong:
            return
        self.bad += 1
        after = f', {case.victim} killed' if case.victim else ''
        print(f'not ok {self.phase}{after}: {case.site.role}: '
              f'{case.site.call} in {case.site.where} fails with {case.err}')
        for line in wrong.splitlines():
            print(f'#   {line}')
        sys.stdout.flush()

    def end(self):
        total = [0, 0, 0]
        for role, g in sorted(self.groups.items()):
            n = len(g['sites']), g['runs'], g['idle']
            total = [a + b for a, b in zip(total, n)]
            print(f'# {self.phase}: {role}: {n[0]} sites, {n[1]} faults, '
                  f'{n[2]} of them not reached')
        name = f'{self.phase}: {total[1]} faults at {total[0]} sites'
        print(f'ok {name}' if total[1] > 2 * total[2] and not self.bad
              else f'not ok {name}: {self.bad} went wrong, '
              f'{total[2]} were not reached')


def learn(pages):
    """All that they have seen; hits are of all of them."""
    sites = {}
    for pg in pages:
        for s in pg.sites():
            if s.key in sites:
                sites[s.key].hits += s.hits
            else:
                sites[s.key] = s
        if pg.overrun():
            print('not ok the page has room for all sites')
    return sites


def reached(opts, crew, victim=None):
    """The sites that runs without a fault come to, which must work."""
    before = learn(crew.pages)
    for wrong, _ in crew.run([(0, None, victim, 0, ())] * 2 * opts.jobs):
        if wrong:
            print('not ok a run without a fault')
            print('\n'.join('#   ' + line for line in wrong.splitlines()))
    after = learn(crew.pages)
    page.name_all(after, opts.program)
    return {k: s for k, s in after.items()
            if k not in before or s.hits > before[k].hits}


def carry_out(crew, tally, cases):
    for case, (wrong, fired) in zip(cases, crew.run(
            [c.job() for c in cases])):
        tally.add(case, wrong, fired)


def phase_start(opts):
    crew, tally = Crew(opts), Tally('start')
    carry_out(crew, tally, choose(reached(opts, crew).values(), opts))
    crew.end()
    tally.end()


def phase_restart(opts):
    crew, tally = Crew(opts), Tally('restart')
    known = reached(opts, crew)
    for victim in HELPERS:
        sites = reached(opts, crew, victim)
        carry_out(crew, tally, choose([s for k, s in sites.items()
                                       if k not in known], opts, victim))
    crew.end()
    tally.end()


# ---- under traffic ----

class Traffic:
    """A pod that goes on, and connections of every sort to and from it."""

    def __init__(self, opts, pg, tries=4):
        self.opts, self.nets, self.pg = opts, Nets(opts), pg
        self.control = f'{opts.dir}/control'
        self.tries = tries  # of a datagram to a published port
        self.pod = None
        self.start()

    def serve(self, *args):
        return subprocess.Popen(
            ['nsenter', '-t', str(self.pod.init), '-n', '--', sys.executable,
             self.opts.net_py, *args], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def start(self):
        self.pod = Pod(self.opts, self.pg, 8080, more=(
            '--control', self.control, '-p', '8081:80/udp'))
        if not self.pod.echoes():
            raise RuntimeError('no pod: ' + self.pod.messages())
        self.pod.find()
        o, net, peer = self.opts, self.pod.net, self.nets.peer
        self.servers = [self.serve('serve', '80'), self.serve('udp-serve', '80')]
        wait_until(lambda: not load.failure(load.get, peer, o.host4, 8080))
        wait_until(lambda: not load.failure(load.udp, peer, o.host4, 8081))
        self.long = [load.Long('long-in4', peer, o.host4, 8080),
                     load.Long('long-in6', peer, o.host6, 8080),
                     load.Long('long-out4', net, o.peer4, 9000),
                     load.Long('long-out6', net, o.peer6, 9000)]
        self.short = [
            ('get-in4', load.get, peer, o.host4, 8080),
            ('put-in6', load.put, peer, o.host6, 8080),
            ('get-out4', load.get, net, o.peer4, 9000),
            ('put-out6', load.put, net, o.peer6, 9000),
            ('who-in4', load.who, peer, o.host4, 8080, o.peer4),
            ('urgent-out4', load.urgent, net, o.peer4, 9000),
            ('reset-in4', load.reset, peer, o.host4, 8080),
            ('refused', load.refused, net, o.peer4, 9),
            ('udp', load.udp, net, o.peer4, 9001),
            ('udp-in4', load.udp, peer, o.host4, 8081, self.tries),
            ('dns', load.dns_udp, net, o.dns4),
            ('dns-tcp', load.dns_tcp, net, o.dns4),
            ('stats', self.ask, 'stats'),
            ('flows', self.ask, 'flows'),
        ]
        for _ in range(3):
            if wrong := self.turn():
                raise RuntimeError(f'without a fault: {wrong}')
        self.full, self.low = self.measure()

    def end(self):
        """Return: what is wrong, in words, or ''"""
        for flow in self.long:
            flow.close()
        for server in self.servers:
            server.kill()
            server.wait()
        status = self.pod.end()
        left = reap()
        self.pod.log.close()
        return left or ('' if status == 0 else f'status {status}')

    def ask(self, verb):
        out = subprocess.run([*self.opts.wrapper, self.opts.program, verb,
                              '--json', '--control', self.control],
                             capture_output=True, timeout=GUARD, text=True)
        load.expect((out.returncode, out.stdout[:1]), (0, '{'))
        return json.loads(out.stdout)

    def turn(self):
        """Each flow once. Return: {name: why} of those that failed"""
        wrong = {}
        for name, fn, *args in self.short:
            if why := load.failure(fn, *args):
                wrong[name] = why
        for flow in self.long:
            if why := load.failure(flow.turn):
                wrong[flow.name] = why
        return wrong

    def reopen(self, names):
        for flow in self.long:
            if flow.name in names:
                flow.open()

    def state(self):
        """{process: (pid, descriptors)}"""
        self.pod.pids = dict(zip(HELPERS, self.helpers()))
        pids = {'supervisor': self.pod.run.pid, 'runner': self.pod.init,
                **self.pod.pids}
        return {who: (pid, len(os.listdir(f'/proc/{pid}/fd')))
                for who, pid in pids.items()}

    def helpers(self):
        """In the order of HELPERS, whoever was started again."""
        kids = [p for p in children(self.pod.run.pid) if p != self.pod.init]
        hop = [p for p in kids if self.net_of(p) != self.net_of(
            self.pod.run.pid)]
        taps = [p for p in kids if p not in hop and self.has_tap(p)]
        return hop[:1] + taps[:1] + [p for p in kids
                                     if p not in hop + taps][:1]

    @staticmethod
    def net_of(pid):
        return os.stat(f'/proc/{pid}/ns/net').st_ino

    @staticmethod
    def has_tap(pid):
        for fd in os.listdir(f'/proc/{pid}/fd'):
            try:
                if os.readlink(f'/proc/{pid}/fd/{fd}') == '/dev/net/tun':
                    return True
            except FileNotFoundError:
                pass  # closed meanwhile
        return False

    def settled(self):
        """As many descriptors as with portfwd's pool full, or fewer."""
        now = self.state()
        return len(now) == len(self.full) and all(
            now[who][1] <= self.full[who][1] for who in now)

    def measure(self):
        """({process: (pid, descriptors)} at most, and at least): the pool is
        emptied and filled as flows come."""
        states = []
        for _ in range(80):
            for addr in (self.opts.host4, self.opts.host6):
                load.failure(load.get, self.nets.peer, addr, 8080, 100)
            states.append(self.state())
        # connections to resolvers wait a while for the next question; flows
        # that ended may not yet be closed
        spare = {'netstack': 4, 'portfwd': 8}
        return [{who: (pid, fn(s[who][1] for s in states) + spare.get(who, 0))
                 for who, (pid, _) in states[0].items()} for fn in (max, min)]

    def leaked(self):
        """What all faults together have left, in words, or ''"""
        low = self.measure()[1]
        return ', '.join(f'{who}: {self.low[who][1]}, then {low[who][1]}'
                         for who in low if low[who][1] >
                         self.low[who][1] + 4 * (who == 'netstack'))

    def spinning(self):
        """Who uses the CPU with nothing to do."""
        def used():
            out = {}
            for who, (pid, _) in self.state().items():
                with open(f'/proc/{pid}/schedstat') as f:
                    out[who] = int(f.read().split()[0])
            return out

        before, begin = used(), time.monotonic_ns()
        time.sleep(0.02)
        after, length = used(), time.monotonic_ns() - begin
        return [who for who in before
                if after.get(who, 0) - before[who] > length / 2]

    def sites(self):
        """All that its traffic comes to."""
        before = learn([self.pg])
        for _ in range(5):
            self.turn()
        after = learn([self.pg])
        page.name_all(after, self.opts.program)
        return [s for k, s in after.items()
                if k not in before or s.hits > before[k].hits]

    def inject(self, case, allowed=1):
        """Return: (what is wrong, in words, did it fire)"""
        said = len(self.pod.messages())
        self.pg.arm(case.site.key, page.number(case.err))
        lost = {}
        for _ in range(3):
            lost.update(self.turn())
            if lost or self.pg.fired():
                break
        fired = self.pg.fired()
        self.pg.arm()
        wrong = [f'{len(lost)} flows lost: {lost}'] if len(lost) > allowed \
            else []
        wrong += self.aftermath(lost)
        text = self.pod.messages()[said:]
        died = re.findall(r'^podsplice: (\w+): .* started again', text, re.M)
        if died and not any(re.search(place, f'{case.site.role}: '
                                      f'{case.site.call}') for place in ENDS):
            wrong.append(f'{" ".join(died)} ended')
        if wrong:
            wrong.append('it said:\n' + text)
        return '\n'.join(wrong), fired

    def aftermath(self, lost):
        out = []
        if gone := load.failure(self.reopen, lost):
            out.append(f'no new long flow: {gone}')
        if later := self.turn():
            out.append(f'afterwards: {later}')
            load.failure(self.reopen, later)
        # libslirp keeps the socket of a flow that it was given for 10 s more
        if not wait_until(self.settled, 40):
            out.append(f'descriptors: {self.full}, then {self.state()}')
        if self.spinning() and self.spinning() and (who := self.spinning()):
            out.append(f'spins: {who}')
        return out


def phase_traffic(opts):
    """One pod, and another when a fault has spoilt it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pg, tally = page.Page(f'{opts.dir}/page-traffic'), Tally('traffic')
    t = Traffic(opts, pg)
    for case in choose(t.sites(), opts):
        try:
            wrong, fired = t.inject(case)
        except Exception as e:  # the pod is gone, most likely
            wrong, fired = f'{e!r}\n' + t.pod.messages(), True
        tally.add(case, wrong, fired)
        if wrong:
            t.end()
            t = Traffic(opts, pg)
    if leak := t.leaked():
        print(f'not ok traffic: descriptors after all of them: {leak}')
    if wrong := t.end():
        print(f'not ok traffic: the end of the pod: {wrong}')
    tally.end()


def phase_nobufs(opts):
    """The kernel may have memory for the next one already."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pg, tally = page.Page(f'{opts.dir}/page-nobufs'), Tally('nobufs')
    t = Traffic(opts, pg, tries=1)
    for s in t.sites():
        if s.role != 'portfwd' or not re.search(NOBUFS, f'{s.call} in {s.where}'):
            continue
        print(f'# nobufs: {s.call} in {s.where}')
        case, before = Case(s, 'ENOBUFS'), t.ask('stats')['errors']['emfile']
        wrong, fired = t.inject(case, allowed=0)
        if s.call == 'accept4' and t.ask('stats')['errors']['emfile'] == before:
            wrong += '\nis not counted'
        tally.add(case, wrong, fired)
    if wrong := t.end():
        print(f'not ok nobufs: the end of the pod: {wrong}')
    tally.end()


PHASES = {'start': phase_start, 'restart': phase_restart,
          'traffic': phase_traffic, 'nobufs': phase_nobufs}


def main():
    p = argparse.ArgumentParser()
    p.add_argument('phase', choices=PHASES)
    for name in ('program', 'shim', 'net-py', 'dir', 'peer-ns', 'host4', 'host6',
                 'peer4', 'peer6', 'dns4', 'dns6'):
        p.add_argument('--' + name, required=True)
    p.add_argument('--jobs', type=int, default=2)
    p.add_argument('--only', help='sites whose name matches')
    p.add_argument('--long', action='store_true')
    p.add_argument('wrapper', nargs='+')
    opts = p.parse_args()
    PHASES[opts.phase](opts)


main()
