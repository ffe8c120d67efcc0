#!/bin/bash
# The pages and the trace events that ./lab trace writes, in headless Chromium: see
# page_test.mjs and chrome_test.mjs. Says what is missing for that, and then tests
# nothing. Screenshots go to folder $1.
set -u
cd "$(dirname "$0")/../.." || exit 2
modules=${NODE_PATH:-$(npm root -g 2>/dev/null)}
browser=${CHROMIUM:-$(type -P chromium chromium-browser google-chrome | head -n 1)}
missing=()
hash node 2>/dev/null || missing+=("node (apt install nodejs npm)")
[[ $browser ]] || missing+=("chromium (apt install chromium)")
for module in playwright-core axe-core; do
  [[ -e $modules/$module ]] || missing+=("$module (npm install -g $module)")
done
if ((${#missing[@]})); then
  printf 'page: not run, since it is not installed: %s\n' "${missing[@]}" >&2
  exit 0
fi
work=$(mktemp -d -t page.XXXXXX) || exit 2
trap 'rm -rf "$work"' EXIT
for lab in 01 03 05 06; do
  ./lab trace "$lab" --solution "--html=$work/lab$lab.html" || exit 2
done
# Five thousand calls, and more.
# shellcheck disable=SC2016  # The inner shell expands it.
./lab trace "--html=$work/many.html" -- bash -c 'for i in {1..900}; do echo $i | read -r x; done' || exit 2
./lab trace 01 --solution "--perfetto=$work/lab01.json" || exit 2
export NODE_PATH=$modules CHROMIUM=$browser
node tools/trace/page_test.mjs "${1:-$work}" "$work"/*.html &&
  node tools/trace/chrome_test.mjs "${1:-$work}" "$work/lab01.json" server client
