# Completion for bash: commands, options and their choices from ferry's own --help; domains by xl; files by bash itself.
_ferry_help() { ferry "$@" --help 2>/dev/null; }

_ferry_commands() { # what stands under "Image commands:", "Subcommands:" and the like
  _ferry_help "$@" | awk '/^[A-Z].*[Cc]ommands:$/ { on = 1; next } /^$/ || /^[^ ]/ { on = 0 } on && /^  [a-z]/ { print $1 }'
}

_ferry_options() { _ferry_help "$@" | grep -oE '^  (-[a-z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'; }

_ferry_value() { # OPTION COMMAND…: what follows the option, such as NUMBER, FILE, a|b|c or a|NUMBER; nothing for a flag
  local option=$1
  shift
  _ferry_help "$@" | sed -nE "s/^  (-[a-z],)?$option (TEXT:)?([A-Z]+|([a-z]+\|)+([a-z]+|[A-Z]+))( .*)?\$/\3/p"
}

# Names of domains come from other hosts too: what a shell would take for more than a word is not offered.
_ferry_domains() {
  xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 && $1 ~ /^[A-Za-z0-9_.:@%+-]+$/ && $1 !~ /^-/ { print $1 }'
}

_ferry_jobs() { ferry job list 2>/dev/null | grep -oE '^[0-9a-f]{32}'; }

# _ferry_offer WORD: of the lines on standard input those that begin so. Nothing in them is expanded, as compgen -W would.
_ferry_offer() {
  local each
  while IFS= read -r each; do
    [[ $each != "$1"* ]] || COMPREPLY+=("$each")
  done
}

# Sets command (of one word, or job and another), operands (how many words stand behind it) and option (whose value is
# completed, if it is one).
_ferry_look_back() {
  local i each value=
  command=() operands=0 option=
  for ((i = 1; i < COMP_CWORD; i++)); do
    each=${COMP_WORDS[i]}
    if [ -n "$value" ]; then
      [ "$each" = = ] || value=
    elif [[ $each == -?* ]]; then
      [ -z "$(_ferry_value "$each" "${command[@]}")" ] || value=$each
    elif [ "$each" = help ] && [ ${#command[@]} -eq 0 ]; then
      continue # what follows is a command
    elif [ ${#command[@]} -eq 0 ] || [ "${command[*]}" = job ]; then
      command+=("$each")
    else
      operands=$((operands + 1))
    fi
  done
  option=$value
}

_ferry() {
  local word=${COMP_WORDS[COMP_CWORD]} command operands option
  COMPREPLY=()
  _ferry_look_back
  [ "$word" != = ] || word=
  if [ -n "$option" ]; then
    case $(_ferry_value "$option" "${command[@]}") in
      *'|'*) _ferry_offer "$word" < <(_ferry_value "$option" "${command[@]}" | tr '|' '\n' | grep '^[a-z]') ;;
      PAGE | CONFIG | FILE) compopt -o default ;;  # of the rest nobody but the operator knows
    esac
  elif [[ $word == -* ]]; then
    _ferry_offer "$word" < <(_ferry_options "${command[@]}")
  elif [ ${#command[@]} -eq 0 ] || [ "${command[*]}" = job ]; then
    _ferry_offer "$word" < <(_ferry_commands "${command[@]}")
  else
    case $operands-${command[*]} in
      0-core | 0-dmesg | 0-ps | *-diff) # an image, or a guest
        _ferry_offer "$word" < <(_ferry_domains)
        compopt -o default
        ;;
      0-lend | 0-save | 0-migrate | 0-check | 0-estimate | 0-resume | "0-job info" | "0-job set" | "0-job cancel")
        _ferry_offer "$word" < <(_ferry_domains)
        ;;
      "0-job resume" | "0-job abort") _ferry_offer "$word" < <(_ferry_jobs) ;;
      *-job* | *-migrate | *-check | *-estimate | *-resume | *-receive | *-evacuate | *-lend) ;;
      *) compopt -o default ;;
    esac
  fi
}
complete -F _ferry ferry
