# shellcheck shell=bash
# ./lab bench: builds the benchmark, optimised, and runs it. Sourced by ./lab.
# shellcheck disable=SC2154  # $caller_folder is ./lab's.

# Said aloud, since a Bazel that is running does not look for them again.
peers=none
[[ ! -e /usr/include/boost/asio.hpp ]] || peers+=,asio
[[ ! -e /usr/include/uv.h ]] || peers+=,uv

run_bazel build -c opt "--repo_env=LAB_BENCH_PEERS=$peers" //tools/bench || exit 2
bench=$PWD/tools/bench/bench.py binary=$PWD/bazel-bin/tools/bench/bench
cd "$caller_folder" || exit 2
/usr/bin/python3 "$bench" "$binary" "$@"
