# shellcheck shell=bash
# Completion of ./lab's commands, labs, programs and checks, for bash and zsh:
#
#   . tools/completion.bash

_lab_commands="demo run check watch trace hint reset selftest bench bazel setup"

# The kit's folder: that of the ./lab which is called, or this one.
_lab_kit() {
  local called=${COMP_WORDS[0]}
  if [[ -e $called && $called == */* ]]; then dirname "$called"; else printf .; fi
}

_lab_complete() {
  local kit word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} number=${COMP_WORDS[2]} choices=''
  kit=$(_lab_kit)
  if ((COMP_CWORD == 1)); then
    choices=$_lab_commands
  elif ((COMP_CWORD == 2)) && [[ " demo run check watch trace hint reset " == *" $command "* ]]; then
    choices=$(bash "$kit/tools/labs.sh" | cut -d _ -f 1)
  else
    case $command in
      demo) choices=$(bash "$kit/tools/labs.sh" | cut -d _ -f 1) ;;
      run) ((COMP_CWORD != 3)) || choices=$(cd "$kit/labs" && basename -a -s .cc "$number"_*/starter/*.cc 2>/dev/null) ;;
      check)
        choices="--all --again --for-editor --trace -v "
        # The names that a check file gives to its checks.
        choices+=$(sed -n 's/^TEST_F([A-Za-z]*, \([A-Za-z0-9]*\)).*/\1/p' "$kit/tests/$number"_*/*_check.cc 2>/dev/null)
        ;;
      trace) choices="--solution --html= --svg= --perfetto= --mermaid --json --against= --color --no-color" ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

if [[ ${ZSH_VERSION-} ]]; then
  autoload -U +X bashcompinit && bashcompinit
fi
complete -o default -F _lab_complete ./lab lab
