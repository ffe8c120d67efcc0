#!/bin/bash
# What a lab teaches is out of its reach: neither a dependency on it nor an
# #include of it builds. Tried in the kit at $1, a copy, for this changes it.
set -u
cd "${1:?the folder of a copy of the kit}" || exit 2

breaches=0
breach() {
  ((++breaches))
  printf 'reach: %s\n' "$*" >&2
}

targets=()
for lab in $(bash tools/labs.sh); do
  taught=$(awk -v lab="\"$lab\":" '$1 == lab { on = 1 } on { print } on && /\]/ { exit }' labs/labs.bzl |
    grep -o '"[a-z_]*"' | tr -d '"')
  mkdir "labs/$lab/old" && mv "labs/$lab/BUILD" "labs/$lab/old/rest" || exit 2
  {
    printf 'load("@rules_cc//cc:cc_library.bzl", "cc_library")\nload("//labs:labs.bzl", "earned_deps")\n'
    cat "labs/$lab/old/rest"
    [[ $taught ]] || breach "labs/labs.bzl: $lab teaches nothing"
    for target in program $taught; do
      printf '#include "lib/%s.h"\n' "$target" >"labs/$lab/include_$target.cc"
      printf 'cc_library(name = "depend_%s", deps = ["//lib:%s"])\n' "$target" "$target"
      printf 'cc_library(name = "include_%s", srcs = ["include_%s.cc"], deps = earned_deps("%s"))\n' \
        "$target" "$target" "$lab"
      targets+=("//labs/$lab:depend_$target" "//labs/$lab:include_$target")
    done
  } >"labs/$lab/BUILD"
done
output=$(./lab bazel build --keep_going --show_result="${#targets[@]}" "${targets[@]}" 2>&1)

for target in "${targets[@]}"; do
  if grep -q "^Target $target up-to-date" <<<"$output"; then builds=1; else builds=0; fi
  # Every lab may use lib/program.h: what is tried here can build.
  if [[ $target == *_program ]]; then should=1; else should=0; fi
  ((builds <= should)) || breach "$target builds, though its lab teaches it"
  ((builds >= should)) || breach "$target does not build"
done
((breaches == 0)) || printf '%s\n' "$output" >&2
((breaches == 0))
