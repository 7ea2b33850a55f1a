# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer is started around: the server at the end of its path; and the
DNS server of the lab.
"""

import contextlib
import json
import os
import shutil
import time

from lab import CLIENT4, Failed, run

DNS_PORT = 53
START_S = 10  # for the DNS server
FILES = (1 << 10, 1 << 16)  # bytes, that nginx has


class BenchServer:
    """Our own: it serves all generators but those of HTTP and DNS."""

    name = "bench-server"  # its process's

    def argv(self, lab, ports):
        udp = ["--udp"] if "udp" in ports.protocols else []
        return [lab.bin, "bench-load", "serve", *udp, "--count",
                str(ports.count), "::", str(ports.first)]

    def ask(self, lab, port):
        """A checked answer through the peer, or Failed."""
        lab.load("host", ["bulk", "--bytes", "1", "127.0.0.1", str(port)])


class Nginx:
    """As ordinary account, one process, files that hold the pattern."""

    name = "nginx"

    def argv(self, lab, ports):
        folder = f"{lab.tmp}/home/nginx-{ports.first}"
        if not os.path.exists(folder):
            os.mkdir(folder)
            self.fill(folder, ports.first)
            run(["chown", "-R", f"--reference={lab.tmp}/home", folder])
        # "user": where the account is root, in a namespace of its own
        return ["nginx", "-e", "stderr", "-c", f"{folder}/conf", "-g",
                "user root;"]

    def fill(self, folder, port):
        for size in FILES:
            with open(f"{folder}/{size}", "wb") as f:
                f.write(pattern(size))
        temporary = "".join(f"{x}_temp_path {folder}/temporary;\n" for x in
                            ("client_body", "proxy", "fastcgi", "uwsgi",
                             "scgi"))
        with open(f"{folder}/conf", "w", encoding="utf-8") as f:
            f.write(f"""daemon off;
master_process off;
pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    root {folder};
    {temporary}
    server {{ listen {port}; }}
}}
""")

    def ask(self, lab, port):
        lab.load("host", ["http", "--seconds", "0.05", "127.0.0.1",
                          str(port)])


class Iperf3:
    """What everybody measures with."""

    name = "iperf3"

    def argv(self, lab, ports):
        return ["iperf3", "-s", "-p", str(ports.first)]

    def ask(self, lab, port):
        self.measure(lab, "host", "127.0.0.1", port, "-n", "1M")

    def measure(self, lab, where, target, port, *args):
        """Bits in a second that arrived."""
        out = run(lab.ns(where, ["iperf3", "-J", "-c", target, "-p",
                                 str(port), *args], user=True), env=lab.env)
        try:
            return json.loads(out)["end"]["sum_received"]["bits_per_second"]
        except KeyError as e:
            raise Failed(f"iperf3: {json.loads(out).get('error', e)}") from e


def missing(lab, group):
    """The program that a group of rows can't do without, if it isn't there."""
    name = {"http": "nginx", "check": "iperf3"}.get(group)
    if name and not shutil.which(name, path=lab.env["PATH"]):
        return name
    return None


def pattern(size):
    """The beginning of what bench/pattern.c makes."""
    period, mask = 65521, (1 << 64) - 1
    x, out = 0x9e3779b97f4a7c15, bytearray()
    for _ in range(period):
        x ^= x << 13 & mask
        x ^= x >> 7
        x ^= x << 17 & mask
        out.append(x >> 32 & 255)
    return bytes(out * (size // period + 1))[:size]


@contextlib.contextmanager
def dns_server(lab):
    """On the other host; the host's resolv.conf names it meanwhile."""
    path = "/etc/resolv.conf"  # the lab's own
    kept = None
    if os.path.lexists(path):
        kept = f"{path}.before"
        os.rename(path, kept)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"nameserver {CLIENT4}\n")
    run(lab.ns("client", ["sysctl", "-qw",
                          f"net.ipv4.ip_unprivileged_port_start={DNS_PORT}"]))
    server = lab.spawn("client", [lab.bin, "bench-load", "serve-dns", CLIENT4,
                                  str(DNS_PORT)], f"{lab.tmp}/dns.log")
    try:
        wait_dns(lab)
        yield
    finally:
        server.kill()
        server.wait()
        os.remove(path)
        if kept:
            os.rename(kept, path)


def wait_dns(lab):
    until = time.monotonic() + START_S
    while True:
        try:
            lab.load("host", ["dns", "--seconds", "0.05", CLIENT4,
                              str(DNS_PORT)])
            return
        except Failed as e:
            if time.monotonic() > until:
                raise Failed(f"no DNS server: {e}") from e
            time.sleep(0.05)
