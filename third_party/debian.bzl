"""Bazel repositories made from Debian's packages; nothing is downloaded."""

_PACKAGE_HEADER = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

"""

def _run(ctx, command):
    result = ctx.execute(command)
    if result.return_code:
        fail("%s: %s%s" % (" ".join(command), result.stdout, result.stderr))
    return result.stdout.strip()

def _linkopts(ctx, module):
    """The linker's options for a pkg-config module, unused libraries dropped."""
    libs = _run(ctx, ["pkg-config", "--static", "--libs", module]).split(" ")
    return (["-Wl,--push-state,--as-needed"] + [lib for lib in libs if lib] +
            ["-Wl,--pop-state"])

# rules_cc ---------------------------------------------------------------------
# bazel-rules-cc 0.0.4 was written for a newer Bazel than the 4.2.3 that it is
# packaged with: it has no cc_binary.bzl and its kin, and it loads
# use_cpp_toolchain, which 4.2.3 lacks.

_RULES = ["cc_binary", "cc_import", "cc_library", "cc_shared_library", "cc_test"]

_USE_CPP_TOOLCHAIN = """
def use_cpp_toolchain(mandatory = True):
    return ["@bazel_tools//tools/cpp:toolchain_type"]
"""

_LOAD_OURS = """grep -rl '"use_cpp_toolchain"' cc | xargs -r sed -i \
's|, "use_cpp_toolchain")|)\\nload("@rules_cc//cc/private:use_cpp_toolchain.bzl", "use_cpp_toolchain")|'
"""

def _debian_rules_cc_impl(ctx):
    _run(ctx, ["cp", "-rT", "/usr/share/bazel/rules/cc", "."])
    for rule in _RULES:
        file = "cc/%s.bzl" % rule
        if not ctx.path(file).exists:
            ctx.file(file, 'load(":defs.bzl", _rule = "%s")\n\n%s = _rule\n' % (rule, rule))
    bazels_own = ctx.path(Label("@bazel_tools//tools/cpp:toolchain_utils.bzl"))
    if "def use_cpp_toolchain" not in ctx.read(bazels_own):
        ctx.file("cc/private/BUILD", "")
        ctx.file("cc/private/use_cpp_toolchain.bzl", _USE_CPP_TOOLCHAIN)
        _run(ctx, ["sh", "-ec", _LOAD_OURS])

debian_rules_cc = repository_rule(implementation = _debian_rules_cc_impl, local = True)

# GoogleTest -------------------------------------------------------------------
# libgtest-dev and libgmock-dev hold static libraries: using them instead of
# /usr/src/googletest saves twenty compilations on a fresh clone.

def _debian_googletest_impl(ctx):
    build = _PACKAGE_HEADER
    for name, module in [("gtest", "gmock"), ("gtest_main", "gmock_main")]:
        build += "cc_library(name = %r, linkopts = %r)\n" % (name, _linkopts(ctx, module))
    ctx.file("BUILD.bazel", build)

debian_googletest = repository_rule(implementation = _debian_googletest_impl, local = True)

# Abseil -----------------------------------------------------------------------
# package -> {target as upstream names it: pkg-config module of libabsl-dev}
_ABSEIL = {
    "base": {"core_headers": "core_headers"},
    "cleanup": {"cleanup": "cleanup"},
    "container": {"inlined_vector": "inlined_vector"},
    "functional": {"function_ref": "function_ref"},
    "status": {"status": "status", "statusor": "statusor"},
    "strings": {"str_format": "str_format", "strings": "strings"},
    "time": {"time": "time"},
    "types": {"optional": "optional", "span": "span"},
}

def _debian_abseil_impl(ctx):
    for package, targets in _ABSEIL.items():
        build = _PACKAGE_HEADER
        for name, module in targets.items():
            build += "cc_library(name = %r, linkopts = %r)\n" % (name, _linkopts(ctx, "absl_" + module))
        ctx.file("absl/%s/BUILD.bazel" % package, build)
    ctx.file("BUILD.bazel", "")

debian_abseil = repository_rule(implementation = _debian_abseil_impl, local = True)

# JSON for Modern C++ ------------------------------------------------------------
# nlohmann-json3-dev is headers only, where the compiler looks anyway.

def _debian_nlohmann_json_impl(ctx):
    ctx.file("BUILD.bazel", _PACKAGE_HEADER + 'cc_library(name = "json")\n')

debian_nlohmann_json = repository_rule(implementation = _debian_nlohmann_json_impl)

# Coverage ---------------------------------------------------------------------
# Every cc_test names these tools, wanted or not; without them none is analysed.

_NO_COVERAGE_TOOLS = """\
package(default_visibility = ["//visibility:public"])

filegroup(name = "lcov_merger")

filegroup(name = "coverage_report_generator")
"""

def _no_coverage_tools_impl(ctx):
    ctx.file("BUILD.bazel", _NO_COVERAGE_TOOLS)

no_coverage_tools = repository_rule(implementation = _no_coverage_tools_impl)
