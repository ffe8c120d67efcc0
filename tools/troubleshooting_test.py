#!/usr/bin/env python3
"""docs/troubleshooting.md has each line by which ./lab gives up, and no other one.

Run in the kit's folder. Exit status 0 if that is so, 1 otherwise.
"""

import glob
import re
import sys

SCRIPTS = ["lab", "tools/setup.sh", "tools/selftest.sh", *glob.glob("tools/*/trace.sh"), *glob.glob("tools/*/bench.sh")]
# What does not end ./lab, and a reader looks for all the same.
ALSO = re.compile(r'say "(it does not compile|the compiler needs|\$undeclared is included|there is no \$header|\$header is out of reach)')
NAME = "\0"


def messages(script):
    """The texts that `script` gives up with, a NAME where something is put in."""
    source = open(script, encoding="utf-8").read()
    for line in source.splitlines():
        for match in re.finditer(r'(?:\bdie|_lab_fail|\bsay) "((?:[^"\\$]|\\.|\$\([^)]*\)|\$\{[^}]*\}|\$\w+)*)"', line):
            if match[0].startswith("say") and not ALSO.search(line):
                continue
            text = re.sub(r"\$\([^)]*\)|\$\{[^}]*\}|\$\w+", NAME, match[1])
            if text.strip(NAME):
                yield text


def fits(message, title):
    """Whether `title` stands for `message`, of which a sentence in brackets at the end may be left out."""
    return any(re.fullmatch(".+".join(re.escape(part) for part in text.split(NAME)), title)
               for text in (message, re.sub(r" \([^)]*\)$", "", message)))


def main():
    page = open("docs/troubleshooting.md", encoding="utf-8").read()
    titles = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    said = {message for script in SCRIPTS for message in messages(script)}
    bad = 0
    for message in sorted(said):
        if not any(fits(message, title) for title in titles):
            bad += 1
            print("troubleshooting: no title for: " + message.replace(NAME, "..."), file=sys.stderr)
    for title in titles:
        if not any(fits(message, title) for message in said):
            bad += 1
            print("troubleshooting: nothing says: " + title, file=sys.stderr)
    sys.exit(1 if bad else 0)


main()
