#!/bin/bash
# row.sh USER KIT [COMPILER]: in a bare system, runs the README's two commands as USER
# in KIT, a clone. What came of it goes to /result, NAME=VALUE a line.
set -u
user=$1 kit=$2 compiler=${3-}

tell() { printf '%s=%s\n' "$@" >>/result; }
as_user() { (cd "$kit" && runuser -u "$user" -- env "HOME=$home" "USER=$user" "$@"); }

if [[ $user == root ]]; then
  home=/root
else
  home=/home/$user
  useradd --no-create-home --shell /bin/bash "$user"
  chown -R "$user:" "$home"
fi
unshare --user true 2>/dev/null && tell namespaces yes || tell namespaces no

# An ordinary user without sudo is told what root has to run.
if [[ $user != root ]]; then
  said=$(as_user ./lab demo 2>&1)
  [[ $? == 2 && $said == *"run as root: "* ]] || { echo "row: no command for root: $said" && exit 1; }
  started=$SECONDS
  bash -c "${said#*run as root: }" || exit 1
  tell setup $((SECONDS - started))
fi
[[ ! $compiler ]] || apt-get install -y -q "$compiler" || exit 1
started=$SECONDS
as_user ./lab demo 2>&1 | tee /demo
[[ ${PIPESTATUS[0]} == 0 ]] || { tell demo failed && exit 1; }
tell demo "ok, $((SECONDS - started)) s"
[[ $user != root ]] || tell setup "$(sed -n 's/^lab: set-up: done in \([0-9]*\) s$/\1/p' /demo)"

if [[ $compiler ]]; then
  tell compiler "$compiler $(clang -dumpversion)"
else
  tell compiler "g++ $(g++ -dumpfullversion)"
fi
tell bazel "$(dpkg-query -W -f '${source:Upstream-Version}' bazel-bootstrap | sed 's/+.*//')"
tell abseil "$(dpkg-query -W -f '${source:Upstream-Version}' libabsl-dev)"
started=$SECONDS
as_user ./lab selftest 2>&1 | tee /selftest
tell selftest $((SECONDS - started))
if [[ $(tail -n 1 /selftest) =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
  tell passed "${BASH_REMATCH[1]}"
  tell failed "${BASH_REMATCH[2]}"
fi
