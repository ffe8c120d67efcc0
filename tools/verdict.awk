# What the checker said, in the order in which it helps: the story first, then the other
# checks that fail, then how many pass. With -v all=yes, every check has its line; with
# -v colored=yes, what failed is red, what passes green, and the names of a story bold.

function paint(code, text) { return colored == "" ? text : "\033[" code "m" text "\033[0m" }
function painted(line) {
  if (line ~ /^ok  /) return paint(32, "ok") substr(line, 3)
  if (line ~ /^FAIL  /) return paint(31, "FAIL") substr(line, 5)
  if (line ~ /^(skip|\?\?\?\?)  /) return paint(33, substr(line, 1, 4)) substr(line, 5)
  if (line ~ /^    [a-z]/ && line !~ /^     /) return paint(1, substr(line, 1, 14)) substr(line, 15)
  return line
}

# Of two empty lines, one.
function tell(line) {
  if (line == "" && before == "") return
  print painted(line)
  before = line
}

NR == 1 {
  tell($0)
  next
}

# A line for each check, until the first empty line.
!below && /^(ok|FAIL|skip|\?\?\?\?) / {
  name = $2
  sub(/:$/, "", name)
  kind = $1
  passed += kind == "ok"
}
!below && $0 != "" {
  lines[++count] = $0
  name_of[count] = name
  kind_of[count] = kind
  if (/^ /) noted[name] = 1
  next
}
!below { below = 1 }
/^[a-z_]+: [0-9]+ of [0-9]+ checks pass(; next|$)/ {
  progress = progress $0 "\n"
  next
}

# The last line is for the end.
{
  if (held) tell(last)
  held = 1
  last = $0
}
/^[A-Z][A-Za-z0-9]*: .*\((core|robust), [0-9]+ points?\)$/ {
  name = $1
  sub(/:$/, "", name)
  told[name] = 1
  last = paint("1;31", last)
}

END {
  shown = 0
  for (i = 1; i <= count; ++i) {
    name = name_of[i]
    if (all == "") {
      if (kind_of[i] == "ok" && !noted[name]) continue
      if (kind_of[i] == "FAIL" && name in told && !noted[name]) continue
      if (kind_of[i] == "FAIL" && lines[i] !~ /^ / && ++shown > 10) continue
    }
    tell(lines[i])
  }
  if (shown > 10) tell(sprintf("      and %d more fail; -v lists every check", shown - 10))
  if (all == "" && passed) {
    tell(paint(32, sprintf("%d check%s", passed, passed == 1 ? " passes" : "s pass")))
  }
  tell("")
  if (progress != "") {
    printf "%s", progress
    before = progress
    tell("")
  }
  print last
}
