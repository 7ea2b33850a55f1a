# SPDX-License-Identifier: GPL-2.0-or-later
"""screen COLS ROWS STEP... -- COMMAND...: a command on an emulated terminal

Steps: see TEXT, not TEXT (wait until it is, or isn't, on the screen), type KEYS
(^C is a control character), size COLS ROWS, stopped, continue, ready (say so),
end (wait, and tell the status and whether the terminal is as it was).
"""
import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time

import pyte

HANG = 40


def resize(fd, cols, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))


class Terminal:
    def __init__(self, cols, rows, command):
        self.master, slave = os.openpty()
        resize(self.master, cols, rows)
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.screen = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.alternate = False
        self.tail = b''
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(slave, fd)
            os.execvp(command[0], command)

    def pump(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            data = os.read(self.master, 65536)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            return
        for i in range(len(data)):
            byte = data[i:i + 1]
            self.stream.feed(byte)
            self.tail = (self.tail + byte)[-8:]
            # pyte has one screen: what is left on the other doesn't matter
            if self.tail == b'\033[?1049h':
                self.alternate = True
            elif self.tail == b'\033[?1049l':
                self.alternate = False
                self.screen.reset()

    def text(self):
        return '\n'.join(self.screen.display)

    def until(self, what, test):
        end = time.monotonic() + HANG
        while not test():
            if time.monotonic() > end:
                sys.exit(f'never: {what}\n{self.text()}')
            self.pump(0.05)


def ended(t, flags, state):
    pid, status = os.waitpid(t.pid, os.WNOHANG | flags)
    if pid:
        state.append(status)
    return bool(pid)


def main(argv):
    split = argv.index('--')
    t = Terminal(int(argv[0]), int(argv[1]), argv[split + 1:])
    for step in argv[2:split]:
        verb, _, rest = step.partition(' ')
        if verb == 'see':
            t.until(step, lambda: t.alternate and rest in t.text())
        elif verb == 'not':
            t.until(step, lambda: t.alternate and rest not in t.text())
        elif verb == 'type':
            keys = rest.encode()
            if rest[0] == '^':
                keys = bytes([ord(rest[1]) & 0x1f])
            os.write(t.master, keys)
        elif verb == 'size':
            cols, rows = map(int, rest.split())
            t.screen.resize(rows, cols)
            resize(t.master, cols, rows)
        elif verb == 'stopped':
            t.until(step, lambda: ended(t, os.WUNTRACED, []))
            t.until('the screen is left', lambda: not t.alternate)
        elif verb == 'continue':
            os.killpg(t.pid, signal.SIGCONT)
        elif verb == 'ready':
            print('ready', flush=True)
        elif verb == 'end':
            state = []
            t.until(step, lambda: ended(t, 0, state))
            t.pump(0.2)
            left = ' '.join(t.text().split())
            same = termios.tcgetattr(t.slave) == t.before and not t.alternate
            print(*left.split(), f'end {os.waitstatus_to_exitcode(state[0])},',
                  'the terminal as before' if same else 'a broken terminal')
        else:
            sys.exit(f'no such step: {step}')


if __name__ == '__main__':
    main(sys.argv[1:])
