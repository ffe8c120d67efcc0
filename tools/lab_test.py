#!/usr/bin/env python3
"""What ./lab does with a student's sources: lab_test.py KIT

KIT is a copy of the kit, which may be changed. Exit status 0 if all is as it
should be, 1 otherwise; each thing that is not has a line on stderr.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

KIT = pathlib.Path(sys.argv[1]).resolve()
LAB = KIT / "labs/03_socketpair"
SOURCE = LAB / "pair.cc"
VERDICT = KIT / ".lab/03_socketpair.verdict"
XML = KIT / "bazel-testlogs/labs/03_socketpair/check/test.xml"
failures = 0


def expect(condition, what, said=""):
    global failures
    if not condition:
        failures += 1
        print(f"lab_test: {what}\n{said}", file=sys.stderr)


def lab(*arguments, status=None):
    done = subprocess.run(
        [KIT / "lab", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, errors="replace", check=False)
    if status is not None:
        expect(done.returncode == status, f"./lab {' '.join(arguments)} ends with {status}",
               f"{done.returncode}: {done.stdout}")
    return done.stdout


def xml():
    # A path with a space has a folder of links elsewhere.
    found = [path for path in (XML, *pathlib.Path(os.environ["XDG_CACHE_HOME"]).glob(
        "socket-lab-kit/*/bazel-testlogs/labs/03_socketpair/check/test.xml")) if path.exists()]
    return found[0] if found else None


def check_reset():
    starter = (LAB / "starter/pair.cc").read_bytes()
    kept = set()
    for text in (b"// one\n", b"// two\n"):
        SOURCE.write_bytes(text)
        said = lab("reset", "03", status=0)
        command = re.search(r"  cp (\S+)/\*\.cc labs/03_socketpair/", said)
        expect(command, "reset tells how to bring the version back", said)
        if command:
            kept.add((KIT / command[1] / "pair.cc").read_bytes())
        expect(SOURCE.read_bytes() == starter, "reset brings the starter back")
    expect(kept == {b"// one\n", b"// two\n"}, "two resets in a second keep both versions", str(kept))
    said = lab("reset", "03", status=0)
    expect("nothing was changed" in said, "reset keeps no copy of the starter", said)


def check_compiler():
    # Where warnings are errors, not in what a student writes.
    with open(KIT / ".bazelrc.user", "a") as flags:
        flags.write("build --per_file_copt=labs/03_socketpair/.*@-Wno-error\n")
    solution = (KIT / "solutions/03_socketpair/pair.cc").read_text()
    SOURCE.write_text(solution + "static int unused_one;\n")
    for _ in range(2):
        said = lab("check", "03", status=0)
        expect("unused_one" in said, "check shows the warnings, each time", said)
    expect(xml() and re.match(r"(\d+) of \1 ", VERDICT.read_text()), "there is a verdict", VERDICT.read_text())
    # The same source again, without what the compiler warned of.
    SOURCE.write_text(solution)
    expect("warns" not in lab("check", "03", status=0), "warnings go with their cause")
    for header, words in (("lib/sockets.h", "docs/library.md"), ("lib/socket.h", "out of reach in lab 03")):
        SOURCE.write_text(f'#include "{header}"\n' + solution)
        said = lab("check", "03", status=1)
        expect("fatal error" in said and words in said and "ERROR" not in said,
               f"{header} that is not there is told in words", said)
        expect(xml() is None, "no old test.xml stays when the source does not compile")
        expect(VERDICT.read_text() == "does not compile\n", "no old verdict stays", VERDICT.read_text())
    SOURCE.write_text(f'#include "{KIT}/solutions/03_socketpair/pair.cc"\n')
    said = lab("check", "03", status=1)
    expect("is none of this lab's files" in said and "ERROR" not in said, "nothing includes a solution", said)
    SOURCE.write_text("char big[1u << 29] = {1};\nint main() { return big[5]; }\n")
    said = lab("check", "03", status=1)
    expect("the compiler needs more than it may" in said and "internal compiler error" not in said,
           "what the compiler may take is bounded", said)


def check_choice():
    # Whatever an earlier test of this copy has left: nothing is done yet.
    for starter in KIT.glob("labs/0[13]_*/starter/*.cc"):
        (starter.parent.parent / starter.name).write_bytes(starter.read_bytes())
    said = lab("check", "3", "OneEndEach", status=1)
    expect("0 of 1 checks passed" in said, "a check can be judged alone", said)
    said = lab("check", "03", "NoSuchCheck", status=2)
    expect("no check 'NoSuchCheck'" in said and "OneEndEach" in said, "the checks are listed", said)
    every = lab("check", "03", "OneEndEach", "AnyBytes", "--all", status=1)
    expect("\nOneEndEach: " in every and "\nAnyBytes: " in every, "--all tells each story", every)
    said = lab("check", status=1)
    expect("01_unix_stream: 0 of" in said, "without a number, the next lab is judged", said)
    (KIT / "solutions/01_unix_stream/BUILD").rename(KIT / "BUILD.aside")
    said = lab("demo", "01", status=2)
    expect(len(said.splitlines()) == 1 and "no reference" in said, "a demo without a reference", said)
    (KIT / "BUILD.aside").rename(KIT / "solutions/01_unix_stream/BUILD")


def check_hints():
    (KIT / ".lab/03_socketpair.hints").unlink(missing_ok=True)
    VERDICT.write_text("3 of 29 checks passed\nstep 5\n")
    total = (LAB / "hints.md").read_text().count("\n## ")
    first = lab("hint", "03", status=0)
    expect(re.search(r"^## .*\(steps? (4 to )?5\)", first), "the hint of the step that is next comes first", first)
    titles = {first.splitlines()[0]} | {lab("hint", "03", status=0).splitlines()[0] for _ in range(total - 1)}
    expect(len(titles) == total, "each hint comes once", str(titles))
    said = lab("hint", "03", status=0)
    expect("you have seen all" in said, "the end of the hints is told", said)
    expect(lab("hint", "03", "2", status=0).startswith("## "), "a hint is shown again by its number")
    expect("hints 1 to" in lab("hint", "03", "99", status=2), "a hint that is not there")
    VERDICT.unlink()


def check_changes():
    solution = (KIT / "solutions/03_socketpair/pair.cc").read_text()
    SOURCE.write_text(solution)
    said = lab("check", "03", "-v", "--again", status=0)
    expect("\nok    OneEndEach" in said and "Lab 03 is done" in said, "-v lists what passes; a word at the end", said)
    SOURCE.write_bytes((LAB / "starter/pair.cc").read_bytes())
    board = lab("board", status=0)
    expect(re.search(r"03_socketpair +edited since it was judged; at best (\d+) of \1\n", board),
           "the best verdict is kept", board)
    said = lab("check", "03", status=1)
    expect("0 more pass; you broke" in said, "what is broken is told", said)
    expect(re.search(r"\n +and \d+ more fail; -v lists", said), "not every check has a line", said)
    expect("\033" not in said, "no colours but on a terminal", said)
    expect("\033[31mFAIL\033[0m" in lab("--color", "check", "03", "--again", status=1), "--color")
    board = lab("board", status=0)
    expect(re.search(r"03_socketpair +\d+ of \d+ checks passed", board), "the board shows the verdict", board)


def check_editor():
    SOURCE.write_bytes((LAB / "starter/pair.cc").read_bytes())
    read = {path.name: json.loads(re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE))
            for path in (*KIT.glob(".vscode/*.json"), *KIT.glob(".devcontainer/*.json"))}
    task = read["tasks.json"]["tasks"][0]
    arguments = [argument.replace("${fileDirnameBasename}", "03_socketpair") for argument in task["args"]]
    said = lab(*arguments, status=1)
    pattern = re.compile(task["problemMatcher"]["pattern"]["regexp"], re.MULTILINE)
    found = {match[5].split(":")[0] for match in pattern.finditer(said) if match[1] == "labs/03_socketpair/pair.cc"}
    expect("OneEndEach" in found, "an editor finds the failed checks in their files", said)
    SOURCE.write_text("int x = ;\n")
    said = lab(*arguments, status=1)
    expect([match[2] for match in pattern.finditer(said)] == ["1"], "an editor finds what does not compile", said)
    expect("./lab --yes setup" in read["devcontainer.json"]["onCreateCommand"], "a container sets itself up")


def completed(*words):
    script = (". tools/completion.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _lab_complete; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    return subprocess.run(["bash", "-c", script, "bash", "./lab", *words], cwd=KIT, text=True,
                          stdout=subprocess.PIPE, check=False).stdout.split()


def check_completion():
    expect(completed("ch") == ["check"], "completion of commands", str(completed("ch")))
    expect("03" in completed("check", ""), "completion of labs", str(completed("check", "")))
    expect(completed("check", "03", "OneE") == ["OneEndEach"], "completion of checks", str(completed("check", "03", "OneE")))
    expect(completed("run", "01", "s") == ["server"], "completion of programs", str(completed("run", "01", "s")))
    usage = lab("--help", status=0)
    for command in completed(""):
        expect(f"./lab {command}" in usage, f"{command} is in --help")


def check_interrupted():
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [KIT / "lab", "check", "02"], env=dict(os.environ, TMPDIR=folder), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # It works as soon as it has its log.
        while process.poll() is None and not os.listdir(folder):
            os.sched_yield()
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        expect(not os.listdir(folder), "Ctrl-C leaves no file in /tmp", str(os.listdir(folder)))


for check in (check_reset, check_compiler, check_choice, check_hints, check_changes, check_editor,
              check_completion, check_interrupted):
    check()
sys.exit(1 if failures else 0)
