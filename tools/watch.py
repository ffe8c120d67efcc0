#!/usr/bin/env python3
"""./lab watch: judges a lab again whenever one of its sources is saved.

    watch.py NN_name...     the labs, in order; the first is the one to watch

Run in the kit's folder, by ./lab. Sleeps until a source changes, a key is pressed or a
signal comes. Ends with status 0 by the key q, and with 128 + N by signal N.
"""

import ctypes
import hashlib
import os
import pathlib
import select
import signal
import subprocess
import sys
import termios
import time

KEYS = "h hint   a all stories   r run again   t trace   n next lab   q quit"
# An editor writes in several steps. They are one change when no more comes for so long.
QUIET_SECONDS = 0.08
# How often to look where the kernel does not tell.
LOOK_SECONDS = 0.5
# These file systems do not tell of changes that another machine makes.
UNTOLD = {"9p", "nfs", "nfs4", "cifs", "smb3", "vboxsf", "fuse.sshfs", "fuse.vmhgfs-fuse", "prl_fs"}


class Sources:
    """The sources of a lab, and a descriptor that is readable when they may have changed."""

    def __init__(self, folder):
        self.folder = folder
        self.fd = self._inotify()
        self.seen = self.content()

    def _inotify(self):
        """A descriptor of inotify(7), or None where that would tell too little."""
        if os.environ.get("LAB_WATCH_LOOKS") or file_system_of(self.folder) in UNTOLD:
            return None
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if fd < 0:
            return None
        # IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE
        events = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200
        if libc.inotify_add_watch(fd, os.fsencode(self.folder), ctypes.c_uint32(events)) < 0:
            os.close(fd)
            return None
        return fd

    def close(self):
        if self.fd is not None:
            os.close(self.fd)

    def drain(self):
        """Takes what inotify has told. Whether that was anything."""
        if self.fd is None:
            return False
        try:
            return bool(os.read(self.fd, 1 << 16))
        except BlockingIOError:
            return False

    def content(self):
        """A number for each source, by its bytes: to touch a file is no change."""
        found = {}
        for path in sorted(pathlib.Path(self.folder).glob("*.[ch]*")):
            try:
                found[path.name] = hashlib.sha256(path.read_bytes()).digest()
            except OSError:
                pass  # Between its removal and its return.
        return found

    def changed(self):
        """The names of what has changed since the last call."""
        now = self.content()
        names = sorted(name for name in now.keys() | self.seen.keys() if now.get(name) != self.seen.get(name))
        self.seen = now
        return names


def file_system_of(folder):
    """The kind of file system that `folder` lies in, by /proc/self/mounts."""
    folder = os.path.realpath(folder)
    best, kind = "", ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                _, place, its_kind = line.split(" ")[:3]
                place = place.replace("\\040", " ")
                if (folder + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best):
                    best, kind = place, its_kind
    except OSError:
        pass
    return kind


class Terminal:
    """Keys without Enter and without echo, when stdin is a terminal."""

    def __init__(self):
        self.fd = sys.stdin.fileno() if sys.stdin.isatty() else None
        self.before = termios.tcgetattr(self.fd) if self.fd is not None else None
        self.clears = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def take(self):
        if self.fd is None:
            return
        mode = termios.tcgetattr(self.fd)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        # A read never waits: Ctrl-Z throws away the keys that select had promised.
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 0, 0
        termios.tcsetattr(self.fd, termios.TCSANOW, mode)

    def give_back(self):
        if self.fd is not None:
            termios.tcsetattr(self.fd, termios.TCSANOW, self.before)

    def clear(self):
        if self.clears:
            print("\033[H\033[2J", end="")

    def key(self):
        """The key that was pressed, or an empty text."""
        return os.read(self.fd, 64)[:1].decode("ascii", "replace")


