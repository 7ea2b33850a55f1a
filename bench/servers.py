# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer is started around: the server at the end of its path."""


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
