#!/usr/bin/python3
"""Measures the library against raw system calls, Boost.Asio and libuv.

    bench.py BINARY [--svg=PATH]

BINARY is //tools/bench:bench. The figures that count are those that come out the
same each time: system calls by strace, instructions in user space by valgrind,
each as the difference of two runs, which leaves out how a program starts. Prints
a table and the targets, writes a chart. Exit status: 0 all targets met, 1 one was
missed, 2 the call was wrong or something could not be run.
"""

import collections
import html
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

# (its name in rows.h, what one operation is, how many library calls it has)
ROWS = [
    ("ping_pong", "64 bytes there and back, socketpair", 4),
    ("unix_stream", "64 KiB one way, UNIX stream", 2),
    ("socketpair", "64 KiB one way, socketpair", 2),
    ("tcp", "64 KiB one way, TCP loopback", 2),
    ("datagram", "1 KiB datagram, UNIX names", 2),
    ("fd", "a descriptor sent, received, closed", 3),
    ("connect", "connect, accept, close both", 4),
]
COLORS = {"raw": "#6b7280", "ours": "#2563eb", "asio": "#c2410c", "libuv": "#15803d"}
PACKAGES = {"asio": "libboost-dev", "libuv": "libuv1-dev"}

FEW, MANY = 100, 1100  # The two counts whose difference tells.
TIMED, ROUNDS = 5000, 9
MORE_PER_CALL, MORE_PER_FD = 30, 190  # Instructions that the library may cost.


def fail(problem):
    print("bench: " + problem, file=sys.stderr)
    sys.exit(2)


def run(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        fail("%s: %s" % (command[0], error.strerror))
    if done.returncode:
        fail("%s: status %d: %s" % (" ".join(command), done.returncode, done.stderr.strip()))
    return done


def system_calls(command):
    """How often each system call was made."""
    with tempfile.NamedTemporaryFile("r") as counts:
        run(["strace", "-f", "-qq", "-c", "-U", "name,calls", "-o", counts.name] + command)
        rows = re.findall(r"^(\w+) +(\d+)$", counts.read(), re.MULTILINE)
    return collections.Counter({name: int(calls) for name, calls in rows if name != "total"})


def instructions(command):
    told = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"] + command).stderr
    return int(re.search(r"Collected : (\d+)", told).group(1))


def difference(measure, command):
    """One operation's share, with the start of the program left out."""
    few, many = (measure(command + [str(count)]) for count in (FEW, MANY))
    if isinstance(few, int):
        return (many - few) / (MANY - FEW)
    return {name: (many[name] - few[name]) / (MANY - FEW) for name in many}


def times(commands):
    """{name: median over the rounds of its time divided by raw's}. Interleaved, so
    that whatever else the machine does meets all of them alike."""
    ratios = collections.defaultdict(list)
    for _ in range(ROUNDS):
        took = {name: int(run(command + [str(TIMED)]).stdout) for name, command in commands.items()}
        for name in took:
            ratios[name].append(took[name] / took["raw"])
    return {name: statistics.median(values) for name, values in ratios.items()}


def targets(row, calls, syscalls, work):
    """[(whether it is met, what it is)]. A share is rounded, since one run in a
    thousand operations may need a call more, for a count of one digit more."""
    by_name = {name: {call: round(n, 1) for call, n in counts.items() if n >= 0.05}
               for name, counts in syscalls.items()}
    differ = ", ".join("%s %g, raw %g" % (call, by_name["ours"].get(call, 0), by_name["raw"].get(call, 0))
                       for call in sorted(by_name["ours"].keys() | by_name["raw"].keys())
                       if by_name["ours"].get(call) != by_name["raw"].get(call))
    result = [(not differ, "the system calls of raw" + (": " + differ if differ else ""))]
    if work:
        more = work["ours"] - work["raw"]
        if row == "fd":
            result.append((more <= MORE_PER_FD, "%.0f instructions more than raw, at most %d"
                           % (more, MORE_PER_FD)))
        else:
            result.append((more <= MORE_PER_CALL * calls,
                           "%.1f instructions more per library call, at most %d"
                           % (more / calls, MORE_PER_CALL)))
    if "asio" in work:
        result.append((work["ours"] < work["asio"], "fewer instructions than asio: %.0f, %.0f"
                       % (work["ours"], work["asio"])))
    return result


def chart(title, figures):
    """An SVG of {row: {name: figure}}: each row has bars on a scale of its own."""
    names = [name for name in COLORS if any(name in row for row in figures.values())]
    left, width, bar, y = 250, 420, 14, 64
    parts, x = [], left
    for name in names:
        parts.append('<rect x="%d" y="34" width="10" height="10" fill="%s"/>'
                     '<text x="%d" y="43">%s</text>' % (x, COLORS[name], x + 14, name))
        x += 70
    for row, what, _ in ROWS:
        top = max(figures[row].values())
        parts.append('<text x="%d" y="%d" text-anchor="end">%s</text>'
                     % (left - 8, y + bar * len(figures[row]) / 2 + 4, html.escape(what)))
        for name in names:
            if name not in figures[row]:
                continue
            value = figures[row][name]
            length = width * value / top
            parts.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>'
                         '<text x="%.1f" y="%d">%s</text>'
                         % (left, y, length, bar - 2, COLORS[name], left + length + 4, y + bar - 3,
                            "%.0f" % value if value >= 20 else "%.3g" % value))
            y += bar
        y += bar
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="740" height="%d" '
            'font-family="sans-serif" font-size="12">\n<rect width="100%%" height="100%%" fill="white"/>\n'
            '<text x="12" y="20" font-size="14">%s</text>\n%s\n</svg>\n' % (y, title, "\n".join(parts)))


