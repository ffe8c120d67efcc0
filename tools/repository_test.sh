#!/bin/bash
# The rules of the repository that no compiler checks. Prints each breach and
# exits with 1 if there is one.
set -u
cd "$(dirname "$0")/.." || exit 2

breaches=0
breach() {
  printf 'repository: %s\n' "$*" >&2
  ((++breaches))
}

# All sources but the student's own.
sources=(lib labs/*/starter solutions tests tools)

# A test waits for a condition, never for time.
while IFS= read -r line; do
  breach "$line: waits for time; wait for a condition with a deadline"
done < <(grep -rnE --include='*.cc' --include='*.h' --include='*.sh' \
  '(\b(sleep|usleep|nanosleep|sleep_for|sleep_until|SleepFor) ?\()|(^ *sleep [0-9])' "${sources[@]}")

# Each lab is complete in all its rooms, and each check has a mutant to catch.
while IFS= read -r lab; do
  for file in "labs/$lab/"{README.md,hints.md,transcript.txt,starter,BUILD} \
    "solutions/$lab/BUILD" "tests/$lab/"{BUILD,demo.cc,mutants,variants}; do
    [[ -e $file ]] || breach "$file is missing: a lab has it"
  done
  hints=$(grep -c '^## ' "labs/$lab/hints.md")
  ((hints >= 3)) || breach "labs/$lab/hints.md: $hints hints, at least 3 are wanted"
  (($(grep -cE '^## .* \(steps? [0-9]+( to [0-9]+)?\)$' "labs/$lab/hints.md") == hints)) ||
    breach "labs/$lab/hints.md: each hint ends its title with its step, as in (step 3) or (steps 1 to 3)"
  variants=("tests/$lab/variants/"*.cc)
  ((${#variants[@]} >= 3)) || breach "tests/$lab/variants: at least 3 are wanted"
  mapfile -t checks < <(sed -n 's/^TEST_F([A-Za-z]*, \([A-Za-z0-9]*\)).*/\1/p' "tests/$lab/"*_check.cc)
  for check in "${checks[@]}"; do
    grep -rqx "Caught-by: $check" "tests/$lab/mutants" || breach "tests/$lab: no mutant needs the check $check"
  done
  for program in "labs/$lab/starter/"*.cc; do
    grep -q TODO "$program" || breach "$program: does not say what is TODO"
    # In a clone nobody has worked in, the student's files are the starter's.
    [[ ! ${CI-} ]] || cmp -s "$program" "labs/$lab/${program##*/}" || breach "labs/$lab/${program##*/} differs from $program"
  done
done < <(bash tools/labs.sh)

# The library on one page is the library of the headers.
python3 tools/library_doc_test.py || breach "docs/library.md or lib/examples_test.cc is not what the headers say"

# Each line by which ./lab gives up is explained.
python3 tools/troubleshooting_test.py || breach "docs/troubleshooting.md is not what ./lab says"

python3 tools/links_test.py || breach "a link leads nowhere"

# Form, by the tools that are there; CONTRIBUTING.md says where they come from.
mapfile -t cc < <(find "${sources[@]}" -name '*.cc' -o -name '*.h')
mapfile -t build < <(find . \( -path './bazel-*' -o -path ./.git \) -prune -o \
  \( -name BUILD -o -name '*.bzl' -o -name WORKSPACE -o -name MODULE.bazel \) -print)
form() {
  local tool=$1
  if ! hash "$tool" 2>/dev/null; then
    printf 'repository: not run, since it is not installed: %s\n' "$tool" >&2
  else
    "$@" || breach "$tool finds fault"
  fi
}
form clang-format --dry-run --Werror "${cc[@]}"
form shellcheck -x lab tools/*.sh tools/completion.bash tools/*/*.sh .ci/run
# What an editor knows of a starter, a solution and a check, by compile_flags.txt.
finds_no_error() {
  local source
  for source in "${@:2}"; do
    ! "$1" "--check=$source" --log=error 2>&1 | grep '\[[a-z_]*\] Line' || return 1
  done
}
if hash clangd 2>/dev/null; then
  finds_no_error clangd labs/01_unix_stream/starter/server.cc solutions/05_fd_passing/opener.cc \
    tests/03_socketpair/socketpair_check.cc || breach "clangd finds fault: see compile_flags.txt"
else
  printf 'repository: not run, since it is not installed: %s\n' clangd >&2
fi
form buildifier -mode=check -lint=warn "${build[@]}"

((breaches == 0))
