# Completion of usagectl for PowerShell 5 and later.
# Written by `usagectl completion powershell`: do not edit. A Tab press runs nothing but this text.

# @tables@

# Offer one word; PowerShell takes no empty description.
function global:__usagectl_offer([string]$word, [string]$help) {
    if ($help -eq '') { $help = $word }
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $help)
}

function global:__usagectl_offer_options([string]$node, [string[]]$typed, [string]$current) {
    foreach ($entry in @(__usagectl_options $node)) {
        $names, $help = $entry -split '\|', 2
        $again = $names.StartsWith('+')
        $names = @($names.TrimStart('+') -split ',')
        # One that was typed is not offered again, unless it may be repeated (`+`).
        if (-not $again -and @($names | Where-Object { $typed -ccontains $_ }).Count) { continue }
        foreach ($name in $names) {
            if ($name.StartsWith($current, [System.StringComparison]::Ordinal)) {
                __usagectl_offer $name $help
            }
        }
    }
}

# Offer what may stand at the cursor, after $prefix (`--option=`) in the same word.
function global:__usagectl_offer_values([string]$key, [string[]]$given, [string]$prefix, [string]$current) {
    $kind, $choices = @(__usagectl_values $key)
    if ($kind -ceq 'choice') {
        $words = @($choices | Where-Object { $given -cnotcontains $_ })
        # NAME.DETAIL: not before its NAME is there.
        $words += @(__usagectl_details $key | Where-Object {
                $current.StartsWith(($_ -split '\.', 2)[0], [System.StringComparison]::Ordinal)
            })
        foreach ($word in $words) {
            if ($word.StartsWith($current, [System.StringComparison]::Ordinal)) {
                __usagectl_offer "$prefix$word" ''
            }
        }
    } elseif ($kind -ceq 'folder' -or $kind -ceq 'file') {
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($current) |
            Where-Object { $kind -ceq 'file' -or $_.ResultType -eq 'ProviderContainer' } |
            ForEach-Object { __usagectl_offer "$prefix$($_.CompletionText)" $_.ToolTip }
    } elseif ($kind -ceq 'command') {
        [System.Management.Automation.CompletionCompleters]::CompleteCommand($current)
    }
}

# Look up where the argument after $count others is described; `+` stands for every further one.
function global:__usagectl_argument([string]$node, [int]$count) {
    foreach ($key in "$node $($count + 1)", "$node +") {
        if (@(__usagectl_values $key).Count) { return $key }
    }
}

Register-ArgumentCompleter -Native -CommandName 'usagectl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $node = 'usagectl'
    $commands = @(__usagectl_commands $node)
    $pending = ''
    $literal = $false
    $typed = @()
    $given = @()
    $current = "$wordToComplete"
    foreach ($element in @($commandAst.CommandElements | Select-Object -Skip 1)) {
        if ($element.Extent.EndOffset -ge $cursorPosition) { break }
        $word = $element.Extent.Text.Trim("'", '"')
        $argument = __usagectl_argument $node $given.Count
        if ($pending) {
            $pending = ''
        } elseif (-not $literal -and $word -ceq '--') {
            $literal = $true
        } elseif (-not $literal -and $word -like '-?*') {
            $typed += ($word -split '=', 2)[0]
            if ($word -notlike '*=*' -and @(__usagectl_values "$node $word").Count) { $pending = $word }
        } elseif ($commands.Count) {
            if (@($commands | ForEach-Object { ($_ -split '\|', 2)[0] }) -cnotcontains $word) { return }
            $node = "$node $word"
            $commands = @(__usagectl_commands $node)
            $typed = @()
            $literal = $false
        } elseif ($argument -and @(__usagectl_values $argument)[0] -ceq 'command') {
            # Complete the command that begins here as if it stood alone.
            $length = $cursorPosition - $element.Extent.StartOffset
            $line = $commandAst.Extent.Text.Substring(
                $element.Extent.StartOffset - $commandAst.Extent.StartOffset)
            $line = $line.PadRight($length).Substring(0, $length)
            return (TabExpansion2 $line $length).CompletionMatches
        } else {
            $given += $word
        }
    }
    $argument = __usagectl_argument $node $given.Count
    if ($pending) {
        __usagectl_offer_values "$node $pending" @() '' $current
    } elseif (-not $literal -and $current -like '--*=*') {
        $option, $current = $current -split '=', 2
        __usagectl_offer_values "$node $option" @() "$option=" $current
    } elseif (-not $literal -and $current -like '-*') {
        __usagectl_offer_options $node $typed $current
    } elseif ($commands.Count) {
        foreach ($entry in $commands) {
            $name, $help = $entry -split '\|', 2
            if ($name.StartsWith($current, [System.StringComparison]::Ordinal)) {
                __usagectl_offer $name $help
            }
        }
    } elseif ($argument) {
        __usagectl_offer_values $argument $given '' $current
    } elseif (-not $literal) {
        __usagectl_offer_options $node $typed $current
    }
}
