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

set -g __usagectl_tools \
                agno \
                aider \
                airflow \
                amplify \
                angular \
                astro \
                azure-cli \
                bentoml \
                browser-use \
                cdk \
                checkov \
                chromadb \
                claude-code \
                codex \
                crewai \
                dagster \
                dart \
                dbt \
                deepeval \
                dlt \
                docker \
                dotnet \
                dvc \
                eas \
                evidently \
                expo \
                feast \
                firebase \
                gatsby \
                gcloud \
                gemini \
                gh \
                giskard \
                go \
                gradio \
                great-expectations \
                guardrails \
                hardhat \
                haystack \
                homebrew \
                huggingface \
                influxdb \
                ionic \
                kedro \
                label-studio \
                langflow \
                litellm \
                localstack \
                lstk \
                medusa \
                meltano \
                mem0 \
                mlflow \
                netdata \
                netlify \
                next \
                nuxt \
                nx \
                open-interpreter \
                packer \
                pandasai \
                ploomber \
                popularity-contest \
                powershell \
                prefect \
                prisma \
                ragas \
                ray \
                redocly \
                reflex \
                sagemaker \
                salesforce \
                sam \
                sanity \
                semgrep \
                serverless \
                sf-hamilton \
                shopify \
                skypilot \
                snowflake-cli \
                sqlmesh \
                storybook \
                streamlit \
                supabase \
                syncthing \
                terraform \
                turbo \
                unstructured \
                usagectl \
                vercel \
                vizro \
                vllm \
                vscode \
                wrangler \
                yarn \
                zenml

function __usagectl_commands
    switch "$argv[1]"
        case usagectl
            printf '%s\n' 'status	Show which of the tools on this machine send telemetry, and which switch decided.' \
                'disable	Switch telemetry off, in the tools\' own files, and check that it is off.' \
                'enable	Undo what `usagectl disable` did, and no more.' \
                'preview	Show the exact requests that would be sent: method, URL, headers, body.' \
                'capture	Run a command and record what it tries to send, by one of three ways.' \
                'verify	Run a tool with each of its switches, and say which keep their word.' \
                'init	Write the file with which verify proves the switches of a tool that records through usagectl.' \
                'audit	Compare events with the notice: what is undocumented, and what gives secrets away.' \
                'report	Write what the tools here send, and how that is known, for people who must sign off.' \
                'spool	Look into the spool: what waits, what was sent, what was refused or lost.' \
                'replay	Send the events that wait in the spool, and keep what is not taken.' \
                'emit	Record one event of the notice from a shell script, under its tool\'s switches.' \
                'explain	Read the notice, or what is known of a tool, in plain words.' \
                'machine-id	Show the machine ID in every place where a tool that is here keeps it.' \
                'reset-machine-id	Replace the machine ID by a new random one, everywhere a tool keeps it.' \
                'cache-dir	Show the folder of LocalStack\'s machine ID, and what chose it.' \
                'env	Print every opt-out variable, ready for a shell or a file.' \
                'run	Run a command with every known opt-out set for it and its children.' \
                'settings	Show usagectl\'s own settings, each with the place it comes from.' \
                'completion	Print the script that completes usagectl in a shell; put it where the shell looks.'
        case 'usagectl spool'
            printf '%s\n' 'list	List events, one a line: those that wait, unless another state is asked for.' \
                'show	Show events whole, as they were recorded.' \
                'stats	Count events by name, tool, state and day, with a small chart on a terminal.' \
                'export	Write events to a file or to stdout, one a line, exactly as they are in the spool.' \
                'purge	Remove events for good; without --state those that wait and those that were refused.'
        case 'usagectl emit'
            printf '%s\n' 'session	Record session: describes the running client and the machine once, so that later events of the same session can be read together.' \
                'aws_request	Record aws_request: one call to an AWS API that LocalStack answered: what was called and how it ended, never its parameters.' \
                'aws_request_agg	Record aws_request_agg: how often each combination of service, operation and status occurred. The notice gives the four facts; the names of the event and of its list are those that real clients use.' \
                'cli_cmd	Record cli_cmd: that a command of the CLI was invoked, with the names of its parameters and never their values. By the notice it cannot be tied to a session or token.' \
                'run_init	Record run_init: that init scripts were executed. The notice gives the three facts; the names of the event and of its fields are those that real clients use.'
        case 'usagectl machine-id'
            printf '%s\n' 'show	Show the machine ID of a tool, in every place where it keeps it.' \
                'set	Write an ID of your own into every place where LocalStack and lstk keep one.'
        case 'usagectl cache-dir'
            printf '%s\n' 'set	Choose the folder that holds the ID, such as ./volume/cache of a Docker Compose project.' \
                'unset	Undo `usagectl cache-dir set`; no machine ID and no folder is touched.' \
                'clear	Remove the machine ID\'s file from every place; no other file is touched.'
        case 'usagectl settings'
            printf '%s\n' 'set	Store a setting; other lines and comments of the file stay.' \
                'unset	Remove a setting, so that its default holds again.'
        case '*'
            return 1
    end
