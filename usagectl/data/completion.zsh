#compdef usagectl
# Completion of usagectl for zsh.
# Written by `usagectl completion zsh`: do not edit. A Tab press runs nothing but this text.

_usagectl() {
    local node=usagectl argument='' pending='' literal='' word
    local -a children names typed given reply
    local -i index
    _usagectl_commands $node && children=("${reply[@]}")
    for ((index = 2; index < CURRENT; index++)); do
        word=${(Q)words[index]}
        if [[ -n $pending ]]; then
            pending=''
        elif [[ -z $literal && $word == -- ]]; then
            literal=1
        elif [[ -z $literal && $word == -?* ]]; then
            typed+=("${word%%=*}")
            if [[ $word != *=* ]] && _usagectl_values "$node $word"; then pending=$word; fi
        elif (( $#children )); then
            names=("${children[@]%%:*}")
            (( ${names[(Ie)$word]} )) || return 1
            node+=" $word" children=() typed=() literal=''
            _usagectl_commands $node && children=("${reply[@]}")
        elif _usagectl_argument && [[ $reply[1] == command ]]; then
            _usagectl_hand_over $index
            return
        else
            given+=("$word")
        fi
    done
    _usagectl_offer
}

# Offer what fits at the cursor.
_usagectl_offer() {
    if [[ -n $pending ]]; then
        _usagectl_offer_values "$node $pending"
    elif [[ -z $literal && $PREFIX == --*=* ]]; then
        argument="$node ${PREFIX%%=*}"
        compset -P 1 '*=' && _usagectl_offer_values $argument
    elif [[ -z $literal && $PREFIX == -* ]]; then
        _usagectl_offer_options
    elif (( $#children )); then
        _describe -t commands command children
    elif _usagectl_argument; then
        _usagectl_offer_values $argument
    elif [[ -z $literal ]]; then
        _usagectl_offer_options
    fi
}

# Look up where the argument at the cursor is described; `+` stands for every further one.
_usagectl_argument() {
    for argument in "$node $(( $#given + 1 ))" "$node +"; do
        _usagectl_values $argument && return
    done
    return 1
}

_usagectl_offer_options() {
    local entry name
    local -a again names offered
    _usagectl_options $node || return
    for entry in $reply; do
        names=("${(@s:,:)${${entry%%:*}#+}}")
        again=(${names:*typed})
        # One that was typed is not offered again, unless it may be repeated (`+`).
        [[ $entry != +* ]] && (( $#again )) && continue
        for name in $names; do offered+=("$name:${entry#*:}"); done
    done
    _describe -O option offered
}

# Offer what is described at $1.
_usagectl_offer_values() {
    local word expl
    local -a offered
    _usagectl_values $1 || return
    case $reply[1] in
        (choice)
            reply=("${reply[@]:1}")
            offered=(${reply:|given})
            _usagectl_details $1 && for word in $reply; do
                # NAME.DETAIL: not before its NAME is there.
                [[ $PREFIX == ${word%%.*}* ]] && offered+=($word)
            done
            _wanted values expl value compadd -- $offered
            ;;
        (folder) _files -/ ;;
        (file) _files ;;
        (command) _usagectl_hand_over $CURRENT ;;
        (*) _message value ;;
    esac
}

# Complete the command that begins at word $1 as if it stood alone.
_usagectl_hand_over() {
    words=("${(@)words[$1,-1]}")
    (( CURRENT -= $1 - 1 ))
    _normal
}

# @tables@

if [[ $funcstack[1] == _usagectl ]]; then
    _usagectl "$@"
else
    compdef _usagectl usagectl
fi
