#!/bin/bash
# Fuzzes the library for SECONDS (60) a target, under ASan and UBSan:
#
#     tools/fuzz.sh [SECONDS]
#
# Starts from lib/fuzz/corpus, which stays as it is; what is new goes to .lab/fuzz
# with the binaries, and an input that breaks something is named in the last lines.
# Exit status 0: nothing found; 1: something found; 2: not run. To put the inputs
# that matter in place of those in lib/fuzz/corpus that have no name:
#
#     tools/fuzz.sh merge
set -u
cd "$(dirname "$0")/.." || exit 2

refuse() {
  printf 'fuzz: %s\n' "$*" >&2
  exit 2
}

targets=(message socket_address)
duration=${1:-60}
[[ $# -le 1 && $duration =~ ^([1-9][0-9]*|merge)$ ]] || refuse "usage: tools/fuzz.sh [SECONDS | merge]"

hash clang++ 2>/dev/null || refuse "clang++ is missing: apt install clang"
hash pkg-config 2>/dev/null || refuse "pkg-config is missing: apt install pkg-config"
version=$(clang++ -dumpversion)
runtime=$(clang++ -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a
[[ -e $runtime ]] || refuse "clang's runtime is missing: apt install libclang-rt-${version%%.*}-dev"
pkg-config --exists absl_statusor absl_inlined_vector || refuse "Abseil is missing: apt install libabsl-dev"

out=$PWD/.lab/fuzz
mkdir -p "$out/library" || exit 2
flags=(-std=c++17 -g -O1 -fno-sanitize-recover=all "-I$PWD")
mapfile -t sources < <(find "$PWD/lib" -maxdepth 1 -name '*.cc' ! -name '*_test.cc' ! -name testing.cc)
read -ra libraries < <(pkg-config --libs absl_statusor absl_inlined_vector absl_time absl_strings)
(cd "$out/library" && rm -f ./*.o &&
  clang++ "${flags[@]}" -fsanitize=fuzzer-no-link,address,undefined -c "${sources[@]}") || exit 2

found=0
for target in "${targets[@]}"; do
  seeds=lib/fuzz/corpus/$target work=$out/$target fuzzer=$out/${target}_fuzzer
  mkdir -p "$work" || exit 2
  clang++ "${flags[@]}" -fsanitize=fuzzer,address,undefined "lib/fuzz/${target}_fuzzer.cc" \
    "$out/library/"*.o "${libraries[@]}" -o "$fuzzer" || exit 2
  if [[ $duration == merge ]]; then
    # The fewest inputs that pass every edge; telling how often takes hundreds.
    rm -rf "$out/merged"
    mkdir "$out/merged"
    "$fuzzer" -set_cover_merge=1 -use_counters=0 "$out/merged" "$seeds" "$work" || exit 2
    # What has a name was put there by hand, for a mistake that it shows.
    find "$seeds" -regextype egrep -regex '.*/[0-9a-f]{40}' -delete
    mv "$out/merged/"* "$seeds" || exit 2
  else
    printf 'fuzz: %s, %s s\n' "$target" "$duration"
    "$fuzzer" -max_total_time="$duration" -max_len=512 -len_control=0 -timeout=30 \
      -print_final_stats=1 -artifact_prefix="$out/" "$work" "$seeds" || found=1
  fi
done
exit "$found"
