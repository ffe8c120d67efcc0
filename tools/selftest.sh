# shellcheck shell=bash
# ./lab selftest: everything that can be wrong with the kit. Sourced by ./lab.
# Ends with the line "N passed, N failed".
# shellcheck disable=SC2154  # $log and $kit are ./lab's.
# shellcheck disable=SC2317  # count calls what looks unused.

work=$(mktemp -d -t lab.XXXXXX) || die "no temporary folder can be made: is the disk full?"
copy="$work/a kit" # A path with a space, for that has to work as well.
# What is compiled for the tests is not compiled again for the copy. What nobody has
# used for a week goes.
compiled=$PWD/.lab/compiled
mkdir -p "$compiled" && find "$compiled" -type f -atime +7 -delete
clean_up() {
  [[ ! -e $copy ]] || XDG_CACHE_HOME=$work/cache "$copy/lab" bazel clean --expunge >/dev/null 2>&1
  rm -rf "$work" "$log"
}
trap clean_up EXIT

# The compilers that CI runs are to find nothing to warn of.
flags=()
[[ ! ${CI-} ]] || flags=(--config=werror)

passed=0 failed=0
count() {
  if "${@:2}"; then
    ((++passed))
    say "ok: $1"
  else
    ((++failed))
    say "FAILED: $1"
    return 1
  fi
}

# Every test of Bazel's, with Bazel's own progress.
bazel_tests() {
  local events=$work/events status
  "$LAB_BAZEL" test "${LAB_BAZEL_FLAGS[@]}" "${flags[@]}" --show_result=0 \
    --keep_going --test_summary=terse "--build_event_json_file=$events" \
    "--disk_cache=$compiled" //...
  status=$?
  passed=$(grep -c '"overallStatus":"PASSED"' "$events")
  failed=$(grep -c '"overallStatus":"[^P]' "$events")
  # Something that does not even compile is no test, but fails as well.
  ((status == 0 || status == 3)) || ((++failed))
}

# The kit as somebody might have cloned it.
kit_files() {
  tar -c -C "$kit" --exclude-vcs --exclude='./bazel-*' --exclude=./.lab \
    --exclude=./.bazelrc.user --exclude=__pycache__ --sort=name --mtime=@0 .
}

# All that the verdicts below depend on, in one number.
state() {
  {
    kit_files
    uname -a
    id
    dpkg-query -W
    type -P clang-format shellcheck buildifier
  } | sha256sum
}

# As Bazel does with its tests: not again when nothing has changed since it passed.
count_once() {
  local stamp=.lab/passed/${1// /_}
  if [[ $state == "$(cat "$stamp" 2>/dev/null)" ]]; then
    ((++passed))
    say "ok: $1 (nothing has changed since)"
  elif count "$@"; then
    mkdir -p "${stamp%/*}" && printf '%s\n' "$state" >"$stamp"
  fi
}

# Runs $@ and the path of a copy of the kit, which may be changed.
in_a_copy() {
  if [[ ! -e $copy ]]; then
    mkdir "$copy" "$work/cache" && kit_files | tar -x -C "$copy" || return
    printf 'build "--disk_cache=%s" %s\n' "$compiled" "${flags[*]}" >"$copy/.bazelrc.user"
  fi
  XDG_CACHE_HOME=$work/cache "${@:1:2}" "$copy" "${@:3}"
}

say "1 of 5: Bazel's tests"
bazel_tests
state=$(state)
say "2 of 5: the rules of the repository"
state="$state ${CI-}" count_once "rules of the repository" bash tools/repository_test.sh
say "3 of 5: what the documents show, in a fresh copy of the kit"
count_once "documents" in_a_copy python3 tools/docs_test.py README.md docs/start.md docs/trace.md labs/*/README.md
say "4 of 5: what each lab teaches is out of its reach"
count_once "reach" in_a_copy bash tools/reach_test.sh
say "5 of 5: what ./lab does with a student's sources"
count_once "commands" in_a_copy python3 tools/lab_test.py
count_once "watch" in_a_copy python3 tools/watch_test.py
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed > 0))
