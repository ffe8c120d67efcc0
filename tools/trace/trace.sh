# shellcheck shell=bash
# ./lab trace, and the end of the trace for ./lab check --trace. Sourced by ./lab.
# shellcheck disable=SC2154  # $lab, $log and $caller_folder are ./lab's.

# Sets `words` to the demo of the lab, with the programs in room $1.
demo_of() {
  local program
  words=("$PWD/bazel-bin/tests/$lab/demo")
  for program in $(programs_of "$lab"); do
    words+=("$program=$PWD/bazel-bin/$1/$lab/$program")
  done
}

# ./lab trace [NN] [FLAG...] [-- COMMAND...]; $lab is set where there is an NN.
trace() {
  local room=labs against='' flags=() words=() targets=(//tools/trace) program trace=$PWD/bazel-bin/tools/trace/trace
  while (($#)) && [[ $1 != -- ]]; do
    case $1 in
      --solution) room=solutions ;;
      --against=solution) against=yes ;;
      *) flags+=("$1") ;;
    esac
    shift
  done
  if [[ $lab ]]; then
    [[ ${1-} != -- ]] || die "trace takes the number of a lab or a command, not both"
    targets+=("//tests/$lab:demo")
    for program in $(programs_of "$lab"); do targets+=("//$room/$lab:$program"); done
  else
    [[ ${2-} || " ${flags[*]}" == *" --from="* || " ${flags[*]}" == *" --help"* ]] ||
      die "trace takes the number of a lab, or a command after --; see ./lab trace --help"
    [[ $room == labs && ! $against ]] || die "--solution and --against=solution go with the number of a lab"
  fi
  run_bazel build "${targets[@]}" || exit 1
  if [[ $lab ]]; then
    demo_of solutions
    # Behind --against stands a command, as one writes it in a shell.
    [[ ! $against ]] || flags+=("--against=${words[*]@Q}")
    demo_of "$room"
    flags=("--harness=the demo" "--title=Lab $lab" "${flags[@]}" -- "${words[@]}")
  else
    flags+=("$@")
  fi
  cd "$caller_folder" || exit 2
  rm -f "$log"
  exec "$trace" "${flags[@]}"
}

# Runs the check that was told once more, traced, and shows the end.
trace_failed_check() {
  local check program words trace=$PWD/bazel-bin/tools/trace/trace
  local told='^\([A-Za-z0-9]*\): .* (\(core\|robust\), [0-9]* points*)$'
  check=$(last_log "$lab" | sed -n "s/$told/\\1/p" | head -n 1)
  [[ $check ]] || return 0
  if last_log "$lab" | sed -n "/^$check: .*points*)\$/,\$p" | grep -q 'under strace'; then
    say "$check traces the programs itself, which only one can do: ./lab trace ${lab%%_*} shows them"
    return
  fi
  run_bazel build //tools/trace || return
  printf '\n%s once more, traced; the end of it:\n\n' "$check"
  words=("$PWD/bazel-bin/labs/$lab/check" "--lab=$lab" "--gtest_filter=*.$check")
  for program in $(programs_of "$lab"); do
    words+=("$program=labs/$lab/$program" "${program}_asan=labs/$lab/${program}_asan")
  done
  (cd "bazel-bin/labs/$lab/check.runfiles/socket_lab_kit" &&
    "$trace" "--harness=the check" --end --rows=60 -- "${words[@]}")
}
