# SPDX-License-Identifier: GPL-2.0-or-later
"""The namespaces around a run: nothing of the machine is touched, and nothing
is left of it.

Who measures is process 1 of a pid namespace, which dies with the process that
the user started: its end, however it comes, ends all of it, and what it has
mounted and the networks it has made go away with the last of them. Nothing is
written to the machine's file systems but the files that the user names.

An ordinary user gets a user namespace around that, in which the user is root
and the user's subordinate ids are all the others.
"""

import ctypes
import errno
import json
import os
import select
import signal
import subprocess
import sys
import traceback

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # of what is printed
OURS = 125  # the exit status of what failed

LIBC = ctypes.CDLL(None, use_errno=True)


def die(text):
    print(f"podsplice: bench: {text}", file=sys.stderr, flush=True)
    sys.exit(OURS)


def unshare(flags):
    if LIBC.unshare(flags):
        die(f"namespaces: can't be made: {os.strerror(ctypes.get_errno())} "
            "(podsplice doctor says more)")


def check_user(binary):
    """What an ordinary user can't do without here."""
    told = subprocess.run([binary, "doctor", "--json"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if not told.stdout:
        die(told.stderr.strip())
    for check in json.loads(told.stdout)["checks"]:
        if check["status"] != "ok" and check["name"] in (
                "user namespaces", "subordinate ids", "/dev/net/tun"):
            die(f"{check['name']}: {check['text']} ({check['remedy']})")


def enter_user_namespace(binary):
    """Who maps the ids has to stay outside: a child from before."""
    check_user(binary)
    with subprocess.Popen([binary, "bench-map", str(os.getpid())],
                          stdin=subprocess.PIPE) as mapper:
        unshare(CLONE_NEWUSER)
        mapper.stdin.close()
        if mapper.wait():
            sys.exit(OURS)  # it has said why


def as_init(parent, fn):
    """What process 1 does; its exit status."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([parent], [], [], 0)[0]:
        return OURS  # it had ended before that
    # with default actions process 1 would not even notice these
    for sig in ENDS:
        signal.signal(sig, lambda *_: os._exit(OURS))
    try:
        unshare(CLONE_NEWNS | CLONE_NEWNET)
        code = exit_code(fn)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return OURS  # nobody reads on
    except Exception as e:  # pylint: disable=broad-except
        if isinstance(e, OSError) and e.errno in UNWRITTEN:
            print(f"podsplice: bench: standard output: {e.strerror}",
                  file=sys.stderr, flush=True)
        else:
            traceback.print_exc()
        return OURS


def exit_code(fn):
    """What it returns or exits with."""
    try:
        return fn()
    except SystemExit as e:
        return e.code


class Later:
    """A process from before the namespaces, for what starts programs after
    them: who has made a pid namespace can't once it has ended.
    """

    def __init__(self, fn):
        wait, self.go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.go)
            for sig in ENDS:
                signal.signal(sig, signal.SIG_DFL)
            os._exit(fn() if os.read(wait, 1) else 0)
        os.close(wait)

    def do(self):
        """The exit status that fn returns there."""
        os.write(self.go, b"\n")
        _, status = os.waitpid(self.pid, 0)
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else OURS


def run_inside(binary, fn):
    """The exit status that fn returns there.

    A signal that ends us ends all of it first.
    """
    caught = []
    for sig in ENDS:
        signal.signal(sig, signal.SIG_DFL)
    if os.geteuid():
        enter_user_namespace(binary)
    unshare(CLONE_NEWPID)
    parent, alive = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(alive)
        code = as_init(parent, fn)
        os._exit(code)
    os.close(parent)

    def end(sig, _):
        caught.append(sig)
        os.kill(pid, signal.SIGKILL)

    for sig in ENDS:
        signal.signal(sig, end)
    _, status = os.waitpid(pid, 0)
    os.close(alive)
    if caught:
        signal.signal(caught[0], signal.SIG_DFL)
        os.kill(os.getpid(), caught[0])
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else OURS
