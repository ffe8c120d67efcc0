#!/bin/bash
# Makes sure that the machine has what the kit needs.
#
#   . tools/setup.sh; lab_setup [--yes] || exit   # what ./lab does
#   bash tools/setup.sh [--yes]                   # the same, by hand
#
# lab_setup returns 0 when all is there. Otherwise one line on stderr says what
# to do, and it returns 2 (130 after Ctrl-C). It sets two variables:
#   LAB_BAZEL        the Bazel to call
#   LAB_BAZEL_FLAGS  what it needs after its command (build, test, query, ...)

# shellcheck disable=SC2034  # ./lab uses the two.

# What must exist, and the package that brings it. A name without a slash is a
# program, looked for in PATH.
_lab_everyone_needs=(
  "g++ g++"
  "strace strace"
  "patch patch"
  "ss iproute2"
  "netstat net-tools"
  "/etc/services netbase"
)
# Debian's Bazel brings its own Java, Python and compiler as dependencies. Java
# is asked for because it comes last: an installation cut short lacks it.
_lab_debian_needs=(
  "/usr/bin/bazel bazel-bootstrap"
  "/usr/share/bazel/A-server.jar bazel-bootstrap"
  "/usr/bin/javac default-jdk-headless"
  "/usr/share/bazel/rules/cc bazel-rules-cc"
  "/usr/share/bazel/rules/java bazel-rules-java"
  "/usr/share/bazel/tools/platforms bazel-platforms"
  "/usr/include/absl/base/config.h libabsl-dev"
  "/usr/include/gtest/gtest.h libgtest-dev"
  "/usr/include/gmock/gmock.h libgmock-dev"
  "/usr/include/nlohmann/json.hpp nlohmann-json3-dev"
  "/usr/bin/pkg-config pkgconf"
)

# Exists from the start of an installation until it has succeeded: after a power
# cut all files can be there and the packages not be set up yet.
_lab_unfinished=/var/lib/misc/socket-lab-setup.unfinished

