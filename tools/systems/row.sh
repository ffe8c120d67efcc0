#!/bin/bash
# row.sh USER KIT COMPILER QUICK: in a bare system, as its root, runs the README's two
# commands as USER in KIT, a clone; only the first one, unless QUICK is empty. COMPILER is
# a package. What came of it goes to /result, a line NAME=VALUE each; what ./lab says of
# its progress goes to descriptor 3.
set -u
user=$1 kit=$2 compiler=$3 quick=$4

tell() { printf '%s=%s\n' "$1" "$2" >>/result; }
fail() {
  printf 'row: %s\n' "$*" >&2
  exit 1
}
as_user() {
  (cd "$kit" && runuser -u "$user" -- env HOME="$home" USER="$user" ${CI:+CI="$CI"} timeout -k 10 3000 "$@")
}
progress() { tee "$1" >(grep --line-buffered '^lab: ' >&3); }

home=/root
if [[ $user != root ]]; then
  home=/home/$user
  useradd --no-create-home --shell /bin/bash "$user" || fail "no user $user"
  chown -R "$user:" "$home"
fi
if runuser -u "$user" -- unshare --user true; then tell namespaces yes; else tell namespaces no; fi

# An ordinary user without sudo is told what root has to run.
if [[ $user != root ]]; then
  said=$(as_user ./lab demo 2>&1)
  [[ $? == 2 && $said == *"run as root: "* ]] || fail "an ordinary user was told: $said"
  started=$SECONDS
  bash -c "${said##*run as root: }" || fail "that command fails"
  tell setup $((SECONDS - started))
fi
[[ $compiler == g++ ]] || apt-get install -y -q "$compiler" || fail "no $compiler"

started=$SECONDS
as_user ./lab demo 2>&1 | progress /demo
[[ ${PIPESTATUS[0]} == 0 ]] || fail "./lab demo fails"
tell demo "ok, $((SECONDS - started)) s"
[[ $user != root ]] || tell setup "$(sed -n 's/^lab: set-up: done in \([0-9]*\) s$/\1/p' /demo)"

tell compiler "$compiler $("$compiler" -dumpfullversion -dumpversion | head -n 1)"
tell bazel "$(dpkg-query -W -f '${source:Upstream-Version}' bazel-bootstrap | sed 's/+.*//')"
tell abseil "$(dpkg-query -W -f '${source:Upstream-Version}' libabsl-dev)"
if [[ $quick ]]; then
  tell passed 1
  tell failed 0
  exit
fi
started=$SECONDS
as_user ./lab selftest 2>&1 | progress /selftest
tell selftest "$((SECONDS - started)) s"
[[ $(tail -n 1 /selftest) =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || fail "./lab selftest says no verdict"
tell passed "${BASH_REMATCH[1]}"
tell failed "${BASH_REMATCH[2]}"
