#!/bin/bash
# Runs the README's two commands on each system that it names.
#
#   tools/systems.sh [--mirror=URL] [--logs=FOLDER] [NAME...]
#
# NAME is a system (debian-12, debian-13, debian-sid) or a row of one
# (debian-13/root); without, all rows of all. Each row is a bare system in a folder,
# made by debootstrap, with a clean clone of the kit: ./lab demo, then ./lab selftest.
# Prints a table, and keeps nothing but that; with --logs, what each row printed, too.
# Wants to be root. Packages come from the mirror of Debian that this machine uses.
#
# A row's processes and mounts are in namespaces of its own, which the kernel takes
# away with the first of these processes: nothing is left, however this ends.
# Exit status: 0 all passed, 1 something failed, 2 the call was wrong or could not
# be done.
set -u

systems=(debian-12 debian-13 debian-sid)
declare -A suites=([debian-12]=bookworm [debian-13]=trixie [debian-sid]=sid)

# row -> its user, whether it has user namespaces, where the clone is, and what
# stands in its .bazelrc.user. Together they have each of these on each system.
declare -A rows=(
  [root]="root|yes|/root/kit|"
  [user]="student|yes|/home/student/my kit|"
  [bare]="root|no|/root/kit|"
  [clang]="student|no|/home/student/kit|build --action_env=CC=clang --repo_env=CC=clang --compilation_mode=opt"
)
usual_rows=(root user bare)

say() { printf 'systems: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 2
}

# What this machine knows of a mirror of Debian and of the way to it.
find_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' "Identifier: Packages" 2>/dev/null |
    sed -n 's/^Debian|Debian|main|//p' | head -n 1
}
apt_settings() { apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv)' || true; }

mirror='' logs='' chosen=()
for argument in "$@"; do
  case $argument in
    --mirror=?*) mirror=${argument#*=} ;;
    --logs=?*) logs=$(realpath -m "${argument#*=}") ;;
    */*)
      [[ ${suites[${argument%%/*}]-} && ${rows[${argument#*/}]-} ]] ||
        die "there is no row '$argument': a system has the rows ${!rows[*]}"
      chosen+=("$argument")
      ;;
    *)
      [[ ${suites[$argument]-} ]] || die "there is no system '$argument': there are ${systems[*]}"
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
cd "$(dirname "$0")/.." || exit 2
[[ -z $(git status --porcelain 2>/dev/null) ]] ||
  say "note: a clone has what is committed, not what is only edited"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/lab-systems.XXXXXX") || die "no folder can be made: set TMPDIR to one with 8 GB"
[[ -z $logs ]] || mkdir -p "$logs" || die "$logs: cannot be made"
child=
clean_up() {
  trap - EXIT INT TERM HUP
  # The first process of the namespaces dies with it, and all the others with that.
  [[ ! $child ]] || { kill -KILL "$child" && wait "$child"; } 2>/dev/null
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'clean_up; say "interrupted: nothing is left"; exit 130' INT TERM HUP

# Runs $@ in namespaces of its own. In the background, so that a signal to this script
# is heeded at once.
apart() {
  setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child "$@" &
  child=$!
  wait "$child"
  local status=$?
  child=
  return $status
}

# A bare system, as its installer would leave it; packages are kept for the rows.
make_system() {
  local system=$1 folder=$work/$1 settings
  [[ ! -e $folder ]] || return 0
  say "$system: making a bare system from $mirror"
  mkdir -p "$work/packages/$system"
  if ! apart debootstrap --variant=minbase --cache-dir="$work/packages/$system" "${suites[$system]}" \
    "$folder" "$mirror" >"$work/log" 2>&1; then
    tail -n 5 "$work/log" >&2
    rm -rf --one-file-system "$folder"
    return 1
  fi
  # As this machine reaches the mirror, so does the system.
  apt_settings >"$folder/etc/apt/apt.conf.d/00mirror"
  cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
  rm -f "$folder/var/cache/apt/archives/"*.deb
}

run_row() {
  local system=${1%%/*} row=${1#*/} user namespaces kit options root=$work/root status started=$SECONDS key value
  declare -A result=()
  IFS='|' read -r user namespaces kit options <<<"${rows[$row]}"
  make_system "$system" || return
  say "$system/$row: as $user, $([[ $namespaces == yes ]] && echo with || echo without) namespaces, in $kit"
  cp -a "$work/$system" "$root" && mkdir -p "$root$kit" || return
  git clone -q --no-hardlinks . "$root$kit" || return
  # Compiled anew in a system's first row, and used again in its others.
  [[ ! -e $work/compiled/$system ]] || { mkdir "$root$kit/.lab" && cp -a "$work/compiled/$system" "$root$kit/.lab/compiled"; }
  [[ ! $options ]] || printf '%s\n' "$options" >"$root$kit/.bazelrc.user"
  cp tools/systems/*.sh "$root/"
  apart bash tools/systems/enter.sh "$root" "$work/packages/$system" "$namespaces" \
    /bin/bash /row.sh "$user" "$kit" "$([[ $options != *clang* ]] || echo clang)" >"$work/log" 2>&1
  status=$?
  while IFS='=' read -r key value; do result[$key]=$value; done <"$root/result"
  [[ -z $logs ]] || cp "$work/log" "$logs/$system-$row.log"
  if [[ $status != 0 || ${result[failed]-} != 0 ]]; then
    ((++bad))
    say "$system/$row failed:"
    grep -E 'FAIL|FAILED|lab: |error' "$work/log" | tail -n 30 >&2
  fi
  if [[ $row != clang && ! -e $work/compiled/$system && -d $root$kit/.lab/compiled ]]; then
    mkdir -p "$work/compiled" && mv "$root$kit/.lab/compiled" "$work/compiled/$system"
    # What was compiled, not what was judged: that is judged again in each row.
    grep -rlaZ 'test\.log' "$work/compiled/$system" | xargs -0r rm -f
    chown -R 0:0 "$work/compiled/$system"
  fi
  rm -rf --one-file-system "$root"
  line "$system" "$user" "${result[namespaces]-?}" "$([[ $kit == *' '* ]] && echo "with a space" || echo plain)" \
    "${result[compiler]-?}" "${result[bazel]-?}" "${result[abseil]-?}" "${result[setup]-?} s" \
    "${result[demo]-?}" "${result[selftest]-?} s" "${result[passed]-?}" "${result[failed]-?}" >>"$work/table"
  say "$(tail -n 1 "$work/table") ($((SECONDS - started)) s)"
}

line() { printf '| %-10s | %-7s | %-10s | %-12s | %-11s | %-6s | %-10s | %-6s | %-8s | %-8s | %-6s | %-6s |\n' "$@"; }

bad=0
{
  line system user namespaces path compiler Bazel Abseil set-up demo selftest passed failed
  line --- --- --- --- --- --- --- --- --- --- --- ---
} >"$work/table"
for name in "${chosen[@]}"; do
  run_row "$name" || {
    ((++bad))
    line "${name%%/*}" "${name#*/}" - - - - - - "not run" - - - >>"$work/table"
    rm -rf --one-file-system "$work/root"
  }
done
cat "$work/table"
exit $((bad > 0))
