"""The rules that judge programs: one prebuilt checker, any programs."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")

def lab_programs(name, programs, copts = [], **kwargs):
    """The programs of a lab, each built twice.

    `NAME` is what the checks run and watch, `NAME_asan` is the same source under
    AddressSanitizer, for the check that the program keeps to its memory. Two
    small compilations side by side cost no more time than one.

    Args:
      name: prefix of the targets; the program's own name is appended.
      programs: {program: its source}.
      copts: for every compilation.
      **kwargs: for every cc_binary.
    """
    for program, src in programs.items():
        cc_binary(
            name = name + program,
            srcs = [src],
            copts = copts,
            deps = ["//lib:program"],
            **kwargs
        )
        cc_binary(
            name = name + program + "_asan",
            srcs = [src],
            copts = copts + ["-fsanitize=address", "-g1"],
            linkopts = ["-fsanitize=address"],
            deps = ["//lib:program"],
            **kwargs
        )

def _judge_test_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = executable,
        target_file = ctx.executable.checker,
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = ctx.files.data)
    for target in ctx.attr.data + [ctx.attr.checker]:
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = executable, runfiles = runfiles)]

# Runs a checker that is already built on the programs that its args name, so
# that judging compiles nothing but the judged sources.
_judge_test = rule(
    implementation = _judge_test_impl,
    attrs = {
        "checker": attr.label(executable = True, cfg = "target", mandatory = True),
        # Called data, since only that name makes $(rootpath) work in args.
        "data": attr.label_list(allow_files = True),
    },
    test = True,
)

def lab_check(name, lab, programs, mutant = None, starter = None, **kwargs):
    """A test that judges programs by the checks of a lab.

    Args:
      name: of the test.
      lab: name of the lab, as in its folders.
      programs: {program: label of its target}; the target with "_asan" appended
        is judged with it.
      mutant: a patch whose header names the checks that must fail, and only they.
      starter: the check that must be the first to fail.
      **kwargs: for the test rule.
    """
    args = ["--lab=" + lab]
    data = []
    if mutant:
        args.append("--mutant=$(rootpath %s)" % mutant)
        data.append(mutant)
    if starter:
        args.append("--starter=" + starter)
    for program, label in programs.items():
        for suffix in ["", "_asan"]:
            args.append("%s%s=$(rootpath %s%s)" % (program, suffix, label, suffix))
            data.append(label + suffix)
    _judge_test(
        name = name,
        size = "small",
        args = args,
        checker = "//tests/%s:checker" % lab,
        data = data,
        **kwargs
    )

def starter_test(lab, programs, first_failure):
    """A test that the starter compiles without a warning, and how it fails.

    Args:
      lab: name of the lab.
      programs: names of its programs.
      first_failure: the check that must be the first to fail.
    """
    lab_programs(
        name = "starter/",
        copts = ["-Wall", "-Wextra", "-Werror"],
        programs = {
            program: "//labs/%s:starter/%s.cc" % (lab, program)
            for program in programs
        },
        testonly = True,
    )
    lab_check(
        name = "starter_test",
        lab = lab,
        programs = {program: ":starter/" + program for program in programs},
        starter = first_failure,
    )

def lab_demo(lab, programs):
    """The program behind `./lab demo`, and a test of the documented transcript.

    Args:
      lab: name of the lab; its demo is in demo.cc.
      programs: {program: label of the reference program}.
    """
    cc_binary(
        name = "demo",
        testonly = True,
        srcs = ["demo.cc"],
        data = programs.values(),
        deps = ["//tests/support:demo"],
    )
    transcript = "//labs/%s:transcript.txt" % lab
    _judge_test(
        name = "demo_test",
        size = "small",
        args = ["$(rootpath :demo)", "$(rootpath %s)" % transcript] + [
            "%s=$(rootpath %s)" % (program, label)
            for program, label in programs.items()
        ],
        checker = "//tests/support:demo_judge",
        data = [":demo", transcript] + programs.values(),
    )

def mutant_tests(lab, sources, programs):
    """A test for each mutants/*.patch: that the checks it names catch it.

    Args:
      lab: name of the lab.
      sources: {program: label of the reference source}.
      programs: {program: label of the reference program}, for what is not
        mutated. A patch's name starts with the name of the program it changes.
    """
    for patch in native.glob(["mutants/*.patch"]):
        name = patch[len("mutants/"):-len(".patch")]
        program = name.split("_")[0]
        source = "mutants/%s.cc" % name
        native.genrule(
            name = name + "_source",
            testonly = True,
            srcs = [sources[program], patch],
            outs = [source],
            cmd = "cat $(execpath %s) > $@ && patch --silent $@ $(execpath %s)" %
                  (sources[program], patch),
            message = "Applying",
        )
        _judged_variant("mutant", lab, name, program, source, programs, patch)

def variant_tests(lab, programs):
    """A test for each variants/*.cc: that it passes every check.

    Args:
      lab: name of the lab.
      programs: {program: label of the reference program}, for the other ones. A
        source's name starts with the name of the program it stands for.
    """
    for source in native.glob(["variants/*.cc"]):
        name = source[len("variants/"):-len(".cc")]
        _judged_variant("variant", lab, name, name.split("_")[0], source, programs, None)

def _judged_variant(kind, lab, name, program, source, programs, mutant):
    lab_programs(
        name = "%s/%s/" % (kind, name),
        programs = {program: source},
        copts = ["-w"] if mutant else [],  # Mistakes need not look good.
        testonly = True,
    )
    judged = dict(programs)
    judged[program] = ":%s/%s/%s" % (kind, name, program)
    lab_check(
        name = "%s_%s_test" % (name, kind),
        lab = lab,
        mutant = mutant,
        programs = judged,
    )
