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

def _programs(lab, sources, prefix = "", copts = [], sanitized = True, **kwargs):
    """Builds each program twice.

    PROGRAM is what the checks run and watch; PROGRAM_asan is the same source
    under AddressSanitizer, for the check that it keeps to its memory. Two small
    compilations side by side take no longer than one.

    Args:
      lab: whose earned part of the library they may use.
      sources: {program: its source}.
      prefix: of the targets' names.
      copts: for the compiler.
      sanitized: whether to build PROGRAM_asan.
      **kwargs: for cc_binary.

    Returns:
      {program: its label}.
    """
    for program, source in sources.items():
        for suffix, asan in [("", []), ("_asan", ["-fsanitize=address"])]:
            if asan and not sanitized:
                continue
            cc_binary(
                name = prefix + program + suffix,
                srcs = [source],
                copts = copts + asan + (["-g1"] if asan else []),
                linkopts = asan,
                deps = earned_deps(lab),
                **kwargs
            )
    return {program: ":" + prefix + program for program in sources}

def _check(name, lab, programs, sanitized = {}, args = [], data = [], **kwargs):
    """Judges {program: label} by the checks of a lab.

    Args:
      name: of the test.
      lab: whose checks.
      programs: {program: label}.
      sanitized: whose label_asan to judge instead of theirs.
      args: for the checker.
      data: for the test.
      **kwargs: for the test.
    """
    twice = {}
    for program, label in programs.items():
        twice[program] = label
        twice[program + "_asan"] = sanitized.get(program, label) + "_asan"
    _judge_test(
        name = name,
        size = "small",
        args = ["--lab=" + lab] + args +
               [_arg(program, label) for program, label in twice.items()],
        data = data + twice.values(),
        judge = "//tests/%s:checker" % lab,
        **kwargs
    )

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
            tags = tags,
        ),
        tags = tags,
    )

def lab_tests(name, programs, first_failure):
    """Tests that the checks of a lab are right, and its documents true.

    - The starter compiles, and fails first at `first_failure`.
    - demo.cc, the program behind `./lab demo`, prints the lab's transcript.txt.
    - Each mutants/PROGRAM_*.patch, applied to the reference, fails those checks
      that its lines "Caught-by: CHECK" name, and no other. Those that only
      AddressSanitizer sees are in mutants/memory; the others are not built for
      it, which is half of what there is to build.
    - Each variants/PROGRAM_*.cc passes all checks beside the reference.

    Args:
      name: of the lab.
      programs: their names.
      first_failure: name of a check.
    """
    reference = {
        program: "//solutions/%s:%s" % (name, program)
        for program in programs
    }

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
        data = reference.values(),
        deps = ["//tests/support:demo"],
    )
    transcript = "//labs/%s:transcript.txt" % name
    _judge_test(
        name = "demo_test",
        size = "small",
        args = ["$(rootpath :demo)", "$(rootpath %s)" % transcript] +
               [_arg(program, label) for program, label in reference.items()],
        data = [":demo", transcript] + reference.values(),
        judge = "//tests/support:demo_judge",
    )

    for patch in native.glob(["mutants/**/*.patch"]):
        mutant = patch[:-len(".patch")]
        program = _program_of(mutant, programs)
        native.genrule(
            name = mutant + "_source",
            testonly = True,
            srcs = [reference[program] + ".cc", patch],
            outs = [mutant + ".cc"],
            cmd = "set -- $(SRCS) && cat $$1 > $@ && patch --silent $@ $$2",
        )
        _check_instead(
            name,
            mutant,
            reference,
            args = ["--mutant=$(rootpath %s)" % patch],
            copts = ["-w"],  # Mistakes need not look good.
            data = [patch],
            sanitized = patch.startswith("mutants/memory/"),
        )
    for source in native.glob(["variants/*.cc"]):
        _check_instead(name, source[:-len(".cc")], reference)

def _check_instead(lab, source, reference, copts = [], sanitized = True, **kwargs):
    """Judges the reference with one program replaced by `source`.cc.

    Without `sanitized`, not where it is judged under AddressSanitizer.
    """
    program = _program_of(source, reference)
    programs = dict(reference)
    programs.update(_programs(
        lab,
        {program: source + ".cc"},
        prefix = source + "/",
        copts = copts,
        sanitized = sanitized,
        testonly = True,
    ))
    _check(
        name = source + "_test",
        lab = lab,
        programs = programs,
        sanitized = {} if sanitized else reference,
        **kwargs
    )
