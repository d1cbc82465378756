# Completion of usagectl for PowerShell 5 and later.
# Written by `usagectl completion powershell`: do not edit. A Tab press runs nothing but this text.

$global:__usagectl_tools = @(
            'agno'
            'aider'
            'airflow'
            'amplify'
            'angular'
            'astro'
            'azure-cli'
            'bentoml'
            'browser-use'
            'cdk'
            'checkov'
            'chromadb'
            'claude-code'
            'codex'
            'crewai'
            'dagster'
            'dart'
            'dbt'
            'deepeval'
            'dlt'
            'docker'
            'dotnet'
            'dvc'
            'eas'
            'evidently'
            'expo'
            'feast'
            'firebase'
            'gatsby'
            'gcloud'
            'gemini'
            'gh'
            'giskard'
            'go'
            'gradio'
            'great-expectations'
            'guardrails'
            'hardhat'
            'haystack'
            'homebrew'
            'huggingface'
            'influxdb'
            'ionic'
            'kedro'
            'label-studio'
            'langflow'
            'litellm'
            'localstack'
            'lstk'
            'medusa'
            'meltano'
            'mem0'
            'mlflow'
            'netdata'
            'netlify'
            'next'
            'nuxt'
            'nx'
            'open-interpreter'
            'packer'
            'pandasai'
            'ploomber'
            'popularity-contest'
            'powershell'
            'prefect'
            'prisma'
            'ragas'
            'ray'
            'redocly'
            'reflex'
            'sagemaker'
            'salesforce'
            'sam'
            'sanity'
            'semgrep'
            'serverless'
            'sf-hamilton'
            'shopify'
            'skypilot'
            'snowflake-cli'
            'sqlmesh'
            'storybook'
            'streamlit'
            'supabase'
            'syncthing'
            'terraform'
            'turbo'
            'unstructured'
            'usagectl'
            'vercel'
            'vizro'
            'vllm'
            'vscode'
            'wrangler'
            'yarn'
            'zenml'
)

function global:__usagectl_commands([string]$key) {
    switch -CaseSensitive ($key) {
        'usagectl' {
            'status|Show which of the tools on this machine send telemetry, and which switch decided.'
            'disable|Switch telemetry off, in the tools'' own files, and check that it is off.'
            'enable|Undo what `usagectl disable` did, and no more.'
            'preview|Show the exact requests that would be sent: method, URL, headers, body.'
            'capture|Run a command and record what it tries to send, by one of three ways.'
            'verify|Run a tool with each of its switches, and say which keep their word.'
            'init|Write the file with which verify proves the switches of a tool that records through usagectl.'
            'audit|Compare events with the notice: what is undocumented, and what gives secrets away.'
            'report|Write what the tools here send, and how that is known, for people who must sign off.'
            'spool|Look into the spool: what waits, what was sent, what was refused or lost.'
            'replay|Send the events that wait in the spool, and keep what is not taken.'
            'emit|Record one event of the notice from a shell script, under its tool''s switches.'
            'explain|Read the notice, or what is known of a tool, in plain words.'
            'machine-id|Show the machine ID in every place where a tool that is here keeps it.'
            'reset-machine-id|Replace the machine ID by a new random one, everywhere a tool keeps it.'
            'cache-dir|Show the folder of LocalStack''s machine ID, and what chose it.'
            'env|Print every opt-out variable, ready for a shell or a file.'
            'run|Run a command with every known opt-out set for it and its children.'
            'settings|Show usagectl''s own settings, each with the place it comes from.'
            'completion|Print the script that completes usagectl in a shell; put it where the shell looks.'
        }
        'usagectl spool' {
            'list|List events, one a line: those that wait, unless another state is asked for.'
            'show|Show events whole, as they were recorded.'
            'stats|Count events by name, tool, state and day, with a small chart on a terminal.'
            'export|Write events to a file or to stdout, one a line, exactly as they are in the spool.'
            'purge|Remove events for good; without --state those that wait and those that were refused.'
        }
        'usagectl emit' {
            'session|Record session: describes the running client and the machine once, so that later events of the same session can be read together.'
            'aws_request|Record aws_request: one call to an AWS API that LocalStack answered: what was called and how it ended, never its parameters.'
            'aws_request_agg|Record aws_request_agg: how often each combination of service, operation and status occurred. The notice gives the four facts; the names of the event and of its list are those that real clients use.'
            'cli_cmd|Record cli_cmd: that a command of the CLI was invoked, with the names of its parameters and never their values. By the notice it cannot be tied to a session or token.'
            'run_init|Record run_init: that init scripts were executed. The notice gives the three facts; the names of the event and of its fields are those that real clients use.'
        }
        'usagectl machine-id' {
            'show|Show the machine ID of a tool, in every place where it keeps it.'
            'set|Write an ID of your own into every place where LocalStack and lstk keep one.'
        }
        'usagectl cache-dir' {
            'set|Choose the folder that holds the ID, such as ./volume/cache of a Docker Compose project.'
            'unset|Undo `usagectl cache-dir set`; no machine ID and no folder is touched.'
            'clear|Remove the machine ID''s file from every place; no other file is touched.'
        }
        'usagectl settings' {
            'set|Store a setting; other lines and comments of the file stay.'
            'unset|Remove a setting, so that its default holds again.'
        }
    }
}

