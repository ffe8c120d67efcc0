#!/bin/bash
# Runs the README's two commands on each system that it names.
#
#   tools/systems.sh [--quick] [--mirror=URL] [--logs=FOLDER] [NAME...]
#   tools/systems.sh --can   # only says whether this machine can do that
#
# NAME is a system (debian-12, debian-13, debian-sid) or a row of one
# (debian-13/root); without a NAME, all usual rows of all systems are run. For each row
# this script makes a bare system in a folder, by debootstrap, puts a clean clone of
# the kit into it, and there runs ./lab demo and ./lab selftest (with --quick, only the
# demo). It prints a table and keeps nothing else; with --logs, it keeps what each row
# printed. It wants to be root. The packages come from the mirror of Debian that this
# machine uses.
#
# The processes and mounts of a row are in namespaces of its own, and the kernel removes
# these together with the first process: nothing is left, however this script ends.
# The last line is "N passed, N failed". Exit status: 0 all passed, 1 something failed,
# 2 the call was wrong or this machine cannot do it.
# shellcheck disable=SC2317  # A trap calls what looks unused.
set -u

systems=(debian-12 debian-13 debian-sid)
declare -A suites=([debian-12]=bookworm [debian-13]=trixie [debian-sid]=sid)

# row -> its user, whether the user can make namespaces, where the clone is, the
# compiler's package, and what stands in the clone's .bazelrc.user.
declare -A rows=(
  [root]="root|yes|/root/kit|g++|"
  [user]="student|yes|/home/student/my kit|g++|"
  [bare]="root|no|/root/kit|g++|"
  [optimised]="student|no|/home/student/kit|g++|build --compilation_mode=opt"
  [clang]="student|no|/home/student/kit|clang|build --action_env=CC=clang --repo_env=CC=clang --define=compiler=clang"
  [clang-optimised]="root|yes|/root/kit|clang|build --action_env=CC=clang --repo_env=CC=clang --define=compiler=clang --compilation_mode=opt"
)
usual_rows=(root user bare)

say() { printf 'systems: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 2
}

find_mirror() {
  # shellcheck disable=SC2016  # apt's variables, not bash's.
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' "Identifier: Packages" 2>/dev/null |
    sed -n 's/^Debian|Debian|main|//p' | head -n 1
}

# What this machine's apt needs to know to reach its mirror, for the systems' apt.
apt_settings() { apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv)'; }

mirror='' logs='' only_can='' quick='' chosen=()
for argument in "$@"; do
  case $argument in
    --can) only_can=yes ;;
    --quick) quick=yes ;;
    --mirror=?*) mirror=${argument#*=} ;;
    --logs=?*) logs=$(realpath -m "${argument#*=}") ;;
    */*)
      [[ ${suites[${argument%%/*}]-} && ${rows[${argument#*/}]-} ]] ||
        die "there is no row '$argument': a system has the rows ${!rows[*]}"
      chosen+=("$argument")
      ;;
    *)
      [[ ${suites[${argument:-none}]-} ]] || die "there is no system '$argument': there are ${systems[*]}"
      chosen+=("${usual_rows[@]/#/$argument/}")
      ;;
  esac