end

function __usagectl_options
    switch "$argv[1]"
        case usagectl
            printf '%s\n' '--version	Print the version and exit.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl status'
            printf '%s\n' '--all	Each tool that is known, also those that are not here.' \
                '--expect	Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.' \
                '--reveal	Show machine IDs and tokens whole instead of masked.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl disable'
            printf '%s\n' '--keep-spool	Keep the events that wait in the spool.' \
                '--project	Write files of this folder\'s project too, before your own.' \
                '--shell	Also the start-up files of your shells: every known opt-out.' \
                '--system	Every user of this machine, its services, its policy; as root.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl enable'
            printf '%s\n' '--project	Write files of this folder\'s project too, before your own.' \
                '--shell	Also the start-up files of your shells: every known opt-out.' \
                '--system	Every user of this machine, its services, its policy; as root.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl preview'
            printf '%s\n' '--if-enabled	Show what would be sent if it were on.' \
                '--localstack-version	Follow the rules of this LocalStack version, not of the installed one.' \
                '--waiting	Show every recorded event that waits, in the requests of a replay.' \
                '--live	Ask Docker, as LocalStack does, and the LocalStack that runs on this machine.' \
                '--raw	Print the bytes of the bodies alone; one TOOL has one body.' \
                '--reveal	Show the auth token whole instead of masked.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl capture'
            printf '%s\n' '--sealed	Run CMD with no network but a recorder, which sees whatever it tries (Linux).' \
                '--proxy	Lead CMD to the recorder as to a proxy; hosts of known telemetry are answered here, others are passed on.' \
                '--offline	With --proxy: pass nothing on, answer all here.' \
                '+--own	A host that CMD is for, sub-domains too: a package index, its own API. Can be repeated.' \
                '+--allow	Refused: nothing leaves a sealed run; see --own.' \
                '--expect	Exit with 1: `none` if anything arrives, with --sealed or --proxy at a host that may be telemetry\'s; `notice` if what arrives breaks it; `silence` if CMD tries anything at all, a look-up too (--sealed).' \
                '--output,-o	Keep what arrives in this file, for audit, spool and replay.' \
                '--summary	Write the answer as one JSON object to this file, beside CMD.' \
                '--force	Replace FILE if it is there.' \
                '--as-if-enabled	Lift the opt-outs of the tools that are caught, to see what CMD hides.' \
                '--answer	How the endpoint behaves: track_events true or false, status 500, no answer, nothing listening, an answer after two seconds.' \
                '--bind	Listen on this address, so that containers reach the endpoint.' \
                '--port	Listen on this port; 0 takes a free one.' \
                '--grace	Time to wait at most for what CMD leaves running behind it.' \
                '--live	Show each request, and each look-up, on stderr as it comes.' \
                '--reveal	Keep tokens, home paths and all headers in clear.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl verify'
            printf '%s\n' '--quick	Try each switch\'s own value for off alone.' \
                '+--switch	Try this variable, key or command; can be repeated.' \
                '--evidence	Print an [[evidence]] block for the catalogue instead.' \
                '--keep	Keep every captured request in this new file, unmasked.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl init'
            printf '%s\n' '+--command	A command line that is recorded, such as \'mytool build\'; can be repeated.' \
                '--endpoint	Where it sends; else what it registered here when it last recorded.' \
                '--output	Write this file instead of MYTOOL.usagectl.toml.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl audit'
            printf '%s\n' '+--state	Of the spool: waiting, sent or rejected; can be repeated. All without it.' \
                '+--rule	Only this rule, by ID or name; can be repeated.' \
                '+--ignore	Do not count this; the field as the table or JSON names it. Can be repeated.' \
                '--baseline	Do not count what stands in this file, so that only what is new fails.' \
                '--write-baseline	Write the findings of now to --baseline.' \
                '--fail-on	Exit with 1 from this level on.' \
                '--allow-empty	Accept a FILE without any event; else exit with 1.' \
                '--format	How the answer is written.' \
                '--reveal	Show examples whole instead of masked.' \
                '--list-rules	List the rules and what they mean; audit nothing.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl report'
            printf '%s\n' '+--output,-o	Write the report to this file, a page (.html) or data (.json); can be repeated.' \
                '+--capture	A file of usagectl capture -o, for the report or --verify; can be repeated.' \
                '--expect	Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.' \
                '--junit	Write JUnit XML, a test case a tool; it needs --expect.' \
                '--markdown	Print the report as Markdown, for a CI summary.' \
                '--sign	Sign the .json with this SSH key: ssh-keygen writes FILE.sig beside it.' \
                '--verify	Check a report in JSON: its sums, its inputs, its signature. Exit with 1 if one does not match.' \
                '--allowed-signers	With --verify: who may have signed, in the form of ssh-keygen.' \
                '--otlp	Also send each tool\'s verdict there, as an OpenTelemetry log record: its name, version, verdict and the kind of switch; no value and no path.' \
                '--force	Replace files that are there.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl spool'
            printf '%s\n' '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl spool list'
            printf '%s\n' '+--tool	Only events of this tool; can be repeated.' \
                '+--event	Only events of this name; can be repeated.' \
                '--since	Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.' \
                '--until	Only events recorded before then; as --since.' \
                '+--state	Events of this state: waiting, sent or rejected; can be repeated.' \
                '--sent	Those that were sent: --state sent.' \
                '--rejected	Those that were refused: --state rejected.' \
                '--limit	Show the newest so many events; 0 shows all.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl spool show'
            printf '%s\n' '+--tool	Only events of this tool; can be repeated.' \
                '+--event	Only events of this name; can be repeated.' \
                '--since	Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.' \
                '--until	Only events recorded before then; as --since.' \
                '+--state	Events of this state: waiting, sent or rejected; can be repeated.' \
                '--sent	Those that were sent: --state sent.' \
                '--rejected	Those that were refused: --state rejected.' \
                '--raw	Print the exact bytes of the events alone, one a line.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl spool stats'
            printf '%s\n' '+--tool	Only events of this tool; can be repeated.' \
                '+--event	Only events of this name; can be repeated.' \
                '--since	Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.' \
                '--until	Only events recorded before then; as --since.' \
                '+--state	Events of this state: waiting, sent or rejected; can be repeated.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl spool export'
            printf '%s\n' '+--tool	Only events of this tool; can be repeated.' \
                '+--event	Only events of this name; can be repeated.' \
                '--since	Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.' \
                '--until	Only events recorded before then; as --since.' \
                '+--state	Events of this state: waiting, sent or rejected; can be repeated.' \
                '--events	Write the events alone, without their envelopes.' \
                '--force	Replace a file that is there.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl spool purge'
            printf '%s\n' '+--tool	Only events of this tool; can be repeated.' \
                '+--event	Only events of this name; can be repeated.' \
                '--since	Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.' \
                '--until	Only events recorded before then; as --since.' \
                '+--state	Events of this state: waiting, sent or rejected; can be repeated.' \
                '--dry-run	Say what would change; change nothing.' \
                '--yes,-y	Do not ask on a terminal.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl replay'
            printf '%s\n' '--file	Send the events of this file instead; - reads from standard input.' \
                '--to	Send to this base URL; one on this machine is always allowed.' \
                '+--tool	Only events of this tool; can be repeated.' \
                '+--event	Only events of this name; can be repeated.' \
                '--since	Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.' \
                '--until	Only events recorded before then; as --since.' \
                '--limit	Send at most so many events.' \
                '--batch-size	Events of one request.' \
                '--rejected	Try those again that were rejected before.' \
                '--copy	Send copies; the events stay where they wait.' \
                '--timeout	Time to go on with an endpoint that takes nothing.' \
                '--gzip	Send compressed bodies.' \
                '--format	otlp sends OpenTelemetry logs, to /v1/logs below the base URL; without this option the setting delivery.format decides.' \
                '--allow-http	Take plain http to other machines too.' \
                '--dry-run	Say which requests would be sent; send nothing.' \
                '--raw	With --dry-run: print the bodies alone, one a line.' \
                '--yes,-y	Do not ask on a terminal.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl emit'
            printf '%s\n' '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl emit session'
            printf '%s\n' '--version	The version of LocalStack.' \
                '--is-testing	True in LocalStack\'s own test runs.' \
                '--tool	Whose event it is; its switches decide.' \
                '--api-key-variable	Hand over the token that this environment variable holds; without it, none.' \
                '--session-id	The session it belongs to; without it a new one is drawn.' \
                '--strict	Fail, and say why, if the event cannot be kept.' \
                '--dry-run	Show the exact bytes; record nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl emit aws_request'
            printf '%s\n' '--service	The AWS service that was called.' \
                '--operation	The operation that was called.' \
                '--status-code	The HTTP status of the answer.' \
                '--err-type	The type of the error, by its code on the wire: `404` for a HEAD whose client raises `NoSuchKey`. Only with a status of 400 to 499.' \
                '--err-msg	The text of the error. Only with a status of 400 to 499; it may repeat what the caller sent, so usagectl scrubs it.' \
                '--stack-trace	The stack trace of an error inside LocalStack. Only with status 500 and `DEBUG=1`. The notice does not name this field; the name is ours.' \
                '--is-internal	True when LocalStack itself made the call.' \
                '--region	The AWS region that the call was made to.' \
                '--account-id	The account number that the call was made with; a dummy one in LocalStack. usagectl writes the dummy 000000000000 whatever it is.' \
                '--user-agent	What the calling program says about itself; it may name versions and the operating system of the caller.' \
                '--tool	Whose event it is; its switches decide.' \
                '--session-id	The session it belongs to; without it a new one is drawn.' \
                '--strict	Fail, and say why, if the event cannot be kept.' \
                '--dry-run	Show the exact bytes; record nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl emit aws_request_agg'
            printf '%s\n' '--service	The AWS service that was called.' \
                '--operation	The operation that was called.' \
                '--status-code	The HTTP status of the answers.' \
                '--count	How often this combination occurred.' \
                '--tool	Whose event it is; its switches decide.' \
                '--session-id	The session it belongs to; without it a new one is drawn.' \
                '--strict	Fail, and say why, if the event cannot be kept.' \
                '--dry-run	Show the exact bytes; record nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl emit cli_cmd'
            printf '%s\n' '--cmd	The command that was invoked, from the program\'s name on.' \
                '+--param	The names of the parameters that were given; never their values.' \
                '--version	The version of the program, where its author has usagectl record it.' \
                '--outcome	How the command ended, where its author has usagectl record it. One of ok, error, interrupted, usage.' \
                '--duration-ms	How many milliseconds the command took, where its author has usagectl record it.' \
                '--tool	Whose event it is; its switches decide.' \
                '--strict	Fail, and say why, if the event cannot be kept.' \
                '--dry-run	Show the exact bytes; record nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl emit run_init'
            printf '%s\n' '--stage	The stage that the scripts belong to.' \
                '--scripts	How many scripts were executed.' \
                '--duration	How long they took together, in milliseconds.' \
                '--tool	Whose event it is; its switches decide.' \
                '--strict	Fail, and say why, if the event cannot be kept.' \
                '--dry-run	Show the exact bytes; record nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl explain'
            printf '%s\n' '--markdown	Write what is known of the tools as a Markdown page.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl machine-id'
            printf '%s\n' '--reveal	Show machine IDs and tokens whole instead of masked.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl machine-id show'
            printf '%s\n' '--reveal	Show machine IDs and tokens whole instead of masked.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl machine-id set'
            printf '%s\n' '--yes,-y	Do not ask on a terminal.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl reset-machine-id'
            printf '%s\n' '--yes,-y	Do not ask on a terminal.' \
                '--dry-run	Say what would change; change nothing.' \
                '--reveal	Show machine IDs and tokens whole instead of masked.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl cache-dir'
            printf '%s\n' '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl cache-dir set'
            printf '%s\n' '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl cache-dir unset'
            printf '%s\n' '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl cache-dir clear'
            printf '%s\n' '--yes,-y	Do not ask; needed with --json and without a terminal.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl env'
            printf '%s\n' '+--tool	What this tool heeds; can be repeated.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl run'
            printf '%s\n' '--help,-h	Show this message and exit.'
        case 'usagectl settings'
            printf '%s\n' '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl settings set'
            printf '%s\n' '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl settings unset'
            printf '%s\n' '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case 'usagectl completion'
            printf '%s\n' '--write	Write the file of this SHELL, or of all, into a folder, as packages need them.' \
                '--dry-run	Say what would change; change nothing.' \
                '--json	Answer as one JSON object on stdout.' \
                '--help,-h	Show this message and exit.'
        case '*'
            return 1
    end
