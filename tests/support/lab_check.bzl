"""The rules that judge programs: one prebuilt checker, any programs."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("//labs:labs.bzl", "earned_deps")

def _judge_test_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = executable,
        target_file = ctx.executable.judge,
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = ctx.files.data)
    for target in ctx.attr.data + [ctx.attr.judge]:
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = executable, runfiles = runfiles)]

# Runs a program that is already built on what its args name, so that judging
# compiles nothing but the judged sources.
_judge_test = rule(
    implementation = _judge_test_impl,
    attrs = {
        # Called data, since only that name makes $(rootpath) work in args.
        "data": attr.label_list(allow_files = True),
        "judge": attr.label(executable = True, cfg = "target", mandatory = True),
    },
    test = True,
)

def _arg(program, label):
    return "%s=$(rootpath %s)" % (program, label)

def _program_of(source, programs):
    """Which of `programs` the source FOLDER/PROGRAM_*.cc or .patch is about."""
    name = source.split("/")[-1]
    return [program for program in programs if name.startswith(program + "_")][0]

# What the name of a program's target ends with, by build. The checks run and watch
# PROGRAM; PROGRAM_asan is the same source under AddressSanitizer, for the check that
# it keeps to its memory. Two small compilations side by side take no longer than one.
_PLAIN = ""
_SANITIZED = "_asan"

# The sanitizer does not see the calls that _FORTIFY_SOURCE puts in place of printf and
# its kin, which some compilers define by themselves, and sees less of what is optimised.
_ASAN_COPTS = ["-fsanitize=address", "-U_FORTIFY_SOURCE", "-O0", "-g1"]

def _programs(lab, sources, prefix = "", copts = [], builds = [_PLAIN, _SANITIZED], **kwargs):
    """Builds programs.

    Args:
      lab: whose earned part of the library they may use.
      sources: {program: its source}.
      prefix: of the targets' names.
      copts: for the compiler.
      builds: which of the two.
      **kwargs: for cc_binary.

    Returns:
      {program, with what its build adds: its label}.
    """
    labels = {}
    for program, source in sources.items():
        for build in builds:
            sanitized = build == _SANITIZED
            cc_binary(
                name = prefix + program + build,
                srcs = [source],
                copts = copts + (_ASAN_COPTS if sanitized else []),
                linkopts = ["-fsanitize=address"] if sanitized else [],
                deps = earned_deps(lab),
                **kwargs
            )
            labels[program + build] = ":" + prefix + program + build
    return labels

def _check(name, lab, programs, args = [], data = [], **kwargs):
    """Judges programs, each in both builds, by the checks of a lab.

    Args:
      name: of the test.
      lab: whose checks.
      programs: as _programs returns them.
      args: for the checker.
      data: for the test.
      **kwargs: for the test.
    """
    _judge_test(
        name = name,
        size = "small",
        args = ["--lab=" + lab] + args +
               [_arg(program, label) for program, label in programs.items()],
        data = data + {label: None for label in programs.values()}.keys(),
        judge = "//tests/%s:checker" % lab,
        **kwargs
    )

# What a compilation of a student's source may take: 30 seconds of the processor, 4 GiB of
# memory, 256 MiB of output. GCC starts its own subprograms by the -wrapper; clang knows
# no such thing: --define=compiler=clang.
_BOUNDS = select({
    "//tests/support:clang": [],
    "//conditions:default": [
        "-wrapper",
        "prlimit,--cpu=30:35,--as=4294967296,--fsize=268435456,--core=0",
    ],
})

def lab_programs(name, programs, tags = []):
    """The programs of a lab in this folder, and the test `check` that judges them.

    Args:
      name: of the lab.
      programs: their names; the source of each is PROGRAM.cc.
      tags: for all targets.
    """
    _check(
        name = "check",
        lab = name,
        programs = _programs(
            name,
            {program: program + ".cc" for program in programs},
            copts = _BOUNDS,
            tags = tags,
        ),
        tags = tags,
    )

# How a program can do nothing: see tests/support/null/null.cc.
_NULL = {
    "exits": 0,
    "fails": 1,
    "refuses": 2,
    "waits": 3,
    "echoes": 4,
    "recites": 5,
}

def _null_tests(lab, programs, transcript):
    """Tests that programs which do nothing, each in its own way, pass no check."""
    native.genrule(
        name = "null/transcript",
        testonly = True,
        srcs = [transcript],
        outs = ["null/transcript.inc"],
        cmd = "(printf 'R\"transcript(' && cat $< && printf ')transcript\"') > $@",
    )
    for how, number in _NULL.items():
        binary = "null/" + how
        cc_binary(
            name = binary,
            testonly = True,
            srcs = [
                "//tests/support:null/null.cc",
                "null/transcript.inc",
            ],
            copts = [
                "-DHOW=%d" % number,
                "-DTRANSCRIPT='\"tests/%s/null/transcript.inc\"'" % lab,
                "-I$(GENDIR)",
            ],
        )
        _check(
            name = binary + "_test",
            lab = lab,
            args = ["--nothing-passes"],
            programs = {
                program + build: ":" + binary
                for program in programs
                for build in [_PLAIN, _SANITIZED]
            },
        )

def lab_tests(name, programs, first_failure, null_programs = False):
    """Tests that the checks of a lab are right, and its documents true.

    - The starter compiles, and fails first at `first_failure`.
    - demo.cc, the program behind `./lab demo`, prints the lab's transcript.txt.
    - Each mutants/PROGRAM_*.patch, applied to the reference, fails those checks
      that its lines "Caught-by: CHECK" name, and no other. Those that touch memory
      which is not theirs are in mutants/memory: what they do is undefined, so they
      run under AddressSanitizer only, which always sees it, and the reference runs
      in the other checks. The other mutants do not run under it, which is half of
      what there is to build.
    - Each variants/PROGRAM_*.cc passes all checks beside the reference.
    - Programs that do nothing pass no check.

    Args:
      name: of the lab.
      programs: their names.
      first_failure: name of a check.
      null_programs: whether the last of these is tested.
    """
    reference = {
        program + build: "//solutions/%s:%s" % (name, program + build)
        for program in programs
        for build in [_PLAIN, _SANITIZED]
    }
    plain = {program: reference[program] for program in programs}

    _check(
        name = "starter_test",
        args = ["--starter=" + first_failure],
        lab = name,
        programs = _programs(
            name,
            {program: "//labs/%s:starter/%s.cc" % (name, program) for program in programs},
            prefix = "starter/",
            testonly = True,
        ),
    )

    cc_binary(
        name = "demo",
        testonly = True,
        srcs = ["demo.cc"],
        data = plain.values(),
        deps = ["//tests/support:demo"],
    )
    transcript = "//labs/%s:transcript.txt" % name
    _judge_test(
        name = "demo_test",
        size = "small",
        args = ["$(rootpath :demo)", "$(rootpath %s)" % transcript] +
               [_arg(program, label) for program, label in plain.items()],
        data = [":demo", transcript] + plain.values(),
        judge = "//tests/support:demo_judge",
    )
    if null_programs:
        _null_tests(name, programs, transcript)

    for patch in native.glob(["mutants/**/*.patch"]):
        mutant = patch[:-len(".patch")]
        program = _program_of(mutant, programs)
        native.genrule(
            name = mutant + "_source",
            testonly = True,
            srcs = [plain[program] + ".cc", patch],
            outs = [mutant + ".cc"],
            cmd = "set -- $(SRCS) && cat $$1 > $@ && patch --silent $@ $$2",
        )
        _check_instead(
            name,
            mutant,
            program,
            reference,
            args = ["--mutant=$(rootpath %s)" % patch],
            builds = [_SANITIZED if patch.startswith("mutants/memory/") else _PLAIN],
            copts = ["-w"],  # Mistakes need not look good.
            data = [patch],
        )
    for source in native.glob(["variants/*.cc"]):
        variant = source[:-len(".cc")]
        _check_instead(name, variant, _program_of(variant, programs), reference)

def _check_instead(lab, source, program, reference, copts = [], builds = [_PLAIN, _SANITIZED], **kwargs):
    """Judges the reference with `source`.cc in the place of `builds` of `program`."""
    programs = dict(reference)
    programs.update(_programs(
        lab,
        {program: source + ".cc"},
        prefix = source + "/",
        copts = copts,
        builds = builds,
        testonly = True,
    ))
    _check(
        name = source + "_test",
        lab = lab,
        programs = programs,
        **kwargs
    )