lab_setup() {
  _lab_find_bazel
  _lab_find_missing
  [[ ${#_lab_missing[@]} != 0 ]] || return 0
  (_lab_install "$@") || return
  _lab_find_bazel  # Which flags it needs is known only now that it is there.
}

# Everything down to _lab_install runs before each command of ./lab, so it forks
# no process and starts no Bazel: files tell.

_lab_find_bazel() {
  local name
  LAB_BAZEL=/usr/bin/bazel LAB_BAZEL_FLAGS=()
  _lab_needs=("${_lab_everyone_needs[@]}")
  for name in bazel bazelisk; do
    # What hash finds stands in BASH_CMDS; $(type -P ...) would fork.
    hash "$name" 2>/dev/null || continue
    _lab_is_debians "${BASH_CMDS[$name]}" && break
    LAB_BAZEL=${BASH_CMDS[$name]}  # Your own; it reads MODULE.bazel.
    return
  done
  _lab_needs+=("${_lab_debian_needs[@]}")
  # Debian's Bazel 7 is the first that is packaged with bazel-features.
  [[ ! -e /usr/share/bazel/tools/features ]] || LAB_BAZEL_FLAGS=(--config=workspace)
}

# A /usr/bin/bazel can also come from Bazel's own package, which is complete in
# itself. Half of Debian's installation does not count as that.
_lab_is_debians() {
  [[ $1 == /usr/bin/bazel || $1 == /bin/bazel ]] &&
    [[ -e /usr/share/bazel || -e $_lab_unfinished ]]
}

_lab_find_missing() {
  local need package
  _lab_missing=()
  for need in "${_lab_needs[@]}"; do
    package=${need#* }
    if ! _lab_is_there "${need% *}" && [[ " ${_lab_missing[*]-} " != *" $package "* ]]; then
      _lab_missing+=("$package")
    fi
  done
}

_lab_is_there() {
  [[ ! -e $_lab_unfinished ]] || return 1
  if [[ $1 == /* ]]; then [[ -e $1 ]]; else hash "$1" 2>/dev/null; fi
}

_lab_say() { printf 'lab: %s\n' "$*" >&2; }

_lab_fail() {
  _lab_say "$@"
  exit 2
}

# Runs in a subshell, so that its traps and exits end nothing else.
_lab_install() {
  local packages=("${_lab_missing[@]}") as_root=() by_hand log problems started=$SECONDS
  _lab_read_system
  _lab_get_root "$@"

  log=$(mktemp "${TMPDIR:-/tmp}/lab-setup.XXXXXX" 2>/dev/null) || log=/dev/null
  trap '_lab_interrupted' INT TERM HUP
  _lab_say "set-up: installing ${packages[*]} and what they need"
  problems=$(_lab_root touch "$_lab_unfinished" 2>&1) ||
    _lab_give_up "${as_root[*]:+sudo refused: }$problems"
  _lab_apt_install
  _lab_root rm -f "$_lab_unfinished"

  hash -r
  _lab_find_missing
  [[ ${#_lab_missing[@]} == 0 ]] ||
    _lab_fail "${_lab_missing[*]}: installed, but not where the kit looks: see the table in tools/setup.sh"
  [[ $log == /dev/null ]] || rm -f "$log"
  _lab_say "set-up: done in $((SECONDS - started)) s"
}

_lab_read_system() {
  local id like version name
  # shellcheck source=/dev/null
  IFS='|' read -r id like version name <<<"$(
    unset -v ID ID_LIKE VERSION_ID PRETTY_NAME
    . /etc/os-release 2>/dev/null
    echo "${ID-}|${ID_LIKE-}|${VERSION_ID-}|${PRETTY_NAME-this system}"
  )"
  case $id:$version in
    debian: | debian:1[2-9]* | ubuntu:2[4-9].*) return ;;  # Debian sid has no version.
    debian:* | ubuntu:*) ;;
    *) [[ " $like " == *" debian "* || " $like " == *" ubuntu "* ]] && return ;;
  esac
  # Elsewhere Bazelisk fetches Bazel, and MODULE.bazel the libraries.
  _lab_needs=("${_lab_everyone_needs[@]}")
  _lab_find_missing
  [[ $LAB_BAZEL != /usr/bin/bazel ]] || _lab_missing+=(bazelisk)
  _lab_fail "$name is not Debian 12, 13 or Ubuntu 24.04: install by hand: ${_lab_missing[*]}"
}

# Sets as_root to what turns a command into root's, and asks before it is used.
_lab_get_root() {
  local answer
  by_hand="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
  if [[ -e $_lab_unfinished ]]; then
    by_hand="dpkg --configure -a && $by_hand && rm -f $_lab_unfinished"
  fi
  [[ $EUID != 0 ]] || return 0
  hash sudo 2>/dev/null || _lab_fail "packages are missing: run as root: $by_hand"
  as_root=(sudo)
  by_hand="sudo sh -c '$by_hand'"
  [[ " $* " != *" --yes "* ]] || return 0
  [[ -t 0 ]] || _lab_fail "packages are missing: add --yes, or run: $by_hand"
  _lab_say "packages are missing: ${packages[*]}"
  read -r -p "lab: install them and what they need, with sudo? [Y/n] " answer || answer=no
  case ${answer,,} in
    '' | y | yes) ;;
    *) _lab_fail "nothing was installed: to do it yourself: $by_hand" ;;
  esac
}

# PATH: after a plain su it lacks the folders that dpkg insists on.
_lab_root() {
  "${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    PATH="$PATH:/usr/sbin:/sbin" "$@"
}

# Installs, and mends what stands in the way, each thing once.
_lab_apt_install() {
  local earlier='' mended=' '
  until problems=$(_lab_apt install -y --no-install-recommends --no-remove "${packages[@]}"); do
    earlier+=$problems
    if [[ $problems == *"dpkg was interrupted"* && $mended != *" dpkg "* ]]; then
      mended+='dpkg '
      _lab_say "set-up: finishing an installation that was cut short"
      earlier+=$(_lab_logged dpkg --configure -a --force-confold)
    elif [[ $problems == *"nmet dependencies"* && $mended != *" depends "* ]]; then
      mended+='depends '
      earlier+=$(_lab_apt install -y --no-remove --fix-broken)
    elif [[ $problems == *"Unable to locate"* || $problems == *"no installation candidate"* ||
      $problems == *" 404 "* ]] && [[ $mended != *" lists "* ]]; then
      # Most runs need no fresh lists: they are read when apt misses something.
      mended+='lists '
      _lab_say "set-up: reading the lists of packages"
      earlier=$(_lab_apt update) || _lab_wait_for_lists
    else
      _lab_give_up "$earlier"
    fi
  done
}

# apt waits for another apt that installs, but not for one that reads the lists.
_lab_wait_for_lists() {
  local holder=${earlier#*held by process }
  holder=${holder%%[!0-9]*}
  [[ $holder ]] || return 0  # A source that we need not may be down: install tells.
  _lab_say "set-up: waiting at most 2 minutes for another apt, process $holder"
  timeout 120 tail --pid="$holder" -f /dev/null
  earlier=$(_lab_apt update)
}

_lab_apt() {
  _lab_logged apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::http::Timeout=20 \
    -o Acquire::Retries=1 -o Dpkg::Options::=--force-confold "$@"
}

# Runs a command of apt or dpkg: its phases go to stderr, its complaints to
# stdout, all of it to the log.
_lab_logged() {
  set -o pipefail
  _lab_root "$@" </dev/null 2>&1 | _lab_progress
}

_lab_progress() {
  # Ctrl-C ends a download at once, but apt may finish what it is unpacking.
  trap '_lab_say "set-up: stopping as soon as apt can"' INT
  local line now phase='' steps=0 total=0 count=0 percent
  while IFS= read -r line; do
    printf '%s\n' "$line" 2>/dev/null >>"$log"
    now=
    case $line in
      [EW]:* | Err:* | sudo:* | dpkg:* | *'No space left'*) printf '%s\n' "$line" ;;
      Waiting*) now="waiting at most 2 minutes for another apt, ${line##*held by }" steps=0 ;;
      *' newly installed,'*) total=${line#*, } total=${total%% *} ;;
      Get:*) ((total == 0)) || now=downloading steps=$total ;;
      'Unpacking '* | 'Setting up '*) now=installing steps=$((2 * total)) ;;
    esac
    [[ $now ]] || continue
    if [[ $now != "$phase" ]]; then
      phase=$now count=0
      _lab_say "set-up: $phase"
    fi
    # On a terminal the line that began the phase counts up.
    if [[ -t 2 ]] && ((steps)); then
      percent=$((++count < steps ? 100 * count / steps : 100))
      printf '\e[A\rlab: set-up: %s %d %%\n' "$phase" "$percent" >&2
    fi
  done
}

_lab_interrupted() {
  trap - INT TERM HUP
  [[ $log == /dev/null ]] || rm -f "$log"
  _lab_say "set-up interrupted: give the same command again, it goes on from here"
  exit 130
}

# $1: what was complained about.
_lab_give_up() {
  local last=${1##*E: } advice
  last=${last%%$'\n'*}
  case $1 in
    *'No space left'* | *'enough free space'*)
      advice="the disk is full: free some space (apt-get clean helps), then give the command again" ;;
    'sudo refused: '*)
      advice="sudo refused; ask somebody who may to run: $by_hand" ;;
    *'Could not get lock'* | *'Unable to acquire'*)
      advice="another apt is still running: give the command again when it has ended" ;;
    *'ailed to fetch'* | *Err:* | *'Could not resolve'*)
      advice="no answer from the package mirror: check the network, then give the command again ($log)" ;;
    *'Unable to locate'* | *'no installation candidate'*)
      advice="not offered by your package sources (Ubuntu: is universe enabled?): $last" ;;
    *) advice="$last: see $log, or do it by hand: $by_hand" ;;
  esac
  _lab_fail "set-up failed: $advice"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  set -u
  lab_setup "$@"
fi
