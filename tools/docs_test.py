#!/usr/bin/python3
"""Runs what the documents show.

    docs_test.py FOLDER FILE...

In each FILE, a document of the kit, every block ```console is run in FOLDER, a
copy of the kit that may be changed: the lines after "$ " by bash, in order, and
what they print is compared with the lines below them. "..." stands for any lines.
Numbers of five digits and more (inodes), pids, uids, gids, the names of scratch
folders and abstract names differ from run to run and count as equal. After a comment
"from here on the programs are written" the reference programs stand in the student's
place; before it, the starters. A block ```cpp after a comment "this is FILE" is written
to that file of FOLDER.
"""

import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FILE = "<!-- this is "
WRITTEN = "<!-- from here on the programs are written -->"
# A program that was started in the background takes a moment to be seen.
PATIENCE_SECONDS = 30


def normalised(text):
    text = re.sub(r"\b[0-9a-f]{16}:", "ADDRESS:", text)
    text = re.sub(r"@[0-9a-f]{5}\b", "@NAME", text)
    text = re.sub(r"\d{5,}|(?<=\b[pug]id )\d+", "NUMBER", text)
    text = re.sub(r"/tmp/lab\w{6}", "/tmp/labXXXXXX", text)
    text = re.sub(r"\blab-[a-z]{12}\d*\b", "lab-NAME", text)
    text = re.sub(r"\b[A-Z]{20}\b", "LETTERS", text)
    text = re.sub(r"^lab: (building|built)\b.*\n", "", text, flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", line).strip() for line in text.strip().splitlines()]


def matches(expected, seen):
    if not expected:
        return not seen
    if expected[0] == "...":
        return any(matches(expected[1:], seen[i:]) for i in range(len(seen) + 1))
    return bool(seen) and expected[0] == seen[0] and matches(expected[1:], seen[1:])


def parse(path):
    """The commands of a document: [(line number, command, expected output)]; the
    command None where the programs get written."""
    steps, in_block, file, text = [], False, None, None
    for number, line in enumerate(open(path), 1):
        line = line.rstrip("\n")
        if line == WRITTEN:
            steps.append([number, None, []])
        elif line.startswith(FILE):
            file = line[len(FILE):].split()[0]
        elif line == "```cpp" and file:
            text = []
        elif text is not None and line == "```":
            steps.append([number, "cat >%s <<'END OF FILE'\n%s\nEND OF FILE" % (file, "\n".join(text)), []])
            file = text = None
        elif text is not None:
            text.append(line)
        elif line.startswith("```"):
            in_block = line == "```console"
            if in_block:
                steps.append([number, "", []])
        elif in_block and line.startswith("$ ") and not is_shown_output(steps):
            steps.append([number, line[2:], []])
        elif in_block:
            steps[-1][2].append(line)
    return [step for step in steps if step[1] != ""]


def is_shown_output(steps):
    """A demo prints prompts of its own, so it is the last command of its block."""
    return steps[-1][1].startswith("./lab demo")


class Shell:
    """One bash for a document, so that its background jobs stay in reach."""

    def __init__(self, folder):
        self.output = tempfile.NamedTemporaryFile()
        self.bash = subprocess.Popen(
            ["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, start_new_session=True)

    def run(self, command):
        self.output.truncate(0)
        self.bash.stdin.write("{ %s\n} >%s 2>&1\necho\n" % (command, self.output.name))
        self.bash.stdin.flush()
        if not self.bash.stdout.readline():
            sys.exit("docs: bash ended during: " + command)
        return open(self.output.name, errors="replace").read()

    def close(self):
        os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.wait()


def put_programs(folder, written):
    for lab in glob.glob(os.path.join(folder, "labs", "[0-9]*")):
        source = (os.path.join(folder, "solutions", os.path.basename(lab))
                  if written else os.path.join(lab, "starter"))
        for program in glob.glob(os.path.join(source, "*.cc")):
            shutil.copy(program, lab)


def test(folder, path):
    """The number of commands run; ends the program at the first that differs."""
    put_programs(folder, written=False)
    shell, count, background = Shell(folder), 0, False
    try:
        for number, command, expected in parse(path):
            if command is None:
                put_programs(folder, written=True)
                continue
            count += 1
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                seen = shell.run(command)
                if matches(normalised("\n".join(expected)), normalised(seen)):
                    break
                if not background or time.monotonic() > deadline:
                    sys.exit("docs: %s:%d: $ %s\n--- shown:\n%s\n--- printed:\n%s" %
                             (path, number, command, "\n".join(expected), seen))
            if command.endswith("&"):
                background = True
    finally:
        shell.close()
    return count


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.split("\n\n")[1].strip())
    for path in sys.argv[2:]:
        print("docs: %s: %d commands print what is shown" %
              (path, test(sys.argv[1], path)), flush=True)


main()
