#!/bin/bash
# How much of the library its tests run, and each line that none does.
#
#     tools/coverage.sh
#
# By gcov, file by file, since Debian's Bazel cannot. Children that end by _exit
# count too, where a test forks. Exit status 1: a test failed, or too little ran.
set -u
cd "$(dirname "$0")/.." || exit 2
wanted=95

out=$PWD/.lab/coverage
rm -rf "$out" && mkdir -p "$out" || exit 2
flags=(-std=c++17 -g -O0 --coverage -DLIB_COVERAGE "-I$PWD")
modules=(absl_statusor absl_inlined_vector absl_time absl_strings absl_cord)
read -ra libraries < <(pkg-config --libs gmock_main "${modules[@]}")

cd "$out" || exit 2
printf '%s\0' "$OLDPWD"/lib/*.cc | xargs -0 -n 1 -P "$(nproc)" g++ "${flags[@]}" -c || exit 2
mapfile -t objects < <(printf '%s\n' ./*.o | grep -v '_test\.o')
failed=0
for test in ./*_test.o; do
  g++ --coverage -o "${test%.o}" "$test" "${objects[@]}" "${libraries[@]}" || exit 2
  "${test%.o}" >"${test%.o}.log" 2>&1 || { printf '%s fails: see %s\n' "${test%.o}" "$out" && failed=1; }
done

gcov --object-directory . ./*.gcda >gcov.log 2>&1 || exit 2
# A line of a header counts as run wherever it ran.
awk -F: -v lib="$OLDPWD/lib/" -v wanted="$wanted" -v failed="$failed" '
  FNR == 1 { name = substr($0, index($0, "Source:") + 7); counts = index(name, lib) == 1 && name !~ /_test\.cc$|\/testing\./ }
  $2 + 0 && $1 !~ /-/ && counts {
    line = substr(name, length(lib) - 3) ":" $2 + 0
    if (!(line in ran)) { order[++lines] = line; text[line] = substr($0, length($1 $2) + 3); ran[line] = 0 }
    if ($1 !~ /[#=]/) ran[line] = 1
  }
  END {
    for (i = 1; i <= lines; ++i) if (ran[order[i]]) ++run; else print order[i] ":" text[order[i]]
    printf "%d of %d lines: %.1f %%\n", run, lines, 100 * run / lines
    exit failed || 100 * run < wanted * lines
  }' ./*.gcov
