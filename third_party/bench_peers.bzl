"""@bench_peers: the libraries that `./lab bench` compares with, where installed.

Each target is there in any case; without the library it brings nothing, and in
particular not the macro that says so.
"""

# name -> (header, what a target that brings it says)
_PEERS = {
    # Header-only since we call nothing of Boost but Asio.
    "asio": ("/usr/include/boost/asio.hpp", 'defines = ["BENCH_HAS_ASIO"]'),
    "uv": ("/usr/include/uv.h", 'defines = ["BENCH_HAS_UV"], linkopts = ["-luv"]'),
}

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

"""

# A Bazel that is running does not notice that a package was installed; it does
# notice a change of this variable: the names of the peers, or "none".
_CHOICE = "LAB_BENCH_PEERS"

def _bench_peers_impl(ctx):
    chosen = ctx.os.environ.get(_CHOICE, ",".join(_PEERS.keys())).split(",")
    build = _BUILD
    for name, (header, brings) in _PEERS.items():
        if name not in chosen or not ctx.path(header).exists:
            brings = ""
        build += "cc_library(name = %r, %s)\n" % (name, brings)
    ctx.file("BUILD.bazel", build)

bench_peers = repository_rule(
    implementation = _bench_peers_impl,
    environ = [_CHOICE],
    local = True,
)
