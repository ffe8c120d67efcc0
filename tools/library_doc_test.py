#!/usr/bin/python3
"""Keeps docs/library.md true: what it shows of lib, and all that lib offers.

    library_doc_test.py

In its blocks ```cpp, which a comment "// lib/NAME.h" divides, each declaration must
stand in that header as it is shown, white space and comments aside, and in the same
class; and each public function of each header must be shown. Exempt are what a class
has by its nature (constructors, the destructor, operator=), lib/testing.h, and a
header that says "Not for use by others": of that, what is shown must be true.
The example that a header opens with, the lines "//   ...", must be part of what
lib/examples_test.cc runs for it. Prints each breach and exits with 1 if there is one.
"""

import glob
import os
import re
import sys

DOCUMENT = "docs/library.md"
EXAMPLES = "lib/examples_test.cc"
NOT_OFFERED = "Not for use by others"


def without_comments(text):
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r"^ *#.*(\\\n.*)*$", "", text, flags=re.M)


def normalised(declaration):
    text = " ".join(declaration.split())
    text = re.sub(r" ?([(){}<>&*,=]) ?", r"\1", text)
    # What a constructor initialises belongs to its body.
    return re.sub(r"(\)(?: ?noexcept)?) ?:(?!:).*", r"\1", text).strip()


def declarations(text):
    """The public declarations of C++ text: [(class or "", declaration)]. It knows
    namespaces, classes and functions, with bodies or without, and no more."""
    found, scopes, statement, i = [], [("", True)], "", 0
    text = without_comments(text)
    while i < len(text):
        char = text[i]
        i += 1
        label = re.search(r"\b(public|private|protected)\s*$", statement)
        if char == ":" and label:
            scopes[-1] = (scopes[-1][0], label[1] == "public")
            statement = ""
        elif char == "{":
            opened = re.match(r"\s*(namespace|class|struct)\s+(\w+)", statement)
            if opened and "(" not in statement:
                kind, name = opened.groups()
                inside = scopes[-1][0] if kind == "namespace" else name
                scopes.append((inside, scopes[-1][1] and kind != "class"))
                statement = ""
                continue
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(text[i], 0)
                i += 1
            # Of a function, its body; of a variable, its value, whose ";" comes.
            if "(" in statement and not re.search(r"=\s*$", statement):
                text = text[:i] + ";" + text[i:]
        elif char == ";":
            if scopes[-1][1] and statement.strip():
                found.append((scopes[-1][0], normalised(statement)))
            statement = ""
        elif char == "}":
            scopes.pop()
            statement = ""
        else:
            statement += char
    return found


def is_function(scope, declaration):
    name = re.match(r"[^(]*?([~\w]+|operator.)\(", declaration)
    return bool(name) and name[1].lstrip("~") != scope and "operator" not in name[0]


def shown(path):
    """What the document shows: {header: declarations}."""
    blocks = re.findall(r"^```cpp\n(.*?)^```", open(path).read(), re.M | re.S)
    parts = re.split(r"^// (lib/\w+\.h)\b.*$", "\n".join(blocks), flags=re.M)
    return {name: declarations(text) for name, text in zip(parts[1::2], parts[2::2])}


def unspaced(text):
    return re.sub(r"\s+", "", text)


def first_missing(header, run):
    """The first line of the example of `header` that `run` does not have after those
    before it, or None. White space, and what "..." stands for, aside."""
    opening = open(header).read().split("#ifndef")[0]
    example = re.findall(r"^//   (.*)", opening, flags=re.M)
    run = unspaced(run)
    for line in example or ["an example"]:
        wanted = unspaced(line)
        wanted = wanted[:-3] if wanted.endswith("...") else wanted
        if wanted not in run:
            return line
        run = run[run.index(wanted) + len(wanted):]
    return None


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    breaches = []
    document = shown(DOCUMENT)
    parts = re.split(r"^// (lib/\w+\.h)\b.*$", open(EXAMPLES).read(), flags=re.M)
    examples = dict(zip(parts[1::2], parts[2::2]))
    headers = set(glob.glob("lib/*.h")) - {"lib/testing.h"}
    for header in sorted(set(document) - headers):
        breaches.append("shows %s, which does not exist" % header)
    for header in sorted(headers):
        text = open(header).read()
        declared = declarations(text)
        if not any(is_function(*one) for one in declared):
            breaches.append("%s: not understood by %s" % (header, sys.argv[0]))
        line = None if NOT_OFFERED in text else first_missing(header, examples.get(header, ""))
        if line:
            breaches.append("%s: %s does not run: %s" % (header, EXAMPLES, line))
        for one in document.get(header, []):
            if one not in declared:
                breaches.append("%s: has no %s" % (header, "::".join(filter(None, one))))
        for one in declared:
            if (is_function(*one) and NOT_OFFERED not in text
                    and one not in document.get(header, [])):
                breaches.append("%s: not shown: %s" % (header, "::".join(filter(None, one))))
    for breach in breaches:
        print("library: %s" % breach, file=sys.stderr)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