end

function __usagectl_values
    switch "$argv[1]"
        case 'usagectl status --expect'
            printf '%s\n' choice \
                off \
                local
        case 'usagectl status +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl disable +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl enable +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl preview --localstack-version'
            printf '%s\n' text
        case 'usagectl preview 1'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl capture --own'
            printf '%s\n' text
        case 'usagectl capture --allow'
            printf '%s\n' text
        case 'usagectl capture --expect'
            printf '%s\n' choice \
                none \
                notice \
                silence
        case 'usagectl capture --output'
            printf '%s\n' file
        case 'usagectl capture -o'
            printf '%s\n' file
        case 'usagectl capture --summary'
            printf '%s\n' file
        case 'usagectl capture --answer'
            printf '%s\n' choice \
                on \
                off \
                error \
                hang \
                refuse \
                slow
        case 'usagectl capture --bind'
            printf '%s\n' text
        case 'usagectl capture --port'
            printf '%s\n' text
        case 'usagectl capture --grace'
            printf '%s\n' text
        case 'usagectl capture +'
            printf '%s\n' command
        case 'usagectl verify --switch'
            printf '%s\n' choice \
                telemetry.mode \
                telemetry.endpoint \
                delivery.format \
                localstack.cache_dir \
                spool.max_bytes \
                spool.max_days
        case 'usagectl verify --keep'
            printf '%s\n' file
        case 'usagectl verify 1'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl init --command'
            printf '%s\n' text
        case 'usagectl init --endpoint'
            printf '%s\n' text
        case 'usagectl init --output'
            printf '%s\n' file
        case 'usagectl init 1'
            printf '%s\n' text
        case 'usagectl audit --state'
            printf '%s\n' choice \
                waiting \
                sent \
                rejected
        case 'usagectl audit --rule'
            printf '%s\n' choice \
                UC101 \
                UC102 \
                UC103 \
                UC104 \
                UC105 \
                UC106 \
                UC107 \
                UC108 \
                UC109 \
                UC110 \
                UC111 \
                UC112 \
                UC113 \
                UC114 \
                UC201 \
                UC202 \
                UC203 \
                UC301 \
                UC302 \
                UC303 \
                UC304 \
                UC305 \
                UC306 \
                UC401 \
                UC402 \
                UC403 \
                UC404 \
                UC405 \
                UC406 \
                UC501 \
                UC502 \
                UC503 \
                UC504 \
                UC505
        case 'usagectl audit --ignore'
            printf '%s\n' choice \
                UC101 \
                UC102 \
                UC103 \
                UC104 \
                UC105 \
                UC106 \
                UC107 \
                UC108 \
                UC109 \
                UC110 \
                UC111 \
                UC112 \
                UC113 \
                UC114 \
                UC201 \
                UC202 \
                UC203 \
                UC301 \
                UC302 \
                UC303 \
                UC304 \
                UC305 \
                UC306 \
                UC401 \
                UC402 \
                UC403 \
                UC404 \
                UC405 \
                UC406 \
                UC501 \
                UC502 \
                UC503 \
                UC504 \
                UC505
        case 'usagectl audit --baseline'
            printf '%s\n' file
        case 'usagectl audit --fail-on'
            printf '%s\n' choice \
                error \
                warning \
                never
        case 'usagectl audit --format'
            printf '%s\n' choice \
                table \
                json \
                sarif
        case 'usagectl audit 1'
            printf '%s\n' file
        case 'usagectl report --output'
            printf '%s\n' file
        case 'usagectl report -o'
            printf '%s\n' file
        case 'usagectl report --capture'
            printf '%s\n' file
        case 'usagectl report --expect'
            printf '%s\n' choice \
                off \
                local
        case 'usagectl report --junit'
            printf '%s\n' file
        case 'usagectl report --sign'
            printf '%s\n' file
        case 'usagectl report --verify'
            printf '%s\n' file
        case 'usagectl report --allowed-signers'
            printf '%s\n' file
        case 'usagectl report --otlp'
            printf '%s\n' text
        case 'usagectl report +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl spool list --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl spool list --event'
            printf '%s\n' choice \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl spool list --since'
            printf '%s\n' text
        case 'usagectl spool list --until'
            printf '%s\n' text
        case 'usagectl spool list --state'
            printf '%s\n' choice \
                waiting \
                sent \
                rejected
        case 'usagectl spool list --limit'
            printf '%s\n' text
        case 'usagectl spool show --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl spool show --event'
            printf '%s\n' choice \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl spool show --since'
            printf '%s\n' text
        case 'usagectl spool show --until'
            printf '%s\n' text
        case 'usagectl spool show --state'
            printf '%s\n' choice \
                waiting \
                sent \
                rejected
        case 'usagectl spool show +'
            printf '%s\n' text
        case 'usagectl spool stats --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl spool stats --event'
            printf '%s\n' choice \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl spool stats --since'
            printf '%s\n' text
        case 'usagectl spool stats --until'
            printf '%s\n' text
        case 'usagectl spool stats --state'
            printf '%s\n' choice \
                waiting \
                sent \
                rejected
        case 'usagectl spool export --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl spool export --event'
            printf '%s\n' choice \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl spool export --since'
            printf '%s\n' text
        case 'usagectl spool export --until'
            printf '%s\n' text
        case 'usagectl spool export --state'
            printf '%s\n' choice \
                waiting \
                sent \
                rejected
        case 'usagectl spool export 1'
            printf '%s\n' file
        case 'usagectl spool purge --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl spool purge --event'
            printf '%s\n' choice \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl spool purge --since'
            printf '%s\n' text
        case 'usagectl spool purge --until'
            printf '%s\n' text
        case 'usagectl spool purge --state'
            printf '%s\n' choice \
                waiting \
                sent \
                rejected
        case 'usagectl replay --file'
            printf '%s\n' file
        case 'usagectl replay --to'
            printf '%s\n' text
        case 'usagectl replay --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl replay --event'
            printf '%s\n' choice \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl replay --since'
            printf '%s\n' text
        case 'usagectl replay --until'
            printf '%s\n' text
        case 'usagectl replay --limit'
            printf '%s\n' text
        case 'usagectl replay --batch-size'
            printf '%s\n' text
        case 'usagectl replay --timeout'
            printf '%s\n' text
        case 'usagectl replay --format'
            printf '%s\n' choice \
                events \
                otlp
        case 'usagectl emit session --version'
            printf '%s\n' text
        case 'usagectl emit session --tool'
            printf '%s\n' text
        case 'usagectl emit session --api-key-variable'
            printf '%s\n' text
        case 'usagectl emit session --session-id'
            printf '%s\n' text
        case 'usagectl emit aws_request --service'
            printf '%s\n' text
        case 'usagectl emit aws_request --operation'
            printf '%s\n' text
        case 'usagectl emit aws_request --status-code'
            printf '%s\n' text
        case 'usagectl emit aws_request --err-type'
            printf '%s\n' text
        case 'usagectl emit aws_request --err-msg'
            printf '%s\n' text
        case 'usagectl emit aws_request --stack-trace'
            printf '%s\n' text
        case 'usagectl emit aws_request --region'
            printf '%s\n' text
        case 'usagectl emit aws_request --account-id'
            printf '%s\n' text
        case 'usagectl emit aws_request --user-agent'
            printf '%s\n' text
        case 'usagectl emit aws_request --tool'
            printf '%s\n' text
        case 'usagectl emit aws_request --session-id'
            printf '%s\n' text
        case 'usagectl emit aws_request_agg --service'
            printf '%s\n' text
        case 'usagectl emit aws_request_agg --operation'
            printf '%s\n' text
        case 'usagectl emit aws_request_agg --status-code'
            printf '%s\n' text
        case 'usagectl emit aws_request_agg --count'
            printf '%s\n' text
        case 'usagectl emit aws_request_agg --tool'
            printf '%s\n' text
        case 'usagectl emit aws_request_agg --session-id'
            printf '%s\n' text
        case 'usagectl emit cli_cmd --cmd'
            printf '%s\n' text
        case 'usagectl emit cli_cmd --param'
            printf '%s\n' text
        case 'usagectl emit cli_cmd --version'
            printf '%s\n' text
        case 'usagectl emit cli_cmd --outcome'
            printf '%s\n' text
        case 'usagectl emit cli_cmd --duration-ms'
            printf '%s\n' text
        case 'usagectl emit cli_cmd --tool'
            printf '%s\n' text
        case 'usagectl emit run_init --stage'
            printf '%s\n' text
        case 'usagectl emit run_init --scripts'
            printf '%s\n' text
        case 'usagectl emit run_init --duration'
            printf '%s\n' text
        case 'usagectl emit run_init --tool'
            printf '%s\n' text
        case 'usagectl explain 1'
            printf '%s\n' choice \
                $__usagectl_tools \
                DO_NOT_TRACK \
                session \
                aws_request \
                aws_request_agg \
                cli_cmd \
                run_init \
                config \
                container_info \
                ls_service_provider_assignment \
                services_notimplemented \
                deprecated_env_usage \
                non_prefixed_cli_env_vars \
                ls_metrics \
                ls:usage_analytics \
                cfn_stack_deploy_failures \
                lambda:config \
                infra_start \
                infra_ready \
                infra_stop \
                ls_shutdown \
                lstk_command \
                lstk_lifecycle
        case 'usagectl machine-id show +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl machine-id set 1'
            printf '%s\n' text
        case 'usagectl machine-id set +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl reset-machine-id +'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl cache-dir set 1'
            printf '%s\n' folder
        case 'usagectl env --tool'
            printf '%s\n' choice \
                $__usagectl_tools
        case 'usagectl env 1'
            printf '%s\n' choice \
                bash \
                zsh \
                fish \
                powershell \
                dotenv \
                docker \
                compose \
                github
        case 'usagectl run +'
            printf '%s\n' command
        case 'usagectl settings set 1'
            printf '%s\n' choice \
                telemetry.mode \
                telemetry.endpoint \
                delivery.format \
                localstack.cache_dir \
                spool.max_bytes \
                spool.max_days
        case 'usagectl settings set 2'
            printf '%s\n' text
        case 'usagectl settings unset 1'
            printf '%s\n' choice \
                telemetry.mode \
                telemetry.endpoint \
                delivery.format \
                localstack.cache_dir \
                spool.max_bytes \
                spool.max_days
        case 'usagectl completion --write'
            printf '%s\n' folder
        case 'usagectl completion 1'
            printf '%s\n' choice \
                bash \
                zsh \
                fish \
                powershell
        case '*'
            return 1
    end