function global:__usagectl_options([string]$key) {
    switch -CaseSensitive ($key) {
        'usagectl' {
            '--version|Print the version and exit.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl status' {
            '--all|Each tool that is known, also those that are not here.'
            '--expect|Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.'
            '--reveal|Show machine IDs and tokens whole instead of masked.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl disable' {
            '--keep-spool|Keep the events that wait in the spool.'
            '--project|Write files of this folder''s project too, before your own.'
            '--shell|Also the start-up files of your shells: every known opt-out.'
            '--system|Every user of this machine, its services, its policy; as root.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl enable' {
            '--project|Write files of this folder''s project too, before your own.'
            '--shell|Also the start-up files of your shells: every known opt-out.'
            '--system|Every user of this machine, its services, its policy; as root.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl preview' {
            '--if-enabled|Show what would be sent if it were on.'
            '--localstack-version|Follow the rules of this LocalStack version, not of the installed one.'
            '--waiting|Show every recorded event that waits, in the requests of a replay.'
            '--live|Ask Docker, as LocalStack does, and the LocalStack that runs on this machine.'
            '--raw|Print the bytes of the bodies alone; one TOOL has one body.'
            '--reveal|Show the auth token whole instead of masked.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl capture' {
            '--sealed|Run CMD with no network but a recorder, which sees whatever it tries (Linux).'
            '--proxy|Lead CMD to the recorder as to a proxy; hosts of known telemetry are answered here, others are passed on.'
            '--offline|With --proxy: pass nothing on, answer all here.'
            '+--own|A host that CMD is for, sub-domains too: a package index, its own API. Can be repeated.'
            '+--allow|Refused: nothing leaves a sealed run; see --own.'
            '--expect|Exit with 1: `none` if anything arrives, with --sealed or --proxy at a host that may be telemetry''s; `notice` if what arrives breaks it; `silence` if CMD tries anything at all, a look-up too (--sealed).'
            '--output,-o|Keep what arrives in this file, for audit, spool and replay.'
            '--summary|Write the answer as one JSON object to this file, beside CMD.'
            '--force|Replace FILE if it is there.'
            '--as-if-enabled|Lift the opt-outs of the tools that are caught, to see what CMD hides.'
            '--answer|How the endpoint behaves: track_events true or false, status 500, no answer, nothing listening, an answer after two seconds.'
            '--bind|Listen on this address, so that containers reach the endpoint.'
            '--port|Listen on this port; 0 takes a free one.'
            '--grace|Time to wait at most for what CMD leaves running behind it.'
            '--live|Show each request, and each look-up, on stderr as it comes.'
            '--reveal|Keep tokens, home paths and all headers in clear.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl verify' {
            '--quick|Try each switch''s own value for off alone.'
            '+--switch|Try this variable, key or command; can be repeated.'
            '--evidence|Print an [[evidence]] block for the catalogue instead.'
            '--keep|Keep every captured request in this new file, unmasked.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl init' {
            '+--command|A command line that is recorded, such as ''mytool build''; can be repeated.'
            '--endpoint|Where it sends; else what it registered here when it last recorded.'
            '--output|Write this file instead of MYTOOL.usagectl.toml.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl audit' {
            '+--state|Of the spool: waiting, sent or rejected; can be repeated. All without it.'
            '+--rule|Only this rule, by ID or name; can be repeated.'
            '+--ignore|Do not count this; the field as the table or JSON names it. Can be repeated.'
            '--baseline|Do not count what stands in this file, so that only what is new fails.'
            '--write-baseline|Write the findings of now to --baseline.'
            '--fail-on|Exit with 1 from this level on.'
            '--allow-empty|Accept a FILE without any event; else exit with 1.'
            '--format|How the answer is written.'
            '--reveal|Show examples whole instead of masked.'
            '--list-rules|List the rules and what they mean; audit nothing.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl report' {
            '+--output,-o|Write the report to this file, a page (.html) or data (.json); can be repeated.'
            '+--capture|A file of usagectl capture -o, for the report or --verify; can be repeated.'
            '--expect|Exit with 1 unless every tool here is off; with `local`, unless nothing is sent.'
            '--junit|Write JUnit XML, a test case a tool; it needs --expect.'
            '--markdown|Print the report as Markdown, for a CI summary.'
            '--sign|Sign the .json with this SSH key: ssh-keygen writes FILE.sig beside it.'
            '--verify|Check a report in JSON: its sums, its inputs, its signature. Exit with 1 if one does not match.'
            '--allowed-signers|With --verify: who may have signed, in the form of ssh-keygen.'
            '--otlp|Also send each tool''s verdict there, as an OpenTelemetry log record: its name, version, verdict and the kind of switch; no value and no path.'
            '--force|Replace files that are there.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl spool' {
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl spool list' {
            '+--tool|Only events of this tool; can be repeated.'
            '+--event|Only events of this name; can be repeated.'
            '--since|Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.'
            '--until|Only events recorded before then; as --since.'
            '+--state|Events of this state: waiting, sent or rejected; can be repeated.'
            '--sent|Those that were sent: --state sent.'
            '--rejected|Those that were refused: --state rejected.'
            '--limit|Show the newest so many events; 0 shows all.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl spool show' {
            '+--tool|Only events of this tool; can be repeated.'
            '+--event|Only events of this name; can be repeated.'
            '--since|Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.'
            '--until|Only events recorded before then; as --since.'
            '+--state|Events of this state: waiting, sent or rejected; can be repeated.'
            '--sent|Those that were sent: --state sent.'
            '--rejected|Those that were refused: --state rejected.'
            '--raw|Print the exact bytes of the events alone, one a line.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl spool stats' {
            '+--tool|Only events of this tool; can be repeated.'
            '+--event|Only events of this name; can be repeated.'
            '--since|Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.'
            '--until|Only events recorded before then; as --since.'
            '+--state|Events of this state: waiting, sent or rejected; can be repeated.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl spool export' {
            '+--tool|Only events of this tool; can be repeated.'
            '+--event|Only events of this name; can be repeated.'
            '--since|Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.'
            '--until|Only events recorded before then; as --since.'
            '+--state|Events of this state: waiting, sent or rejected; can be repeated.'
            '--events|Write the events alone, without their envelopes.'
            '--force|Replace a file that is there.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl spool purge' {
            '+--tool|Only events of this tool; can be repeated.'
            '+--event|Only events of this name; can be repeated.'
            '--since|Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.'
            '--until|Only events recorded before then; as --since.'
            '+--state|Events of this state: waiting, sent or rejected; can be repeated.'
            '--dry-run|Say what would change; change nothing.'
            '--yes,-y|Do not ask on a terminal.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl replay' {
            '--file|Send the events of this file instead; - reads from standard input.'
            '--to|Send to this base URL; one on this machine is always allowed.'
            '+--tool|Only events of this tool; can be repeated.'
            '+--event|Only events of this name; can be repeated.'
            '--since|Only events recorded since then: a date, a date and time (UTC without a zone), or so long ago: 90s, 30m, 2h, 7d, 1w.'
            '--until|Only events recorded before then; as --since.'
            '--limit|Send at most so many events.'
            '--batch-size|Events of one request.'
            '--rejected|Try those again that were rejected before.'
            '--copy|Send copies; the events stay where they wait.'
            '--timeout|Time to go on with an endpoint that takes nothing.'
            '--gzip|Send compressed bodies.'
            '--format|otlp sends OpenTelemetry logs, to /v1/logs below the base URL; without this option the setting delivery.format decides.'
            '--allow-http|Take plain http to other machines too.'
            '--dry-run|Say which requests would be sent; send nothing.'
            '--raw|With --dry-run: print the bodies alone, one a line.'
            '--yes,-y|Do not ask on a terminal.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl emit' {
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl emit session' {
            '--version|The version of LocalStack.'
            '--is-testing|True in LocalStack''s own test runs.'
            '--tool|Whose event it is; its switches decide.'
            '--api-key-variable|Hand over the token that this environment variable holds; without it, none.'
            '--session-id|The session it belongs to; without it a new one is drawn.'
            '--strict|Fail, and say why, if the event cannot be kept.'
            '--dry-run|Show the exact bytes; record nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl emit aws_request' {
            '--service|The AWS service that was called.'
            '--operation|The operation that was called.'
            '--status-code|The HTTP status of the answer.'
            '--err-type|The type of the error, by its code on the wire: `404` for a HEAD whose client raises `NoSuchKey`. Only with a status of 400 to 499.'
            '--err-msg|The text of the error. Only with a status of 400 to 499; it may repeat what the caller sent, so usagectl scrubs it.'
            '--stack-trace|The stack trace of an error inside LocalStack. Only with status 500 and `DEBUG=1`. The notice does not name this field; the name is ours.'
            '--is-internal|True when LocalStack itself made the call.'
            '--region|The AWS region that the call was made to.'
            '--account-id|The account number that the call was made with; a dummy one in LocalStack. usagectl writes the dummy 000000000000 whatever it is.'
            '--user-agent|What the calling program says about itself; it may name versions and the operating system of the caller.'
            '--tool|Whose event it is; its switches decide.'
            '--session-id|The session it belongs to; without it a new one is drawn.'
            '--strict|Fail, and say why, if the event cannot be kept.'
            '--dry-run|Show the exact bytes; record nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl emit aws_request_agg' {
            '--service|The AWS service that was called.'
            '--operation|The operation that was called.'
            '--status-code|The HTTP status of the answers.'
            '--count|How often this combination occurred.'
            '--tool|Whose event it is; its switches decide.'
            '--session-id|The session it belongs to; without it a new one is drawn.'
            '--strict|Fail, and say why, if the event cannot be kept.'
            '--dry-run|Show the exact bytes; record nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl emit cli_cmd' {
            '--cmd|The command that was invoked, from the program''s name on.'
            '+--param|The names of the parameters that were given; never their values.'
            '--version|The version of the program, where its author has usagectl record it.'
            '--outcome|How the command ended, where its author has usagectl record it. One of ok, error, interrupted, usage.'
            '--duration-ms|How many milliseconds the command took, where its author has usagectl record it.'
            '--tool|Whose event it is; its switches decide.'
            '--strict|Fail, and say why, if the event cannot be kept.'
            '--dry-run|Show the exact bytes; record nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl emit run_init' {
            '--stage|The stage that the scripts belong to.'
            '--scripts|How many scripts were executed.'
            '--duration|How long they took together, in milliseconds.'
            '--tool|Whose event it is; its switches decide.'
            '--strict|Fail, and say why, if the event cannot be kept.'
            '--dry-run|Show the exact bytes; record nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl explain' {
            '--markdown|Write what is known of the tools as a Markdown page.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl machine-id' {
            '--reveal|Show machine IDs and tokens whole instead of masked.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl machine-id show' {
            '--reveal|Show machine IDs and tokens whole instead of masked.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl machine-id set' {
            '--yes,-y|Do not ask on a terminal.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl reset-machine-id' {
            '--yes,-y|Do not ask on a terminal.'
            '--dry-run|Say what would change; change nothing.'
            '--reveal|Show machine IDs and tokens whole instead of masked.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl cache-dir' {
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl cache-dir set' {
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl cache-dir unset' {
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl cache-dir clear' {
            '--yes,-y|Do not ask; needed with --json and without a terminal.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl env' {
            '+--tool|What this tool heeds; can be repeated.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl run' {
            '--help,-h|Show this message and exit.'
        }
        'usagectl settings' {
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl settings set' {
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl settings unset' {
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
        'usagectl completion' {
            '--write|Write the file of this SHELL, or of all, into a folder, as packages need them.'
            '--dry-run|Say what would change; change nothing.'
            '--json|Answer as one JSON object on stdout.'
            '--help,-h|Show this message and exit.'
        }
    }
}

function global:__usagectl_values([string]$key) {
    switch -CaseSensitive ($key) {
        'usagectl status --expect' {
            'choice'
            'off'
            'local'
        }
        'usagectl status +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl disable +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl enable +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl preview --localstack-version' {
            'text'
        }
        'usagectl preview 1' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl capture --own' {
            'text'
        }
        'usagectl capture --allow' {
            'text'
        }
        'usagectl capture --expect' {
            'choice'
            'none'
            'notice'
            'silence'
        }
        'usagectl capture --output' {
            'file'
        }
        'usagectl capture -o' {
            'file'
        }
        'usagectl capture --summary' {
            'file'
        }
        'usagectl capture --answer' {
            'choice'
            'on'
            'off'
            'error'
            'hang'
            'refuse'
            'slow'
        }
        'usagectl capture --bind' {
            'text'
        }
        'usagectl capture --port' {
            'text'
        }
        'usagectl capture --grace' {
            'text'
        }
        'usagectl capture +' {
            'command'
        }
        'usagectl verify --switch' {
            'choice'
            'telemetry.mode'
            'telemetry.endpoint'
            'delivery.format'
            'localstack.cache_dir'
            'spool.max_bytes'
            'spool.max_days'
        }
        'usagectl verify --keep' {
            'file'
        }
        'usagectl verify 1' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl init --command' {
            'text'
        }
        'usagectl init --endpoint' {
            'text'
        }
        'usagectl init --output' {
            'file'
        }
        'usagectl init 1' {
            'text'
        }
        'usagectl audit --state' {
            'choice'
            'waiting'
            'sent'
            'rejected'
        }
        'usagectl audit --rule' {
            'choice'
            'UC101'
            'UC102'
            'UC103'
            'UC104'
            'UC105'
            'UC106'
            'UC107'
            'UC108'
            'UC109'
            'UC110'
            'UC111'
            'UC112'
            'UC113'
            'UC114'
            'UC201'
            'UC202'
            'UC203'
            'UC301'
            'UC302'
            'UC303'
            'UC304'
            'UC305'
            'UC306'
            'UC401'
            'UC402'
            'UC403'
            'UC404'
            'UC405'
            'UC406'
            'UC501'
            'UC502'
            'UC503'
            'UC504'
            'UC505'
        }
        'usagectl audit --ignore' {
            'choice'
            'UC101'
            'UC102'
            'UC103'
            'UC104'
            'UC105'
            'UC106'
            'UC107'
            'UC108'
            'UC109'
            'UC110'
            'UC111'
            'UC112'
            'UC113'
            'UC114'
            'UC201'
            'UC202'
            'UC203'
            'UC301'
            'UC302'
            'UC303'
            'UC304'
            'UC305'
            'UC306'
            'UC401'
            'UC402'
            'UC403'
            'UC404'
            'UC405'
            'UC406'
            'UC501'
            'UC502'
            'UC503'
            'UC504'
            'UC505'
        }
        'usagectl audit --baseline' {
            'file'
        }
        'usagectl audit --fail-on' {
            'choice'
            'error'
            'warning'
            'never'
        }
        'usagectl audit --format' {
            'choice'
            'table'
            'json'
            'sarif'
        }
        'usagectl audit 1' {
            'file'
        }
        'usagectl report --output' {
            'file'
        }
        'usagectl report -o' {
            'file'
        }
        'usagectl report --capture' {
            'file'
        }
        'usagectl report --expect' {
            'choice'
            'off'
            'local'
        }
        'usagectl report --junit' {
            'file'
        }
        'usagectl report --sign' {
            'file'
        }
        'usagectl report --verify' {
            'file'
        }
        'usagectl report --allowed-signers' {
            'file'
        }
        'usagectl report --otlp' {
            'text'
        }
        'usagectl report +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl spool list --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl spool list --event' {
            'choice'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl spool list --since' {
            'text'
        }
        'usagectl spool list --until' {
            'text'
        }
        'usagectl spool list --state' {
            'choice'
            'waiting'
            'sent'
            'rejected'
        }
        'usagectl spool list --limit' {
            'text'
        }
        'usagectl spool show --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl spool show --event' {
            'choice'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl spool show --since' {
            'text'
        }
        'usagectl spool show --until' {
            'text'
        }
        'usagectl spool show --state' {
            'choice'
            'waiting'
            'sent'
            'rejected'
        }
        'usagectl spool show +' {
            'text'
        }
        'usagectl spool stats --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl spool stats --event' {
            'choice'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl spool stats --since' {
            'text'
        }
        'usagectl spool stats --until' {
            'text'
        }
        'usagectl spool stats --state' {
            'choice'
            'waiting'
            'sent'
            'rejected'
        }
        'usagectl spool export --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl spool export --event' {
            'choice'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl spool export --since' {
            'text'
        }
        'usagectl spool export --until' {
            'text'
        }
        'usagectl spool export --state' {
            'choice'
            'waiting'
            'sent'
            'rejected'
        }
        'usagectl spool export 1' {
            'file'
        }
        'usagectl spool purge --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl spool purge --event' {
            'choice'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl spool purge --since' {
            'text'
        }
        'usagectl spool purge --until' {
            'text'
        }
        'usagectl spool purge --state' {
            'choice'
            'waiting'
            'sent'
            'rejected'
        }
        'usagectl replay --file' {
            'file'
        }
        'usagectl replay --to' {
            'text'
        }
        'usagectl replay --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl replay --event' {
            'choice'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl replay --since' {
            'text'
        }
        'usagectl replay --until' {
            'text'
        }
        'usagectl replay --limit' {
            'text'
        }
        'usagectl replay --batch-size' {
            'text'
        }
        'usagectl replay --timeout' {
            'text'
        }
        'usagectl replay --format' {
            'choice'
            'events'
            'otlp'
        }
        'usagectl emit session --version' {
            'text'
        }
        'usagectl emit session --tool' {
            'text'
        }
        'usagectl emit session --api-key-variable' {
            'text'
        }
        'usagectl emit session --session-id' {
            'text'
        }
        'usagectl emit aws_request --service' {
            'text'
        }
        'usagectl emit aws_request --operation' {
            'text'
        }
        'usagectl emit aws_request --status-code' {
            'text'
        }
        'usagectl emit aws_request --err-type' {
            'text'
        }
        'usagectl emit aws_request --err-msg' {
            'text'
        }
        'usagectl emit aws_request --stack-trace' {
            'text'
        }
        'usagectl emit aws_request --region' {
            'text'
        }
        'usagectl emit aws_request --account-id' {
            'text'
        }
        'usagectl emit aws_request --user-agent' {
            'text'
        }
        'usagectl emit aws_request --tool' {
            'text'
        }
        'usagectl emit aws_request --session-id' {
            'text'
        }
        'usagectl emit aws_request_agg --service' {
            'text'
        }
        'usagectl emit aws_request_agg --operation' {
            'text'
        }
        'usagectl emit aws_request_agg --status-code' {
            'text'
        }
        'usagectl emit aws_request_agg --count' {
            'text'
        }
        'usagectl emit aws_request_agg --tool' {
            'text'
        }
        'usagectl emit aws_request_agg --session-id' {
            'text'
        }
        'usagectl emit cli_cmd --cmd' {
            'text'
        }
        'usagectl emit cli_cmd --param' {
            'text'
        }
        'usagectl emit cli_cmd --version' {
            'text'
        }
        'usagectl emit cli_cmd --outcome' {
            'text'
        }
        'usagectl emit cli_cmd --duration-ms' {
            'text'
        }
        'usagectl emit cli_cmd --tool' {
            'text'
        }
        'usagectl emit run_init --stage' {
            'text'
        }
        'usagectl emit run_init --scripts' {
            'text'
        }
        'usagectl emit run_init --duration' {
            'text'
        }
        'usagectl emit run_init --tool' {
            'text'
        }
        'usagectl explain 1' {
            'choice'
            $global:__usagectl_tools
            'DO_NOT_TRACK'
            'session'
            'aws_request'
            'aws_request_agg'
            'cli_cmd'
            'run_init'
            'config'
            'container_info'
            'ls_service_provider_assignment'
            'services_notimplemented'
            'deprecated_env_usage'
            'non_prefixed_cli_env_vars'
            'ls_metrics'
            'ls:usage_analytics'
            'cfn_stack_deploy_failures'
            'lambda:config'
            'infra_start'
            'infra_ready'
            'infra_stop'
            'ls_shutdown'
            'lstk_command'
            'lstk_lifecycle'
        }
        'usagectl machine-id show +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl machine-id set 1' {
            'text'
        }
        'usagectl machine-id set +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl reset-machine-id +' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl cache-dir set 1' {
            'folder'
        }
        'usagectl env --tool' {
            'choice'
            $global:__usagectl_tools
        }
        'usagectl env 1' {
            'choice'
            'bash'
            'zsh'
            'fish'
            'powershell'
            'dotenv'
            'docker'
            'compose'
            'github'
        }
        'usagectl run +' {
            'command'
        }
        'usagectl settings set 1' {
            'choice'
            'telemetry.mode'
            'telemetry.endpoint'
            'delivery.format'
            'localstack.cache_dir'
            'spool.max_bytes'
            'spool.max_days'
        }
        'usagectl settings set 2' {
            'text'
        }
        'usagectl settings unset 1' {
            'choice'
            'telemetry.mode'
            'telemetry.endpoint'
            'delivery.format'
            'localstack.cache_dir'
            'spool.max_bytes'
            'spool.max_days'
        }
        'usagectl completion --write' {
            'folder'
        }
        'usagectl completion 1' {
            'choice'
            'bash'
            'zsh'
            'fish'
            'powershell'
        }
    }
}

function global:__usagectl_details([string]$key) {
    switch -CaseSensitive ($key) {
        'usagectl explain 1' {
            'session.metadata.session_id'
            'session.metadata.client_time'
            'session.session_id'
            'session.machine_id'
            'session.api_key'
            'session.system'
            'session.version'
            'session.is_ci'
            'session.is_docker'
            'session.is_testing'
            'session.product'
            'session.edition'
            'session.container_runtime'
            'aws_request.metadata.session_id'
            'aws_request.metadata.client_time'
            'aws_request.service'
            'aws_request.operation'
            'aws_request.status_code'
            'aws_request.err_type'
            'aws_request.err_msg'
            'aws_request.stack_trace'
            'aws_request.is_internal'
            'aws_request.region'
            'aws_request.account_id'
            'aws_request.user_agent'
            'aws_request_agg.metadata.session_id'
            'aws_request_agg.metadata.client_time'
            'aws_request_agg.api_calls'
            'aws_request_agg.api_calls.service'
            'aws_request_agg.api_calls.operation'
            'aws_request_agg.api_calls.status_code'
            'aws_request_agg.api_calls.count'
            'aws_request_agg.api_calls.err_type'
            'aws_request_agg.period_start_time'
            'aws_request_agg.period_end_time'
            'cli_cmd.metadata.client_time'
            'cli_cmd.cmd'
            'cli_cmd.params'
            'cli_cmd.version'
            'cli_cmd.outcome'
            'cli_cmd.duration_ms'
            'cli_cmd.metadata.session_id'
            'cli_cmd.context.ai_agent'
            'run_init.metadata.client_time'
            'run_init.stage'
            'run_init.scripts'
            'run_init.duration'
            'run_init.metadata.session_id'
            'config.metadata.session_id'
            'config.metadata.client_time'
            'config.env_vars'
            'config.set_vars'
            'container_info.metadata.session_id'
            'container_info.metadata.client_time'
            'container_info.variant'
            'container_info.has_docker_socket'
            'container_info.container_runtime'
            'container_info.uname_system'
            'container_info.uname_release'
            'container_info.uname_version'
            'container_info.uname_machine'
            'ls_service_provider_assignment.metadata.session_id'
            'ls_service_provider_assignment.metadata.client_time'
            'ls_service_provider_assignment.payload'
            'services_notimplemented.metadata.session_id'
            'services_notimplemented.metadata.client_time'
            'services_notimplemented.s'
            'services_notimplemented.a'
            'services_notimplemented.c'
            'deprecated_env_usage.metadata.session_id'
            'deprecated_env_usage.metadata.client_time'
            'deprecated_env_usage.deprecated_env_vars'
            'non_prefixed_cli_env_vars.metadata.session_id'
            'non_prefixed_cli_env_vars.metadata.client_time'
            'non_prefixed_cli_env_vars.env_vars'
            'ls_metrics.metadata.session_id'
            'ls_metrics.metadata.client_time'
            'ls_metrics.metrics.namespace'
            'ls_metrics.metrics.name'
            'ls_metrics.metrics.value'
            'ls_metrics.metrics.type'
            'ls_metrics.metrics.schema_version'
            'ls_metrics.metrics.label_1'
            'ls_metrics.metrics.label_2'
            'ls_metrics.metrics.label_3'
            'ls_metrics.metrics.label_4'
            'ls_metrics.metrics.label_5'
            'ls_metrics.metrics.label_6'
            'ls_metrics.metrics.label_1_value'
            'ls_metrics.metrics.label_2_value'
            'ls_metrics.metrics.label_3_value'
            'ls_metrics.metrics.label_4_value'
            'ls_metrics.metrics.label_5_value'
            'ls_metrics.metrics.label_6_value'
            'ls_metrics.localstack_info.version'
            'ls_metrics.localstack_info.product'
            'ls:usage_analytics.metadata.session_id'
            'ls:usage_analytics.metadata.client_time'
            'ls:usage_analytics.lambda:hotreload'
            'ls:usage_analytics.lambda:invokedruntime'
            'ls:usage_analytics.cloudformation:resourcetype'
            'ls:usage_analytics.cloudformation:missingresourcetypes'
            'cfn_stack_deploy_failures.metadata.session_id'
            'cfn_stack_deploy_failures.metadata.client_time'
            'cfn_stack_deploy_failures.reason'
            'cfn_stack_deploy_failures.version'
            'cfn_stack_deploy_failures.tb'
            'lambda:config.metadata.session_id'
            'lambda:config.metadata.client_time'
            'lambda:config.version'
            'lambda:config.executor_mode'
            'lambda:config.default_executor_mode'
            'infra_start.metadata.session_id'
            'infra_start.metadata.client_time'
            'infra_start.apis'
            'infra_ready.metadata.session_id'
            'infra_ready.metadata.client_time'
            'infra_stop.metadata.session_id'
            'infra_stop.metadata.client_time'
            'ls_shutdown.metadata.session_id'
            'ls_shutdown.metadata.client_time'
            'ls_shutdown.shutdown_time'
            'ls_shutdown.session_duration_seconds'
            'lstk_command.metadata.session_id'
            'lstk_command.metadata.client_time'
            'lstk_command.environment.lstk_version'
            'lstk_command.environment.auth_token_id'
            'lstk_command.environment.machine_id'
            'lstk_command.environment.os'
            'lstk_command.environment.arch'
            'lstk_command.parameters.command'
            'lstk_command.parameters.subcommand'
            'lstk_command.parameters.flags'
            'lstk_command.result.duration_ms'
            'lstk_command.result.exit_code'
            'lstk_command.result.error_msg'
            'lstk_command.os'
            'lstk_command.arch'
            'lstk_command.caller_type'
            'lstk_command.detection_method'
            'lstk_command.is_ci'
            'lstk_command.agent_identity'
            'lstk_command.ci_identity'
            'lstk_command.machine_id'
            'lstk_lifecycle.metadata.session_id'
            'lstk_lifecycle.metadata.client_time'
            'lstk_lifecycle.event_type'
            'lstk_lifecycle.environment.lstk_version'
            'lstk_lifecycle.environment.auth_token_id'
            'lstk_lifecycle.environment.machine_id'
            'lstk_lifecycle.environment.os'
            'lstk_lifecycle.environment.arch'
            'lstk_lifecycle.emulator'
            'lstk_lifecycle.image'
            'lstk_lifecycle.container_id'
            'lstk_lifecycle.duration_ms'
            'lstk_lifecycle.pulled'
            'lstk_lifecycle.localstack_info.version'
            'lstk_lifecycle.localstack_info.edition'
            'lstk_lifecycle.localstack_info.is_license_activated'
            'lstk_lifecycle.localstack_info.session_id'
            'lstk_lifecycle.localstack_info.machine_id'
            'lstk_lifecycle.localstack_info.system'
            'lstk_lifecycle.localstack_info.is_docker'
            'lstk_lifecycle.localstack_info.server_time_utc'
            'lstk_lifecycle.localstack_info.uptime'
            'lstk_lifecycle.error_code'
            'lstk_lifecycle.error_msg'
            'lstk_lifecycle.os'
            'lstk_lifecycle.arch'
            'lstk_lifecycle.caller_type'
            'lstk_lifecycle.detection_method'
            'lstk_lifecycle.is_ci'
            'lstk_lifecycle.agent_identity'
            'lstk_lifecycle.ci_identity'
            'lstk_lifecycle.machine_id'
        }
    }
}

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
