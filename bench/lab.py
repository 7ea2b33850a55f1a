# SPDX-License-Identifier: GPL-2.0-or-later
"""The two hosts a comparison is made on, and the account the helpers run as.

See bench.py for the picture. All of it lives in the namespaces that outer.py
has made, and ends with them. What is done there as their root is the same for
root and for an ordinary user; the account has other ids where there are fewer.
"""

import json
import os
import select
import shutil
import stat
import subprocess
import sys

HOST4, CLIENT4, GATEWAY4 = "198.18.0.1", "198.18.0.2", "198.18.0.254"
HOST6, CLIENT6, GATEWAY6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::fe"
NEAR4, FAR4 = "198.18.1.1", "198.18.1.2"  # the ends of the far leg
LINK_MTU = 1500
USER = "psbench"
SUBIDS_LEAST = 8192
# on a machine that has them all nothing is there under these directories that
# a run needs, but see private_dir()
DIRS = ("/mnt", "/media", "/srv", "/opt")


class Failed(Exception):
    """A measurement that gave no figure; the text says why."""


REFUSED = "refused: "  # what that text begins with


class Refused(Failed):
    """A peer that isn't, or can't be shown to be, what its name promises."""

    def __init__(self, why):
        super().__init__(REFUSED + str(why))


def said(stderr):
    """Its lines, of our generators without whose they are: what they say is of
    the peer between them."""
    return [line.removeprefix("podsplice: bench-load ")
            for line in stderr.strip().splitlines()]


def run(argv, timeout=60, **kw):
    """Run to the end; its stdout, or Failed with its last line of stderr."""
    try:
        p = subprocess.run(argv, stdout=subprocess.PIPE, timeout=timeout,
                           stderr=subprocess.PIPE, text=True, check=False,
                           **{"stdin": subprocess.DEVNULL, **kw})
    except subprocess.TimeoutExpired as e:
        raise Failed(f"not done after {timeout} s") from e
    except OSError as e:
        raise Failed(str(e)) from e
    if p.returncode:
        lines = said(p.stderr) or [f"status {p.returncode}"]
        raise Failed(lines[-1])
    return p.stdout


def ids_here():
    """How many, from 0 on, both users and groups."""
    counts = []
    for name in ("uid_map", "gid_map"):
        end = 0
        with open(f"/proc/self/{name}", encoding="utf-8") as f:
            for inside, _, count in sorted(
                    [int(x) for x in line.split()] for line in f):
                end += count if inside == end else 0
        counts.append(end)
    return min(counts)


def account_ids():
    """An id for the account, the first of its subordinate ids, how many."""
    ids = ids_here()
    if ids > 4000000:
        return 30001, 3000000, 65536
    if ids < 2000 + SUBIDS_LEAST:
        raise Failed(f"subordinate ids: {ids - 1}, which are too few (sudo "
                     "usermod --add-subuids 100000-165535 --add-subgids "
                     "100000-165535 USER)")
    return 1000, 2000, ids - 2000


def open_to_all(path):
    """Can anybody look for a file in that directory?"""
    path = os.path.realpath(path)
    while os.path.isdir(path) and os.stat(path).st_mode & stat.S_IXOTH:
        if path == "/":
            return True
        path = os.path.dirname(path)
    return False


def private_dir(needed):
    """A directory to mount over: one that is there anyway, so that none is
    left behind, and that has none of the needed files in it."""
    for path in DIRS:
        if os.path.isdir(path) and not any(
                (os.path.realpath(x) + "/").startswith(path + "/")
                for x in needed):
            return path
    raise Failed(f"no directory of {', '.join(DIRS)} to mount over "
                 "(sudo mkdir /mnt)")