end

function __usagectl_details
    switch "$argv[1]"
        case 'usagectl explain 1'
            printf '%s\n' session.metadata.session_id \
                session.metadata.client_time \
                session.session_id \
                session.machine_id \
                session.api_key \
                session.system \
                session.version \
                session.is_ci \
                session.is_docker \
                session.is_testing \
                session.product \
                session.edition \
                session.container_runtime \
                aws_request.metadata.session_id \
                aws_request.metadata.client_time \
                aws_request.service \
                aws_request.operation \
                aws_request.status_code \
                aws_request.err_type \
                aws_request.err_msg \
                aws_request.stack_trace \
                aws_request.is_internal \
                aws_request.region \
                aws_request.account_id \
                aws_request.user_agent \
                aws_request_agg.metadata.session_id \
                aws_request_agg.metadata.client_time \
                aws_request_agg.api_calls \
                aws_request_agg.api_calls.service \
                aws_request_agg.api_calls.operation \
                aws_request_agg.api_calls.status_code \
                aws_request_agg.api_calls.count \
                aws_request_agg.api_calls.err_type \
                aws_request_agg.period_start_time \
                aws_request_agg.period_end_time \
                cli_cmd.metadata.client_time \
                cli_cmd.cmd \
                cli_cmd.params \
                cli_cmd.version \
                cli_cmd.outcome \
                cli_cmd.duration_ms \
                cli_cmd.metadata.session_id \
                cli_cmd.context.ai_agent \
                run_init.metadata.client_time \
                run_init.stage \
                run_init.scripts \
                run_init.duration \
                run_init.metadata.session_id \
                config.metadata.session_id \
                config.metadata.client_time \
                config.env_vars \
                config.set_vars \
                container_info.metadata.session_id \
                container_info.metadata.client_time \
                container_info.variant \
                container_info.has_docker_socket \
                container_info.container_runtime \
                container_info.uname_system \
                container_info.uname_release \
                container_info.uname_version \
                container_info.uname_machine \
                ls_service_provider_assignment.metadata.session_id \
                ls_service_provider_assignment.metadata.client_time \
                ls_service_provider_assignment.payload \
                services_notimplemented.metadata.session_id \
                services_notimplemented.metadata.client_time \
                services_notimplemented.s \
                services_notimplemented.a \
                services_notimplemented.c \
                deprecated_env_usage.metadata.session_id \
                deprecated_env_usage.metadata.client_time \
                deprecated_env_usage.deprecated_env_vars \
                non_prefixed_cli_env_vars.metadata.session_id \
                non_prefixed_cli_env_vars.metadata.client_time \
                non_prefixed_cli_env_vars.env_vars \
                ls_metrics.metadata.session_id \
                ls_metrics.metadata.client_time \
                ls_metrics.metrics.namespace \
                ls_metrics.metrics.name \
                ls_metrics.metrics.value \
                ls_metrics.metrics.type \
                ls_metrics.metrics.schema_version \
                ls_metrics.metrics.label_1 \
                ls_metrics.metrics.label_2 \
                ls_metrics.metrics.label_3 \
                ls_metrics.metrics.label_4 \
                ls_metrics.metrics.label_5 \
                ls_metrics.metrics.label_6 \
                ls_metrics.metrics.label_1_value \
                ls_metrics.metrics.label_2_value \
                ls_metrics.metrics.label_3_value \
                ls_metrics.metrics.label_4_value \
                ls_metrics.metrics.label_5_value \
                ls_metrics.metrics.label_6_value \
                ls_metrics.localstack_info.version \
                ls_metrics.localstack_info.product \
                ls:usage_analytics.metadata.session_id \
                ls:usage_analytics.metadata.client_time \
                ls:usage_analytics.lambda:hotreload \
                ls:usage_analytics.lambda:invokedruntime \
                ls:usage_analytics.cloudformation:resourcetype \
                ls:usage_analytics.cloudformation:missingresourcetypes \
                cfn_stack_deploy_failures.metadata.session_id \
                cfn_stack_deploy_failures.metadata.client_time \
                cfn_stack_deploy_failures.reason \
                cfn_stack_deploy_failures.version \
                cfn_stack_deploy_failures.tb \
                lambda:config.metadata.session_id \
                lambda:config.metadata.client_time \
                lambda:config.version \
                lambda:config.executor_mode \
                lambda:config.default_executor_mode \
                infra_start.metadata.session_id \
                infra_start.metadata.client_time \
                infra_start.apis \
                infra_ready.metadata.session_id \
                infra_ready.metadata.client_time \
                infra_stop.metadata.session_id \
                infra_stop.metadata.client_time \
                ls_shutdown.metadata.session_id \
                ls_shutdown.metadata.client_time \
                ls_shutdown.shutdown_time \
                ls_shutdown.session_duration_seconds \
                lstk_command.metadata.session_id \
                lstk_command.metadata.client_time \
                lstk_command.environment.lstk_version \
                lstk_command.environment.auth_token_id \
                lstk_command.environment.machine_id \
                lstk_command.environment.os \
                lstk_command.environment.arch \
                lstk_command.parameters.command \
                lstk_command.parameters.subcommand \
                lstk_command.parameters.flags \
                lstk_command.result.duration_ms \
                lstk_command.result.exit_code \
                lstk_command.result.error_msg \
                lstk_command.os \
                lstk_command.arch \
                lstk_command.caller_type \
                lstk_command.detection_method \
                lstk_command.is_ci \
                lstk_command.agent_identity \
                lstk_command.ci_identity \
                lstk_command.machine_id \
                lstk_lifecycle.metadata.session_id \
                lstk_lifecycle.metadata.client_time \
                lstk_lifecycle.event_type \
                lstk_lifecycle.environment.lstk_version \
                lstk_lifecycle.environment.auth_token_id \
                lstk_lifecycle.environment.machine_id \
                lstk_lifecycle.environment.os \
                lstk_lifecycle.environment.arch \
                lstk_lifecycle.emulator \
                lstk_lifecycle.image \
                lstk_lifecycle.container_id \
                lstk_lifecycle.duration_ms \
                lstk_lifecycle.pulled \
                lstk_lifecycle.localstack_info.version \
                lstk_lifecycle.localstack_info.edition \
                lstk_lifecycle.localstack_info.is_license_activated \
                lstk_lifecycle.localstack_info.session_id \
                lstk_lifecycle.localstack_info.machine_id \
                lstk_lifecycle.localstack_info.system \
                lstk_lifecycle.localstack_info.is_docker \
                lstk_lifecycle.localstack_info.server_time_utc \
                lstk_lifecycle.localstack_info.uptime \
                lstk_lifecycle.error_code \
                lstk_lifecycle.error_msg \
                lstk_lifecycle.os \
                lstk_lifecycle.arch \
                lstk_lifecycle.caller_type \
                lstk_lifecycle.detection_method \
                lstk_lifecycle.is_ci \
                lstk_lifecycle.agent_identity \
                lstk_lifecycle.ci_identity \
                lstk_lifecycle.machine_id
        case '*'
            return 1
    end
end

complete -c usagectl -f -k -a '(__usagectl_complete)'