done
((${#chosen[@]})) || for system in "${systems[@]}"; do chosen+=("${usual_rows[@]/#/$system/}"); done

[[ $EUID == 0 ]] || die "must be run as root: a system in a folder has users and mounts of its own"
for program in debootstrap git unshare setpriv; do
  hash "$program" 2>/dev/null || die "$program is missing: apt-get install debootstrap git util-linux"
done
mirror=${mirror:-$(find_mirror)}
[[ $mirror ]] || die "this machine's apt has no mirror of Debian: name one by --mirror=URL"
problem=$(unshare --mount --pid --ipc --fork true 2>&1) || die "this machine permits no namespaces: $problem"
[[ ! $only_can ]] || exit 0
cd "$(dirname "$0")/.." || exit 2
problem=$(git status --porcelain 2>&1) || die "a clone is made of this folder, but: $problem"
[[ ! $problem ]] || say "note: a clone has what is committed, not what is only edited"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/lab-systems.XXXXXX") || die "no folder can be made: set TMPDIR to one with 8 GB"
[[ ! $logs ]] || mkdir -p "$logs" || die "$logs: cannot be made"
remove() { rm -rf --one-file-system "$@"; }

# The process that waits for the first one in the namespaces of $@.
child=
apart() {
  # In the background, so that a signal to this script is heeded at once.
  setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child "$@" &
  child=$!
  wait "$child"
  local status=$?
  child=
  return $status
}
clean_up() {
  local first
  trap - EXIT INT TERM HUP
  if [[ $child ]]; then
    # All others have ended when the kernel lets the first one end.
    read -r first <"/proc/$child/task/$child/children"
    kill -KILL "${first:-$child}"
    wait "$child"
  fi 2>/dev/null
  remove "$work"
}
trap clean_up EXIT
exec {stderr}>&2 # A signal can come while stderr is a log.
trap 'clean_up; say "interrupted: nothing is left" 2>&"$stderr"; exit 130' INT TERM HUP

# A bare system in the folder $work/$1. Its packages are kept until the end.
make_system() {
  local system=$1 folder=$work/$1
  [[ ! -e $folder ]] || return 0
  say "$system: making a bare system from $mirror"
  mkdir -p "$work/packages/$system"
  if ! apart debootstrap --variant=minbase --cache-dir="$work/packages/$system" "${suites[$system]}" \
    "$folder" "$mirror" >"$work/log" 2>&1; then
    tail -n 5 "$work/log" >&2
    remove "$folder"
    return 1
  fi
  apt_settings >"$folder/etc/apt/apt.conf.d/00mirror"
  cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
  rm -f "$folder/var/cache/apt/archives/"*.deb
}

# A system's first row compiles everything; the others start with what it has compiled.
# What was judged is not taken along: each row judges that itself.
compiled_of() { printf '%s/compiled/%s-%s' "$work" "$1" "$2"; }
keep_compiled() {
  [[ ! -e $2 && -d $1 ]] || return 0
  mkdir -p "${2%/*}" && mv "$1" "$2" && chown -R 0:0 "$2"
  grep -rlaZ 'test\.log' "$2" | xargs -0r rm -f
}

line() {
  printf '| %-10s | %-7s | %-10s | %-12s | %-13s | %-6s | %-10s | %-6s | %-8s | %-8s | %-6s | %-6s |\n' "$@"
}

# Runs row $1, SYSTEM/ROW, and writes its line of the table.
run_row() {
  local system=${1%%/*} root=$work/root status started=$SECONDS
  local user namespaces kit compiler options compiled key value path=plain
  declare -A result=()
  IFS='|' read -r user namespaces kit compiler options <<<"${rows[${1#*/}]}"
  [[ $kit != *' '* ]] || path="with a space"
  make_system "$system" || return
  say "$1: as $user, namespaces: $namespaces, in $kit"
  cp -a "$work/$system" "$root" && mkdir -p "$root$kit" &&
    git clone -q --no-hardlinks . "$root$kit" && cp tools/systems/row.sh "$root/" || return
  compiled=$(compiled_of "$system" "$(printf '%s' "$compiler$options" | cksum | cut -d ' ' -f 1)")
  [[ ! -e $compiled ]] || { mkdir "$root$kit/.lab" && cp -a "$compiled" "$root$kit/.lab/compiled"; }
  [[ ! $options ]] || printf '%s\n' "$options" >"$root$kit/.bazelrc.user"
  apart bash tools/systems/enter.sh "$root" "$work/packages/$system" "$namespaces" \
    /bin/bash /row.sh "$user" "$kit" "$compiler" "$quick" 3>&2 >"$work/log" 2>&1
  status=$?
  while IFS='=' read -r key value; do result[$key]=$value; done <"$root/result"
  [[ ! $logs ]] || cp "$work/log" "$logs/${1/\//-}.log"
  if [[ $status != 0 || ${result[failed]-} != 0 || ${result[namespaces]-} != "$namespaces" ]]; then
    ((result[failed])) || result[failed]=1
    say "$1 failed; the end of what it printed:"
    tail -n 100 "$work/log" >&2
  fi
  keep_compiled "$root$kit/.lab/compiled" "$compiled"
  remove "$root"
  ((passed += ${result[passed]:-0}, failed += result[failed]))
  line "$system" "$user" "${result[namespaces]-?}" "$path" "${result[compiler]-?}" "${result[bazel]-?}" \
    "${result[abseil]-?}" "${result[setup]-?} s" "${result[demo]-?}" "${result[selftest]--}" \
    "${result[passed]-?}" "${result[failed]}" >>"$work/table"
  say "$1 took $((SECONDS - started)) s:"
  tail -n 1 "$work/table" >&2
}

passed=0 failed=0
{
  line system user namespaces path compiler Bazel Abseil set-up demo selftest passed failed
  line --- --- --- --- --- --- --- --- --- --- --- ---
} >"$work/table"
for name in "${chosen[@]}"; do
  run_row "$name" || {
    ((++failed))
    line "${name%%/*}" "${name#*/}" - - - - - - "not run" - - - >>"$work/table"
    remove "$work/root"
  }
done
cat "$work/table"
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed > 0))
