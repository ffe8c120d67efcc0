#!/usr/bin/env python3
"""Each link of the documents leads somewhere: to a file of the kit, and a heading in it.

Run in the kit's folder. Exit status 0 if that is so, 1 otherwise.
"""

import pathlib
import re
import sys


def anchors(path):
    """The names that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def main():
    bad = 0
    pages = [path for pattern in ("*.md", "docs/*.md", "labs/*/*.md") for path in pathlib.Path(".").glob(pattern)]
    for page in sorted(pages):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists() or anchor and anchor not in anchors(target):
                bad += 1
                print(f"links: {page}: {link} leads nowhere", file=sys.stderr)
    sys.exit(1 if bad else 0)


main()