class Watch:
    def __init__(self, labs):
        self.labs = labs
        self.lab = labs[0]
        self.sources = Sources(f"labs/{self.lab}")
        self.terminal = Terminal()
        self.child = None
        self.signals, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write_end, False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(write_end)

    def start(self, *arguments):
        """Starts ./lab with `arguments`, in the place of what still runs."""
        self.stop()
        # In a process group of its own, so that Ctrl-C does not reach it before us.
        self.child = subprocess.Popen(["./lab", *arguments], stdin=subprocess.DEVNULL, process_group=0) \
            if sys.version_info >= (3, 11) else \
            subprocess.Popen(["./lab", *arguments], stdin=subprocess.DEVNULL, preexec_fn=os.setpgrp)

    def judge(self, why, *arguments):
        self.terminal.clear()
        print(f"{self.lab}, {time.strftime('%H:%M:%S')}: {why}", flush=True)
        self.start("check", self.lab, *arguments)

    def stop(self):
        """Ends what runs. Bazel gives up at a SIGINT, and cleans up."""
        if self.child is None:
            return
        for number, seconds in ((signal.SIGINT, 5), (signal.SIGTERM, 5), (signal.SIGKILL, None)):
            try:
                os.killpg(self.child.pid, number)
                self.child.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                self.child.wait()
                break
        self.child = None

    def suspend(self):
        """Ctrl-Z: the terminal is the shell's until it wakes us."""
        if self.child is not None:
            os.killpg(self.child.pid, signal.SIGSTOP)
        self.terminal.give_back()
        # With ./lab, which waits for us: only then has the shell its terminal again.
        os.killpg(0, signal.SIGSTOP)
        self.terminal.take()
        if self.child is not None:
            os.killpg(self.child.pid, signal.SIGCONT)
        else:
            self.prompt()

    def prompt(self):
        keys = KEYS if self.terminal.fd is not None else "Ctrl-C ends"
        print(f"\n{self.lab}: waits for a change\n{keys}", flush=True)

    def press(self, key):
        """What a key does. False when it ends the watch."""
        if key == "q":
            return False
        if key == "h":
            self.start("hint", self.lab)
        elif key == "a":
            self.judge("every story", "--all", "--again")
        elif key == "r":
            self.judge("again", "--again")
        elif key == "t":
            self.judge("with a trace", "--trace", "--again")
        elif key == "n":
            self.lab = self.labs[(self.labs.index(self.lab) + 1) % len(self.labs)]
            self.sources.close()
            self.sources = Sources(f"labs/{self.lab}")
            self.judge("the next lab")
        return True

    def settle(self):
        """Waits until no more changes come. The names of what has changed."""
        if self.sources.fd is not None:
            end = time.monotonic() + 1
            while self.sources.drain() and time.monotonic() < end:
                select.select([self.sources.fd], [], [], QUIET_SECONDS)
        return self.sources.changed()

    def run(self):
        """Returns the exit status."""
        self.terminal.take()
        self.judge("judged now, and whenever a source is saved", "--again")
        while True:
            heard = [fd for fd in (self.terminal.fd, self.sources.fd, self.signals) if fd is not None]
            ready, _, _ = select.select(heard, [], [], None if self.sources.fd is not None else LOOK_SECONDS)
            if self.signals in ready:
                for number in os.read(self.signals, 64):
                    if number == signal.SIGTSTP:
                        self.suspend()
                    elif number != signal.SIGCHLD:
                        return 128 + number
            if self.child is not None and self.child.poll() is not None:
                self.child = None
                self.prompt()
            if self.terminal.fd in ready and not self.press(self.terminal.key()):
                return 0
            if self.sources.fd is None or self.sources.fd in ready:
                names = self.settle()
                if names:
                    self.judge(f"{', '.join(names)} has changed")


def main():
    # When ./lab is killed, this ends too, and gives the terminal back. PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    watch = Watch(sys.argv[1:])
    try:
        return watch.run()
    finally:
        watch.stop()
        watch.terminal.give_back()


sys.exit(main())
