# Completion of usagectl for fish.
# Written by `usagectl completion fish`: do not edit. A Tab press runs nothing but this text.

function __usagectl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l node usagectl
    set -l commands (__usagectl_commands $node)
    set -l pending
    set -l literal
    set -l typed
    set -l given
    while string match -qr '^\w+=' -- "$words[1]" # VARIABLE=value before the command
        set -e words[1]
    end
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        if set -q pending[1]
            set pending
        else if not set -q literal[1]; and test "$word" = --
            set literal yes
        else if not set -q literal[1]; and string match -qr '^-.' -- "$word"
            set -a typed (string split -m 1 = -- $word)[1]
            if not string match -q '*=*' -- $word; and __usagectl_values "$node $word" >/dev/null
                set pending $word
            end
        else if set -q commands[1]
            contains -- "$word" (string split -f 1 \t -- $commands); or return
            set node "$node $word"
            set commands (__usagectl_commands $node)
            set typed
            set literal
        else if test "$(__usagectl_values (__usagectl_argument $node $given))" = command
            __usagectl_hand_over $words "$current"
            return
        else
            set -a given "$word"
        end
        set -e words[1]
    end
    __usagectl_offer
end

# Offer what fits at the cursor.
function __usagectl_offer --no-scope-shadowing
    set -l argument (__usagectl_argument $node $given)
    if set -q pending[1]
        __usagectl_offer_values "$node $pending" '' "$current"
    else if not set -q literal[1]; and string match -q -- '--*=*' "$current"
        set -l parts (string split -m 1 = -- $current)
        __usagectl_offer_values "$node $parts[1]" "$parts[1]=" "$parts[2]"
    else if not set -q literal[1]; and string match -q -- '-*' "$current"
        __usagectl_offer_options $node $typed
    else if set -q commands[1]
        printf '%s\n' $commands
    else if set -q argument[1]
        __usagectl_offer_values $argument '' "$current" $given
    else if not set -q literal[1]
        __usagectl_offer_options $node $typed
    end
end

# Look up where the argument after these others is described; `+` stands for every further one.
function __usagectl_argument -a node
    for key in "$node "(count $argv) "$node +"
        if __usagectl_values $key >/dev/null
            echo $key
            return
        end
    end
end

function __usagectl_offer_options -a node
    for entry in (__usagectl_options $node)
        set -l parts (string split -m 1 \t -- $entry)
        set -l names (string split , -- (string replace -r '^\+' '' -- $parts[1]))
        set -l shown yes
        for name in $names
            # One that was typed is not offered again, unless it may be repeated (`+`).
            if contains -- $name $argv[2..-1]; and not string match -qr '^\+' -- $entry
                set -e shown
            end
        end
        for name in $names
            set -q shown; and printf '%s\t%s\n' $name "$parts[2]"
        end
    end
end

# Offer what is described there, after a prefix (`--option=`) in the same word.
function __usagectl_offer_values -a key prefix current
    set -l values (__usagectl_values $key)
    switch "$values[1]"
        case choice
            set -e values[1]
            for word in (__usagectl_details $key)
                # NAME.DETAIL: not before its NAME is there.
                set -l name (string split -m 1 . -- $word)[1]
                string match -q -- "$name*" $current; and set -a values $word
            end
            for word in $values
                contains -- $word $argv[4..-1]; or echo "$prefix$word"
            end
        case folder
            printf "$prefix%s\n" (__fish_complete_directories "$current")
        case file
            printf "$prefix%s\n" (__fish_complete_path "$current")
        case command
            __usagectl_hand_over "$current"
    end
end

# Complete the command made of these words as if it stood alone; the cursor is in the last.
function __usagectl_hand_over
    set -l current $argv[-1]
    set -e argv[-1]
    complete -C (string join ' ' -- (string escape -- $argv) "$current")
end

# @tables@

complete -c usagectl -f -k -a '(__usagectl_complete)'