def parse(arguments):
    svg, binaries = None, []
    for argument in arguments:
        if argument.startswith("--svg="):
            svg = argument[len("--svg="):]
        else:
            binaries.append(argument)
    if len(binaries) != 1 or binaries[0].startswith("-") or svg == "":
        fail("takes BINARY and --svg=PATH, nothing else")
    try:
        if svg is None:
            lab = os.path.dirname(os.path.abspath(__file__)) + "/../../.lab"
            os.makedirs(lab, exist_ok=True)
            svg = os.path.normpath(lab + "/bench.svg")
        with open(svg, "a"):  # It takes minutes to find out otherwise.
            return binaries[0], svg
    except OSError as error:
        fail("%s: %s" % (error.filename, error.strerror))


def main():
    binary, svg = parse(sys.argv[1:])
    built = [line.split() for line in run([binary]).stdout.splitlines()]
    names = [name for name in COLORS if name in {name for name, _ in built}]
    for name, package in PACKAGES.items():
        if name not in names:
            print("%s is not compared: apt install %s" % (name, package))
    with_valgrind = shutil.which("valgrind") is not None
    if not with_valgrind:
        print("instructions are not counted: apt install valgrind")

    print("Per operation; the time is the median of %d rounds, divided by raw's, and noisy.\n" % ROUNDS)
    line = "%-36s %-6s %12s %13s %6s"
    print(line % ("", "", "system calls", "instructions", "time"))
    missed, figures = 0, {}
    for row, what, calls in ROWS:
        commands = {name: [binary, name, row] for name in names if [name, row] in built}
        syscalls = {name: difference(system_calls, command) for name, command in commands.items()}
        work = ({name: difference(instructions, command) for name, command in commands.items()}
                if with_valgrind else {})
        ratios = times(commands)
        total = {name: round(sum(counts.values()), 1) for name, counts in syscalls.items()}
        figures[row] = work or total
        for name in names:
            columns = ["-"] * 3
            if name in commands:
                columns = ["%g" % total[name], "%.0f" % work[name] if work else "-", "%.2f" % ratios[name]]
            print(line % (what if name == names[0] else "", name, *columns))
        for met, target in targets(row, calls, syscalls, work):
            missed += not met
            print("  %-6s %s" % ("ok" if met else "FAILED", target))
        print(flush=True)
    title = "%s per operation (each row has its own scale)" % (
        "Instructions in user space" if with_valgrind else "System calls")
    with open(svg, "w") as svg_file:
        svg_file.write(chart(title, figures))
    print("Library calls per operation: %s.\nChart: %s\n%s" % (
        ", ".join("%s %d" % (row, calls) for row, _, calls in ROWS), svg,
        "%d targets missed" % missed if missed else "no target missed, of those that were measured"))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
