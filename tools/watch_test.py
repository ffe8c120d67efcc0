#!/usr/bin/env python3
"""./lab watch in a terminal, as a student uses it: watch_test.py KIT

KIT is a copy of the kit, which may be changed. Exit status 0 if all is as it should
be, 1 otherwise; each thing that is not has a line on stderr.
"""

import os
import pathlib
import pty
import re
import select
import signal
import sys
import time

KIT = pathlib.Path(sys.argv[1]).resolve()
LAB = KIT / "labs/03_socketpair"
SOURCE = LAB / "pair.cc"
PATIENCE = 120
failures = 0


def expect(condition, what, said=""):
    global failures
    if not condition:
        failures += 1
        print(f"watch_test: {what}\n{said}", file=sys.stderr)


class Shell:
    """A shell at a terminal of its own."""

    def __init__(self, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(KIT)
            os.environ.update(TERM="xterm", PS1="ready> ", **environment)
            # Unlike bash, it leaves the terminal as a program left it.
            os.execvp("dash", ["dash", "-i"])
        self.said = ""
        self.waits_for("ready> ")

    def types(self, text):
        self.said = ""
        os.write(self.fd, text.encode())

    def waits_for(self, pattern, what=None):
        """Reads until `pattern` has come. What the terminal showed since the last keys."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.said):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                expect(False, what or f"the terminal shows {pattern!r}", self.said)
                return False
            try:
                self.said += os.read(self.fd, 1 << 16).decode(errors="replace")
            except OSError:
                expect(False, what or f"the terminal shows {pattern!r}, and the shell is there", self.said)
                return False
        return True

    def ends(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def save(text, way="write"):
    """Saves the source as an editor does: in its place, or as a new file of its name."""
    if way == "write":
        SOURCE.write_text(text)
    else:
        new = LAB / ".pair.cc.swp"
        new.write_text(text)
        new.rename(SOURCE)


def processor_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def watchers():
    """The pids of the watches that run in this copy."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if b"tools/watch.py" in command and os.stat(entry / "cwd").st_ino in FOLDERS:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def check_session():
    solution = (KIT / "solutions/03_socketpair/pair.cc").read_text()
    starter = (LAB / "starter/pair.cc").read_text()
    save(starter)
    (KIT / ".lab/03_socketpair.hints").unlink(missing_ok=True)
    shell = Shell()
    waits = r"waits for a change\r\nh hint"
    shell.types("./lab watch 03\r")
    shell.waits_for(r" 0 of \d+ checks passed[^$]*" + waits, "the starter is judged at once")
    FOLDERS.update(os.stat(f"/proc/{pid}/cwd").st_ino for pid in children_of(shell.pid))
    pid = (watchers() or [0])[0]
    expect(pid, "the watch runs")

    shell.types("")
    save(solution, "rename")
    shell.waits_for(r"pair.cc has changed[^$]*(\d+) of \1 checks passed[^$]*" + waits, "a renamed file is judged")
    expect(re.search("since the last check: [1-9]\\d* more pass, none", shell.said), "the watch says what changed", shell.said)
    shell.types("")
    save(solution + "int broken\n")
    shell.waits_for(r"does not compile[^$]*" + waits, "the watch survives what does not compile")
    shell.types("")
    save(solution.replace("SHUT_WR", "SHUT_RD"))
    shell.waits_for(r"you broke [^$]*FAIL[^$]*" + waits, "the watch says what is broken")
    shell.types("")
    SOURCE.touch()
    used = processor_time(pid) if pid else 0
    shell.types("h")
    shell.waits_for(r"hint \d+ of[^$]*" + waits, "the key h gives a hint, and a touched file is no change")
    shell.types("x")
    expect(not pid or processor_time(pid) - used < 20, "the watch sleeps while it waits")

    # Ctrl-Z: the shell has its terminal as it was; then the watch goes on.
    shell.types("\x1a")
    shell.waits_for(r"Stopped[^$]*ready> ", "Ctrl-Z stops the watch")
    shell.types("stty -a\r")
    shell.waits_for(r"(?<!-)icanon[^$]*(?<!-)echo [^$]*ready> ", "a stopped watch leaves the terminal as it was")
    shell.types("fg\r")
    shell.waits_for(waits, "the watch goes on")
    shell.types("n")
    shell.waits_for(r"04_abstract_namespace, [^$]*checks passed[^$]*" + waits, "the key n takes the next lab")
    shell.types("q")
    shell.waits_for(r"ready> ", "the key q ends the watch")
    shell.types("echo status $?\r")
    shell.waits_for(r"status 0\r\n[^$]*ready> ", "q ends it with status 0")

    # While a check runs.
    for end, what in (("\x03", "Ctrl-C"), ("KILL", "SIGKILL")):
        save(starter)
        shell.types("./lab watch 03\r")
        shell.waits_for(r"03_socketpair, ", "the watch begins again")
        if end == "KILL":
            shell.waits_for(waits)
            for pid in watchers():
                os.kill(pid, signal.SIGKILL)
        else:
            shell.types(end)
        shell.waits_for(r"ready> ", f"{what} ends the watch")
        shell.types("stty -a\r")
        shell.waits_for(r"(?<!-)icanon[^$]*(?<!-)echo [^$]*ready> ", f"{what} leaves the terminal as it was")
    expect(not watchers(), "no watch is left", str(watchers()))
    shell.ends()


def check_without_inotify():
    save((LAB / "starter/pair.cc").read_text())
    shell = Shell(LAB_WATCH_LOOKS="1")
    shell.types("./lab watch 03\r")
    shell.waits_for(r"waits for a change")
    shell.types("")
    save((KIT / "solutions/03_socketpair/pair.cc").read_text())
    shell.waits_for(r"(\d+) of \1 checks passed[^$]*waits for a change", "a change is seen without inotify")
    shell.types("q")
    shell.waits_for(r"ready> ")
    shell.ends()


def children_of(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    found = [int(word) for word in text.split()]
    return found + [one for child in found for one in children_of(child)]


FOLDERS = set()
check_session()
check_without_inotify()
sys.exit(1 if failures else 0)
