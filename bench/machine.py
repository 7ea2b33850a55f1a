# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures were taken on, and under which settings."""

import os
import re
import time

# of the machine, or of the first network namespace: before we leave it
GLOBAL = ("net/core/default_qdisc", "net/core/rmem_max", "net/core/wmem_max",
          "fs/pipe-max-size")
# of each network namespace
LOCAL = ("net/core/somaxconn", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem")


def read_sysctls(names):
    """By their names, with dots; those that can't be read are None."""
    values = {}
    for name in names:
        try:
            with open(f"/proc/sys/{name}", encoding="utf-8") as f:
                value = " ".join(f.read().split())
        except OSError:
            value = None
        values[name.replace("/", ".")] = value
    return values


def describe_machine():
    """Before the namespaces are made."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpu = re.search(r"model name\s*:\s*(.*)", f.read())
    with open("/proc/meminfo", encoding="utf-8") as f:
        mem = int(f.read().split()[1]) // 1024
    return {"cpu": cpu.group(1) if cpu else os.uname().machine,
            "cores": len(os.sched_getaffinity(0)), "memory_mib": mem,
            "kernel": os.uname().release, "load": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%d"),
            "as": "user" if os.geteuid() else "root",
            "sysctls": read_sysctls(GLOBAL + LOCAL)}


def print_machine(facts):
    sysctls = ", ".join(f"{name.rpartition('.')[2]} {value or '?'}"
                        for name, value in facts["sysctls"].items())
    print(f"{facts['date']}: {facts['cpu']}, {facts['cores']} cores, "
          f"{facts['memory_mib']} MiB, Linux {facts['kernel']}, "
          f"load {facts['load']:.1f}, as {facts['as']}\n"
          f"{facts['rounds']} rounds of {facts['seconds']:g} s, "
          f"{facts['congestion']} wanted, link MTU {facts['link_mtu']}\n"
          f"{sysctls}", flush=True)
    for name, version in facts["versions"].items():
        print(f"{name:12} {version}", flush=True)
