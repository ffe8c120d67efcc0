#!/bin/bash
# errors.sh [--check] PROVOKE DOCUMENT
#
# Puts what the program PROVOKE prints for each error into the block below its
# heading, "## ENAME", in DOCUMENT, docs/errors.md. With --check DOCUMENT stays as
# it is, and the differences are shown; exit status 1 if there are any. So it is
# when the headings are not what PROVOKE --list names.
set -eu

check=
if [[ $1 == --check ]]; then
  check=1
  shift
fi
provoke=$(realpath "$1") document=$2

diff <("$provoke" --list) <(sed -n 's/^## //p' "$document")

# Where other programs of this user have descriptors on the way already, the first
# sendmsg fails: the one that succeeds before it is in the document all the same.
whole() {
  awk '/^ETOOMANYREFS/ && !sent { print "  sendmsg SCM_RIGHTS, one descriptor" }
    /^  sendmsg/ { sent = 1 } { print }'
}

renewed=
name=
block=
while IFS= read -r line; do
  if [[ $line == '## '* ]]; then
    name=${line#* }
  elif [[ $line == '```' && $name && ! $block ]]; then
    block=1
    line+=$'\n'$("$provoke" "$name" | sed -E 's/provoke\.[0-9]+/NAME/' | whole)
  elif [[ $line == '```' ]]; then
    block='' name=''
  elif [[ $block ]]; then
    continue
  fi
  renewed+=$line$'\n'
done <"$document"

if [[ $check ]]; then
  diff "$document" - <<<"${renewed%$'\n'}"
else
  printf '%s' "$renewed" >"$document"
fi
