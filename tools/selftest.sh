# shellcheck shell=bash
# ./lab selftest: everything that can be wrong with the kit. Sourced by ./lab.
# Ends with the line "N passed, N failed".
# shellcheck disable=SC2154  # $log is ./lab's.
# shellcheck disable=SC2317  # count calls what looks unused.

passed=0 failed=0
count() {
  if "${@:2}"; then
    ((++passed))
    say "ok: $1"
  else
    ((++failed))
    say "FAILED: $1"
  fi
}

# Every test of Bazel's, with Bazel's own progress.
bazel_tests() {
  local events=$log.json status
  "$LAB_BAZEL" test "${LAB_BAZEL_FLAGS[@]}" --ui_event_filters=-info --show_result=0 \
    --keep_going --test_summary=terse "--build_event_json_file=$events" //...
  status=$?
  passed=$(grep -c '"overallStatus":"PASSED"' "$events")
  failed=$(grep -c '"overallStatus":"[^P]' "$events")
  rm -f "$events"
  # Something that does not even compile is no test, but fails as well.
  ((status == 0 || status == 3)) || ((++failed))
}

# What stands in $@, a command, on a copy of the kit as somebody might have
# cloned it: the path of the copy comes after the command's first two words.
in_a_copy() {
  local copy status
  copy=$(mktemp -d -t lab.XXXXXX) || return
  export XDG_CACHE_HOME=$copy/cache
  mkdir "$copy/a kit" "$XDG_CACHE_HOME" &&
    tar -c -C "$kit" --exclude-vcs --exclude='./bazel-*' --exclude=./.lab . |
    tar -x -C "$copy/a kit" &&
    "${@:1:2}" "$copy/a kit" "${@:3}"
  status=$?
  "$copy/a kit/lab" bazel clean --expunge >/dev/null 2>&1
  unset XDG_CACHE_HOME
  rm -rf "$copy"
  return "$status"
}

say "1 of 4: Bazel's tests"
bazel_tests
say "2 of 4: the rules of the repository"
count "rules of the repository" bash tools/repository_test.sh
say "3 of 4: what each lab teaches is out of its reach"
count "reach" in_a_copy bash tools/reach_test.sh
say "4 of 4: what the documents show, in a fresh copy of the kit"
count "documents" in_a_copy python3 tools/docs_test.py README.md labs/*/README.md
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed > 0))
