# Completion for bash: commands, options and their choices from ferry's own --help; domains by xl; images by name.
_ferry_help() { ferry "$@" --help 2>/dev/null; }

_ferry_commands() { # what stands under "Image commands:", "Subcommands:" and the like
  _ferry_help "$@" | awk '/^[A-Z].*[Cc]ommands:$/ { on = 1; next } /^$/ || /^[^ ]/ { on = 0 } on && /^  [a-z]/ { print $1 }'
}

_ferry_options() { _ferry_help "$@" | grep -oE '^  (-[a-z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'; }

_ferry_choices() { # OPTION COMMAND…: "--track a|b|c" names them
  local option=$1
  shift
  _ferry_help "$@" | sed -nE "s/^  (-[a-z],)?$option ([a-z]+(\|[a-z]+)+)( .*)?\$/\2/p" | tr '|' '\n'
}

_ferry_domains() { xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 { print $1 }'; }

_ferry() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=() i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    -*) ;;
    *)
      command+=("${COMP_WORDS[i]}")
      [ "${command[0]}" = job ] && [ ${#command[@]} -lt 2 ] || break
      ;;
    esac
  done
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$(_ferry_options "${command[@]}")" -- "$word"))
  elif [[ $before == --* && -n $(_ferry_choices "$before" "${command[@]}") ]]; then
    COMPREPLY=($(compgen -W "$(_ferry_choices "$before" "${command[@]}")" -- "$word"))
  elif [ ${#command[@]} -eq 0 ] || [ "${command[*]}" = job ]; then
    COMPREPLY=($(compgen -W "$(_ferry_commands "${command[@]}")" -- "$word"))
  else
    case ${command[*]} in
    save | migrate | check | estimate | resume | "job info" | "job set" | "job cancel")
      COMPREPLY=($(compgen -W "$(_ferry_domains)" -- "$word"))
      ;;
    "job resume" | "job abort")
      COMPREPLY=($(compgen -W "$(ferry job list 2>/dev/null | grep -oE '^[0-9a-f]{32}')" -- "$word"))
      ;;
    esac
    [ "${command[0]}" = job ] || COMPREPLY+=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _ferry ferry