class Delay:
    """A delay line between the interfaces "a" and "b" of a namespace."""

    def __init__(self, lab, where, *args):
        self.proc = subprocess.Popen(
            lab.ns(where, [lab.bin, "bench-load", "delay", *args, "a", "b"]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=lab.env)
        self.told()

    def told(self):
        ready, _, _ = select.select([self.proc.stdout], [], [], 10)
        line = self.proc.stdout.readline() if ready else b""
        if not line:
            raise Failed("the delay line has ended")
        return json.loads(line)

    def begin(self, seed):
        """The pattern anew; what became of the one before."""
        try:
            self.proc.stdin.write(b"%d\n" % seed)
            self.proc.stdin.flush()
        except BrokenPipeError as e:
            raise Failed("the delay line has ended") from e
        return self.told()

    def end(self):
        self.proc.stdin.close()
        try:
            return self.told()
        finally:
            self.proc.wait(10)
            self.proc.stdout.close()


class Lab:
    """The two hosts and the account; all of it ends with this process."""

    def __init__(self, binary, congestion):
        self.congestion = congestion
        self.uid, *self.subids = account_ids()
        path = os.environ["PATH"].split(":")
        self.tmp = private_dir([binary, sys.executable, sys.prefix,
                                os.path.dirname(__file__), *path])
        # the copies first, then what others of the account's can execute
        self.path = [f"{self.tmp}/bin", *filter(open_to_all, path)]
        self.mount()
        # two files: pages that the helper shares with a generator would not
        # count as its own
        self.bin = f"{self.tmp}/bin/generator"
        os.mkdir(f"{self.tmp}/bin")
        for name in (self.bin, f"{self.tmp}/bin/podsplice"):
            shutil.copy(binary, name)
            os.chmod(name, 0o755)
        self.account()
        self.newidmap()
        self.network()

    def mount(self):
        run(["mount", "--make-rprivate", "/"])
        run(["mount", "-t", "proc", "proc", "/proc"])
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "bench", self.tmp])
        self.tun()

    def tun(self):
        """For the account to open; who can't make one needs the machine's."""
        if not os.path.exists("/dev/net/tun"):
            raise Failed("/dev/net/tun: missing (sudo modprobe tun)")
        try:
            os.mknod(f"{self.tmp}/tun", 0o20666, os.makedev(10, 200))
        except PermissionError as e:
            if os.stat("/dev/net/tun").st_mode & 0o6 != 0o6:
                raise Failed("/dev/net/tun: not for all users (sudo chmod "
                             "666 /dev/net/tun)") from e
            return
        os.chmod(f"{self.tmp}/tun", 0o666)
        run(["mount", "--bind", f"{self.tmp}/tun", "/dev/net/tun"])

    def account(self):
        home = f"{self.tmp}/home"
        lines = {"passwd": f"{USER}:x:{self.uid}:{self.uid}::{home}:/bin/sh",
                 "group": f"{USER}:x:{self.uid}:",
                 "subuid": f"{USER}:{self.subids[0]}:{self.subids[1]}",
                 "subgid": f"{USER}:{self.subids[0]}:{self.subids[1]}"}
        # all of /etc: a file that is mounted over comes back as soon as
        # somebody on the machine replaces it
        try:
            shutil.copytree("/etc", f"{self.tmp}/etc", symlinks=True)
        except shutil.Error:
            pass  # without what is not for everybody
        for name, line in lines.items():
            path = f"{self.tmp}/etc/{name}"
            text = ""
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    text = f.read()
            # in front of an account with the same id
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"{line}\n{text}")
        run(["mount", "--bind", f"{self.tmp}/etc", "/etc"])
        for path in (home, f"{self.tmp}/run"):
            os.mkdir(path, 0o700)
            os.chown(path, self.uid, self.uid)
        self.env = {"HOME": home, "XDG_RUNTIME_DIR": f"{self.tmp}/run",
                    "USER": USER, "LOGNAME": USER, "LC_ALL": "C",
                    "PATH": ":".join(self.path)}

    def newidmap(self):
        """Where files of the machine's root lend nobody its power, files of
        the root that is here do: on a file system that was made here."""
        for name in ("newuidmap", "newgidmap"):
            path = shutil.which(name)
            if not path or os.stat(path).st_uid == 0:
                continue
            shutil.copyfile(path, f"{self.tmp}/bin/{name}")
            os.chmod(f"{self.tmp}/bin/{name}", 0o4755)
            run(["mount", "--bind", f"{self.tmp}/bin/{name}",
                 os.path.realpath(path)])

    def ns(self, where, argv, user=False):
        """argv as run in a host ("host", "client") or of a process (pid)."""
        net = f"/proc/{where}/ns/net" if isinstance(where, int) \
            else f"{self.tmp}/net-{where}"
        drop = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}",
                "--clear-groups"] if user else []
        return ["nsenter", f"--net={net}"] + drop + argv

    def network(self):
        self.namespace("host")
        self.namespace("client")
        run(self.ns("host", ["ip", "link", "add", "eth0", "type", "veth",
                             "peer", "name", "eth0", "netns",
                             f"{self.tmp}/net-client"]))
        # helpers give the gateway's address a meaning of their own: the
        # client has it, but isn't measured by it
        for name, cmds in {
                "host": (f"addr add {HOST4}/24 dev eth0",
                         f"addr add {HOST6}/64 dev eth0 nodad",
                         f"route add default via {GATEWAY4}",
                         f"-6 route add default via {GATEWAY6}"),
                "client": (f"addr add {CLIENT4}/24 dev eth0",
                           f"addr add {GATEWAY4}/24 dev eth0",
                           f"addr add {CLIENT6}/64 dev eth0 nodad",
                           f"addr add {GATEWAY6}/64 dev eth0 nodad")}.items():
            for cmd in ("link set lo up", f"link set eth0 up mtu {LINK_MTU}",
                        *cmds):
                run(self.ns(name, ["ip"] + cmd.split()))
            self.tune(name)

        # a port that isn't there yet says so, however often it is asked
        run(self.ns("host", ["sysctl", "-qw", "net.ipv4.icmp_ratelimit=0"]))

    def link_mtu(self, mtu):
        for name in ("host", "client"):
            run(self.ns(name, ["ip", "link", "set", "eth0", "mtu", str(mtu)]))

    def far_leg(self):
        """A third host, "far", behind a namespace where a delay line goes:

            far (198.18.1.2) ---- b middle a ---- (198.18.1.1) host
        """
        self.namespace("far")
        self.namespace("middle")
        # else frames longer than the MTU, without a checksum, would arrive
        plain = "tx off sg off tso off gso off gro off".split()
        for where, name, end, addr in (("host", "eth1", "a", NEAR4),
                                       ("far", "eth0", "b", FAR4)):
            run(self.ns(where, ["ip", "link", "add", name, "type", "veth",
                                "peer", "name", end, "netns",
                                f"{self.tmp}/net-middle"]))
            run(self.ns("middle", ["sysctl", "-qw",
                                   f"net.ipv6.conf.{end}.disable_ipv6=1"]))
            for ns, link in ((where, name), ("middle", end)):
                run(self.ns(ns, ["ethtool", "-K", link, *plain]))
                run(self.ns(ns, ["ip", "link", "set", "dev", link, "up",
                                 "mtu", str(LINK_MTU)]))
            run(self.ns(where, ["ip", "link", "set", "dev", "lo", "up"]))
            run(self.ns(where, ["ip", "addr", "add", f"{addr}/24", "dev",
                                name]))
            self.tune(where)

    def namespace(self, name):
        with open(f"{self.tmp}/net-{name}", "w", encoding="utf-8"):
            pass
        run(["unshare", f"--net={self.tmp}/net-{name}", "true"])

    def tune(self, where):
        """What all ends of connections have in common."""
        # many short connections: a minute in TIME_WAIT is a long time
        run(self.ns(where, ["sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1",
                            "net.ipv4.ip_local_port_range=10000 65000"]))
        self.set_congestion(where)

    def set_congestion(self, where):
        """For sockets made from here on in that namespace."""
        try:
            run(self.ns(where, ["sysctl", "-qw",
                                "net.ipv4.tcp_congestion_control="
                                + self.congestion]))
            return
        except Failed:
            pass
        for family in ("-4", "-6"):
            text = run(self.ns(where, ["ip", family, "route", "show",
                                       "table", "all"]))
            for line in text.splitlines():
                words = [w for w in line.split()
                         if w not in ("linkdown", "dead")]
                if not words or words[0] in (
                        "broadcast", "multicast", "anycast", "unreachable",
                        "prohibit", "blackhole"):
                    continue
                try:
                    run(self.ns(where, ["ip", family, "route", "replace",
                                        *words, "congctl", self.congestion]))
                except Failed:
                    pass  # what it really is gets looked at and printed

    def load(self, where, args, timeout=60):
        """One generator run; its JSON."""
        out = run(self.ns(where, [self.bin, "bench-load"] + args,
                          user=not isinstance(where, int)),
                  timeout=timeout, env=self.env)
        return json.loads(out.splitlines()[-1])

    def sample(self, roots, skip=()):
        args = [x for name in skip for x in ("--skip", name)]
        return json.loads(run([self.bin, "bench-sample"] + args
                              + [str(pid) for pid in roots]))

    def spawn(self, where, argv, log):
        with open(log, "ab") as f:
            return subprocess.Popen(
                self.ns(where, argv, user=True), stdin=subprocess.DEVNULL,
                stdout=f, stderr=f, env=self.env, start_new_session=True)
