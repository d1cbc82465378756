# Completion of usagectl for bash.
# Written by `usagectl completion bash`: do not edit. A Tab press runs nothing but this text.

_usagectl() {
    local IFS=$' \t\n'
    local node=usagectl argument='' current='' pending='' literal='' hand_over=''
    local -a words=() starts=() commands=() typed=() given=() reply=()
    COMPREPLY=()
    _usagectl_split
    _usagectl_walk || return 0
    if [[ -n $hand_over ]]; then
        _usagectl_hand_over "$hand_over"
    elif [[ -n $pending ]]; then
        _usagectl_offer_values "$node $pending"
    elif [[ -z $literal && $current == --*=* ]]; then
        _usagectl_offer_values "$node ${current%%=*}" "${current%%=*}="
    elif [[ -z $literal && $current == -* ]]; then
        _usagectl_offer_options
    elif ((${#commands[@]})); then
        _usagectl_offer "${commands[@]}"
    elif _usagectl_argument; then
        _usagectl_offer_values "$argument"
    elif [[ -z $literal ]]; then
        _usagectl_offer_options
    fi
    return 0
}

# Take the words up to the cursor, each in one piece: bash splits them at `:` and `=`.
_usagectl_split() {
    local i word broken=''
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#words[@]} -gt 0 && -n $word && (-n $broken || $word =~ ^[:=]+$) ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
            starts+=("$i")
        fi
        broken=''
        if [[ $word =~ ^[:=]+$ ]]; then broken=1; fi
    done
    i=$((${#words[@]} - 1))
    current=${words[i]}
    unset "words[$i]"
}

# Find the command that the cursor is in, and what of it was typed before.
_usagectl_walk() {
    local i word
    _usagectl_commands "$node" && commands=("${reply[@]}")
    for ((i = 0; i < ${#words[@]}; i++)); do
        word=${words[i]}
        if [[ -n $pending ]]; then
            pending=''
        elif [[ -z $literal && $word == -- ]]; then
            literal=1
        elif [[ -z $literal && $word == -?* ]]; then
            typed+=("${word%%=*}")
            if [[ $word != *=* ]] && _usagectl_values "$node $word"; then pending=$word; fi
        elif ((${#commands[@]})); then
            _usagectl_is_among "$word" "${commands[@]}" || return 1
            node="$node $word" commands=() typed=() literal=''
            _usagectl_commands "$node" && commands=("${reply[@]}")
        elif _usagectl_argument && [[ ${reply[0]} == command ]]; then
            hand_over=${starts[i]}
            return 0
        else
            given+=("$word")
        fi
    done
    return 0
}

_usagectl_is_among() {
    local wanted=$1 word
    shift
    for word in "$@"; do
        if [[ $word == "$wanted" ]]; then return 0; fi
    done
    return 1
}

# Look up where the argument at the cursor is described; `+` stands for every further one.
_usagectl_argument() {
    for argument in "$node $((${#given[@]} + 1))" "$node +"; do
        if _usagectl_values "$argument"; then return 0; fi
    done
    return 1
}

_usagectl_offer_options() {
    local entry name names
    _usagectl_options "$node" || return
    for entry in "${reply[@]}"; do
        IFS=, read -r -a names <<<"${entry#+}"
        for name in "${names[@]}"; do
            # One that was typed is not offered again, unless it may be repeated (`+`).
            if [[ $entry != +* ]] && _usagectl_is_among "$name" "${typed[@]}"; then continue 2; fi
        done
        _usagectl_offer "${names[@]}"
    done
}

# Offer what is described at $1, after $2 (`--option=`) in the same word.
_usagectl_offer_values() {
    local prefix=${2-} word
    _usagectl_values "$1" || return
    case ${reply[0]} in
        choice)
            for word in "${reply[@]:1}"; do
                _usagectl_is_among "$word" "${given[@]}" || _usagectl_offer "$prefix$word"
            done
            _usagectl_details "$1" || return
            for word in "${reply[@]}"; do
                # NAME.DETAIL: not before its NAME is there.
                if [[ $current == "$prefix${word%%.*}"* ]]; then _usagectl_offer "$prefix$word"; fi
            done
            ;;
        # Names of files are left to readline, which quotes them; bash before 4 cannot be asked to.
        folder) compopt -o dirnames 2>/dev/null || _usagectl_generate -d "$prefix" ;;
        file) compopt -o default 2>/dev/null || _usagectl_generate -f "$prefix" ;;
        command) _usagectl_hand_over "$COMP_CWORD" ;;
    esac
}

# Offer what compgen finds for option $1 (files, folders, commands), after $2 in the same word.
_usagectl_generate() {
    local name
    while IFS= read -r name; do
        _usagectl_offer "${2-}$name"
    done < <(compgen "$1" -- "${current#"${2-}"}")
}

# Offer words that begin with what is typed; readline replaces what follows the last break.
_usagectl_offer() {
    local breaks=${COMP_WORDBREAKS//[!:=]/} kept='' word
    if [[ -n $breaks ]]; then kept=${current%"${current##*[$breaks]}"}; fi
    for word in "$@"; do
        if [[ $word == "$current"* ]]; then COMPREPLY+=("${word#"$kept"}"); fi
    done
}

# Complete the command that begins at word $1 as if it stood alone.
_usagectl_hand_over() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)); then
        _usagectl_generate -c
    else
        compopt -o default 2>/dev/null || _usagectl_generate -f
    fi
}

# @tables@

complete -F _usagectl usagectl
