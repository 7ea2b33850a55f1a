# SPDX-License-Identifier: GPL-2.0-or-later
"""The two hosts a comparison is made on, and the account the helpers run as.

See compare.py for the picture. All of it lives in the mount, pid and network
namespaces of the process that makes a Lab, and ends with it.
"""

import json
import os
import select
import shutil
import subprocess

HOST4, CLIENT4, GATEWAY4 = "198.18.0.1", "198.18.0.2", "198.18.0.254"
HOST6, CLIENT6, GATEWAY6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::fe"
NEAR4, FAR4 = "198.18.1.1", "198.18.1.2"  # the ends of the far leg
LINK_MTU = 1500
USER, UID, SUBID = "psbench", 30001, 3000000


class Failed(Exception):
    """A measurement that gave no figure; the text says why."""


def run(argv, timeout=60, **kw):
    """Run to the end; its stdout, or Failed with its last line of stderr."""
    try:
        p = subprocess.run(argv, stdout=subprocess.PIPE, timeout=timeout,
                           stderr=subprocess.PIPE, text=True, check=False,
                           **{"stdin": subprocess.DEVNULL, **kw})
    except (subprocess.TimeoutExpired, OSError) as e:
        raise Failed(str(e)) from e
    if p.returncode:
        lines = p.stderr.strip().splitlines() or [f"status {p.returncode}"]
        raise Failed(lines[-1])
    return p.stdout


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

    def __init__(self, tmp, binary, congestion):
        self.tmp, self.congestion = tmp, congestion
        self.mount()
        # two files: pages that the helper shares with a generator would not
        # count as its own
        self.bin = f"{tmp}/bin/generator"
        os.mkdir(f"{tmp}/bin")
        for path in (self.bin, f"{tmp}/bin/podsplice"):
            shutil.copy(binary, path)
            os.chmod(path, 0o755)
        self.account()
        self.network()

    def mount(self):
        run(["mount", "--make-rprivate", "/"])
        run(["mount", "-t", "proc", "proc", "/proc"])
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "bench", self.tmp])
        if not os.path.exists("/dev/net/tun"):
            raise Failed("/dev/net/tun: missing (modprobe tun)")
        os.mknod(f"{self.tmp}/tun", 0o20666, os.makedev(10, 200))
        os.chmod(f"{self.tmp}/tun", 0o666)
        run(["mount", "--bind", f"{self.tmp}/tun", "/dev/net/tun"])

    def account(self):
        home = f"{self.tmp}/home"
        lines = {"passwd": f"{USER}:x:{UID}:{UID}::{home}:/bin/sh",
                 "group": f"{USER}:x:{UID}:",
                 "subuid": f"{USER}:{SUBID}:65536",
                 "subgid": f"{USER}:{SUBID}:65536"}
        # all of /etc: a file that is mounted over comes back as soon as
        # somebody on the machine replaces it
        run(["cp", "-a", "/etc", f"{self.tmp}/etc"])
        for name, line in lines.items():
            with open(f"{self.tmp}/etc/{name}", "a", encoding="utf-8") as f:
                f.write(line + "\n")
        run(["mount", "--bind", f"{self.tmp}/etc", "/etc"])
        for path in (home, f"{self.tmp}/run"):
            os.mkdir(path, 0o700)
            os.chown(path, UID, UID)
        self.env = {"HOME": home, "XDG_RUNTIME_DIR": f"{self.tmp}/run",
                    "USER": USER, "LOGNAME": USER, "LC_ALL": "C",
                    "PATH": f"{self.tmp}/bin:/usr/local/bin:/usr/bin:/bin"
                            ":/usr/local/sbin:/usr/sbin:/sbin"}

    def ns(self, where, argv, user=False):
        """argv as run in a host ("host", "client") or of a process (pid)."""
        net = f"/proc/{where}/ns/net" if isinstance(where, int) \
            else f"{self.tmp}/net-{where}"
        drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}",
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
