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

_usagectl_tools=(
                agno
                aider
                airflow
                amplify
                angular
                astro
                azure-cli
                bentoml
                browser-use
                cdk
                checkov
                chromadb
                claude-code
                codex
                crewai
                dagster
                dart
                dbt
                deepeval
                dlt
                docker
                dotnet
                dvc
                eas
                evidently
                expo
                feast
                firebase
                gatsby
                gcloud
                gemini
                gh
                giskard
                go
                gradio
                great-expectations
                guardrails
                hardhat
                haystack
                homebrew
                huggingface
                influxdb
                ionic
                kedro
                label-studio
                langflow
                litellm
                localstack
                lstk
                medusa
                meltano
                mem0
                mlflow
                netdata
                netlify
                next
                nuxt
                nx
                open-interpreter
                packer
                pandasai
                ploomber
                popularity-contest
                powershell
                prefect
                prisma
                ragas
                ray
                redocly
                reflex
                sagemaker
                salesforce
                sam
                sanity
                semgrep
                serverless
                sf-hamilton
                shopify
                skypilot
                snowflake-cli
                sqlmesh
                storybook
                streamlit
                supabase
                syncthing
                terraform
                turbo
                unstructured
                usagectl
                vercel
                vizro
                vllm
                vscode
                wrangler
                yarn
                zenml
)

_usagectl_commands() {
    reply=()
    case $1 in
        usagectl)
            reply=(status
                disable
                enable
                preview
                capture
                verify
                init
                audit
                report
                spool
                replay
                emit
                explain
                machine-id
                reset-machine-id
                cache-dir
                env
                run
                settings
                completion)
            ;;
        'usagectl spool')
            reply=(list
                show
                stats
                export
                purge)
            ;;
        'usagectl emit')
            reply=(session
                aws_request
                aws_request_agg
                cli_cmd
                run_init)
            ;;
        'usagectl machine-id')
            reply=(show
                set)
            ;;
        'usagectl cache-dir')
            reply=(set
                unset
                clear)
            ;;
        'usagectl settings')
            reply=(set
                unset)
            ;;
        *) return 1 ;;
    esac
}

_usagectl_options() {
    reply=()
    case $1 in
        usagectl)
            reply=(--version
                --help,-h)
            ;;
        'usagectl status')
            reply=(--all
                --expect
                --reveal
                --json
                --help,-h)
            ;;
        'usagectl disable')
            reply=(--keep-spool
                --project
                --shell
                --system
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl enable')
            reply=(--project
                --shell
                --system
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl preview')
            reply=(--if-enabled
                --localstack-version
                --waiting
                --live
                --raw
                --reveal
                --json
                --help,-h)
            ;;
        'usagectl capture')
            reply=(--sealed
                --proxy
                --offline
                +--own
                +--allow
                --expect
                --output,-o
                --summary
                --force
                --as-if-enabled
                --answer
                --bind
                --port
                --grace
                --live
                --reveal
                --json
                --help,-h)
            ;;
        'usagectl verify')
            reply=(--quick
                +--switch
                --evidence
                --keep
                --json
                --help,-h)
            ;;
        'usagectl init')
            reply=(+--command
                --endpoint
                --output
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl audit')
            reply=(+--state
                +--rule
                +--ignore
                --baseline
                --write-baseline
                --fail-on
                --allow-empty
                --format
                --reveal
                --list-rules
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl report')
            reply=(+--output,-o
                +--capture
                --expect
                --junit
                --markdown
                --sign
                --verify
                --allowed-signers
                --otlp
                --force
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl spool')
            reply=(--json
                --help,-h)
            ;;
        'usagectl spool list')
            reply=(+--tool
                +--event
                --since
                --until
                +--state
                --sent
                --rejected
                --limit
                --json
                --help,-h)
            ;;
        'usagectl spool show')
            reply=(+--tool
                +--event
                --since
                --until
                +--state
                --sent
                --rejected
                --raw
                --json
                --help,-h)
            ;;
        'usagectl spool stats')
            reply=(+--tool
                +--event
                --since
                --until
                +--state
                --json
                --help,-h)
            ;;
        'usagectl spool export')
            reply=(+--tool
                +--event
                --since
                --until
                +--state
                --events
                --force
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl spool purge')
            reply=(+--tool
                +--event
                --since
                --until
                +--state
                --dry-run
                --yes,-y
                --json
                --help,-h)
            ;;
        'usagectl replay')
            reply=(--file
                --to
                +--tool
                +--event
                --since
                --until
                --limit
                --batch-size
                --rejected
                --copy
                --timeout
                --gzip
                --format
                --allow-http
                --dry-run
                --raw
                --yes,-y
                --json
                --help,-h)
            ;;
        'usagectl emit')
            reply=(--json
                --help,-h)
            ;;
        'usagectl emit session')
            reply=(--version
                --is-testing
                --tool
                --api-key-variable
                --session-id
                --strict
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl emit aws_request')
            reply=(--service
                --operation
                --status-code
                --err-type
                --err-msg
                --stack-trace
                --is-internal
                --region
                --account-id
                --user-agent
                --tool
                --session-id
                --strict
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl emit aws_request_agg')
            reply=(--service
                --operation
                --status-code
                --count
                --tool
                --session-id
                --strict
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl emit cli_cmd')
            reply=(--cmd
                +--param
                --version
                --outcome
                --duration-ms
                --tool
                --strict
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl emit run_init')
            reply=(--stage
                --scripts
                --duration
                --tool
                --strict
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl explain')
            reply=(--markdown
                --json
                --help,-h)
            ;;
        'usagectl machine-id')
            reply=(--reveal
                --json
                --help,-h)
            ;;
        'usagectl machine-id show')
            reply=(--reveal
                --json
                --help,-h)
            ;;
        'usagectl machine-id set')
            reply=(--yes,-y
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl reset-machine-id')
            reply=(--yes,-y
                --dry-run
                --reveal
                --json
                --help,-h)
            ;;
        'usagectl cache-dir')
            reply=(--json
                --help,-h)
            ;;
        'usagectl cache-dir set')
            reply=(--dry-run
                --json
                --help,-h)
            ;;
        'usagectl cache-dir unset')
            reply=(--dry-run
                --json
                --help,-h)
            ;;
        'usagectl cache-dir clear')
            reply=(--yes,-y
                --dry-run
                --json
                --help,-h)
            ;;
        'usagectl env')
            reply=(+--tool
                --json
                --help,-h)
            ;;
        'usagectl run')
            reply=(--help,-h)
            ;;
        'usagectl settings')
            reply=(--json
                --help,-h)
            ;;
        'usagectl settings set')
            reply=(--dry-run
                --json
                --help,-h)
            ;;
        'usagectl settings unset')
            reply=(--dry-run
                --json
                --help,-h)
            ;;
        'usagectl completion')
            reply=(--write
                --dry-run
                --json
                --help,-h)
            ;;
        *) return 1 ;;
    esac
}

_usagectl_values() {
    reply=()
    case $1 in
        'usagectl status --expect')
            reply=(choice
                off
                local)
            ;;
        'usagectl status +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl disable +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl enable +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl preview --localstack-version')
            reply=(text)
            ;;
        'usagectl preview 1')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl capture --own')
            reply=(text)
            ;;
        'usagectl capture --allow')
            reply=(text)
            ;;
        'usagectl capture --expect')
            reply=(choice
                none
                notice
                silence)
            ;;
        'usagectl capture --output')
            reply=(file)
            ;;
        'usagectl capture -o')
            reply=(file)
            ;;
        'usagectl capture --summary')
            reply=(file)
            ;;
        'usagectl capture --answer')
            reply=(choice
                on
                off
                error
                hang
                refuse
                slow)
            ;;
        'usagectl capture --bind')
            reply=(text)
            ;;
        'usagectl capture --port')
            reply=(text)
            ;;
        'usagectl capture --grace')
            reply=(text)
            ;;
        'usagectl capture +')
            reply=(command)
            ;;
        'usagectl verify --switch')
            reply=(choice
                telemetry.mode
                telemetry.endpoint
                delivery.format
                localstack.cache_dir
                spool.max_bytes
                spool.max_days)
            ;;
        'usagectl verify --keep')
            reply=(file)
            ;;
        'usagectl verify 1')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl init --command')
            reply=(text)
            ;;
        'usagectl init --endpoint')
            reply=(text)
            ;;
        'usagectl init --output')
            reply=(file)
            ;;
        'usagectl init 1')
            reply=(text)
            ;;
        'usagectl audit --state')
            reply=(choice
                waiting
                sent
                rejected)
            ;;
        'usagectl audit --rule')
            reply=(choice
                UC101
                UC102
                UC103
                UC104
                UC105
                UC106
                UC107
                UC108
                UC109
                UC110
                UC111
                UC112
                UC113
                UC114
                UC201
                UC202
                UC203
                UC301
                UC302
                UC303
                UC304
                UC305
                UC306
                UC401
                UC402
                UC403
                UC404
                UC405
                UC406
                UC501
                UC502
                UC503
                UC504
                UC505)
            ;;
        'usagectl audit --ignore')
            reply=(choice
                UC101
                UC102
                UC103
                UC104
                UC105
                UC106
                UC107
                UC108
                UC109
                UC110
                UC111
                UC112
                UC113
                UC114
                UC201
                UC202
                UC203
                UC301
                UC302
                UC303
                UC304
                UC305
                UC306
                UC401
                UC402
                UC403
                UC404
                UC405
                UC406
                UC501
                UC502
                UC503
                UC504
                UC505)
            ;;
        'usagectl audit --baseline')
            reply=(file)
            ;;
        'usagectl audit --fail-on')
            reply=(choice
                error
                warning
                never)
            ;;
        'usagectl audit --format')
            reply=(choice
                table
                json
                sarif)
            ;;
        'usagectl audit 1')
            reply=(file)
            ;;
        'usagectl report --output')
            reply=(file)
            ;;
        'usagectl report -o')
            reply=(file)
            ;;
        'usagectl report --capture')
            reply=(file)
            ;;
        'usagectl report --expect')
            reply=(choice
                off
                local)
            ;;
        'usagectl report --junit')
            reply=(file)
            ;;
        'usagectl report --sign')
            reply=(file)
            ;;
        'usagectl report --verify')
            reply=(file)
            ;;
        'usagectl report --allowed-signers')
            reply=(file)
            ;;
        'usagectl report --otlp')
            reply=(text)
            ;;
        'usagectl report +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl spool list --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl spool list --event')
            reply=(choice
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl spool list --since')
            reply=(text)
            ;;
        'usagectl spool list --until')
            reply=(text)
            ;;
        'usagectl spool list --state')
            reply=(choice
                waiting
                sent
                rejected)
            ;;
        'usagectl spool list --limit')
            reply=(text)
            ;;
        'usagectl spool show --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl spool show --event')
            reply=(choice
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl spool show --since')
            reply=(text)
            ;;
        'usagectl spool show --until')
            reply=(text)
            ;;
        'usagectl spool show --state')
            reply=(choice
                waiting
                sent
                rejected)
            ;;
        'usagectl spool show +')
            reply=(text)
            ;;
        'usagectl spool stats --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl spool stats --event')
            reply=(choice
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl spool stats --since')
            reply=(text)
            ;;
        'usagectl spool stats --until')
            reply=(text)
            ;;
        'usagectl spool stats --state')
            reply=(choice
                waiting
                sent
                rejected)
            ;;
        'usagectl spool export --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl spool export --event')
            reply=(choice
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl spool export --since')
            reply=(text)
            ;;
        'usagectl spool export --until')
            reply=(text)
            ;;
        'usagectl spool export --state')
            reply=(choice
                waiting
                sent
                rejected)
            ;;
        'usagectl spool export 1')
            reply=(file)
            ;;
        'usagectl spool purge --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl spool purge --event')
            reply=(choice
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl spool purge --since')
            reply=(text)
            ;;
        'usagectl spool purge --until')
            reply=(text)
            ;;
        'usagectl spool purge --state')
            reply=(choice
                waiting
                sent
                rejected)
            ;;
        'usagectl replay --file')
            reply=(file)
            ;;
        'usagectl replay --to')
            reply=(text)
            ;;
        'usagectl replay --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl replay --event')
            reply=(choice
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl replay --since')
            reply=(text)
            ;;
        'usagectl replay --until')
            reply=(text)
            ;;
        'usagectl replay --limit')
            reply=(text)
            ;;
        'usagectl replay --batch-size')
            reply=(text)
            ;;
        'usagectl replay --timeout')
            reply=(text)
            ;;
        'usagectl replay --format')
            reply=(choice
                events
                otlp)
            ;;
        'usagectl emit session --version')
            reply=(text)
            ;;
        'usagectl emit session --tool')
            reply=(text)
            ;;
        'usagectl emit session --api-key-variable')
            reply=(text)
            ;;
        'usagectl emit session --session-id')
            reply=(text)
            ;;
        'usagectl emit aws_request --service')
            reply=(text)
            ;;
        'usagectl emit aws_request --operation')
            reply=(text)
            ;;
        'usagectl emit aws_request --status-code')
            reply=(text)
            ;;
        'usagectl emit aws_request --err-type')
            reply=(text)
            ;;
        'usagectl emit aws_request --err-msg')
            reply=(text)
            ;;
        'usagectl emit aws_request --stack-trace')
            reply=(text)
            ;;
        'usagectl emit aws_request --region')
            reply=(text)
            ;;
        'usagectl emit aws_request --account-id')
            reply=(text)
            ;;
        'usagectl emit aws_request --user-agent')
            reply=(text)
            ;;
        'usagectl emit aws_request --tool')
            reply=(text)
            ;;
        'usagectl emit aws_request --session-id')
            reply=(text)
            ;;
        'usagectl emit aws_request_agg --service')
            reply=(text)
            ;;
        'usagectl emit aws_request_agg --operation')
            reply=(text)
            ;;
        'usagectl emit aws_request_agg --status-code')
            reply=(text)
            ;;
        'usagectl emit aws_request_agg --count')
            reply=(text)
            ;;
        'usagectl emit aws_request_agg --tool')
            reply=(text)
            ;;
        'usagectl emit aws_request_agg --session-id')
            reply=(text)
            ;;
        'usagectl emit cli_cmd --cmd')
            reply=(text)
            ;;
        'usagectl emit cli_cmd --param')
            reply=(text)
            ;;
        'usagectl emit cli_cmd --version')
            reply=(text)
            ;;
        'usagectl emit cli_cmd --outcome')
            reply=(text)
            ;;
        'usagectl emit cli_cmd --duration-ms')
            reply=(text)
            ;;
        'usagectl emit cli_cmd --tool')
            reply=(text)
            ;;
        'usagectl emit run_init --stage')
            reply=(text)
            ;;
        'usagectl emit run_init --scripts')
            reply=(text)
            ;;
        'usagectl emit run_init --duration')
            reply=(text)
            ;;
        'usagectl emit run_init --tool')
            reply=(text)
            ;;
        'usagectl explain 1')
            reply=(choice
                "${_usagectl_tools[@]}"
                DO_NOT_TRACK
                session
                aws_request
                aws_request_agg
                cli_cmd
                run_init
                config
                container_info
                ls_service_provider_assignment
                services_notimplemented
                deprecated_env_usage
                non_prefixed_cli_env_vars
                ls_metrics
                ls:usage_analytics
                cfn_stack_deploy_failures
                lambda:config
                infra_start
                infra_ready
                infra_stop
                ls_shutdown
                lstk_command
                lstk_lifecycle)
            ;;
        'usagectl machine-id show +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl machine-id set 1')
            reply=(text)
            ;;
        'usagectl machine-id set +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl reset-machine-id +')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl cache-dir set 1')
            reply=(folder)
            ;;
        'usagectl env --tool')
            reply=(choice
                "${_usagectl_tools[@]}")
            ;;
        'usagectl env 1')
            reply=(choice
                bash
                zsh
                fish
                powershell
                dotenv
                docker
                compose
                github)
            ;;
        'usagectl run +')
            reply=(command)
            ;;
        'usagectl settings set 1')
            reply=(choice
                telemetry.mode
                telemetry.endpoint
                delivery.format
                localstack.cache_dir
                spool.max_bytes
                spool.max_days)
            ;;
        'usagectl settings set 2')
            reply=(text)
            ;;
        'usagectl settings unset 1')
            reply=(choice
                telemetry.mode
                telemetry.endpoint
                delivery.format
                localstack.cache_dir
                spool.max_bytes
                spool.max_days)
            ;;
        'usagectl completion --write')
            reply=(folder)
            ;;
        'usagectl completion 1')
            reply=(choice
                bash
                zsh
                fish
                powershell)
            ;;
        *) return 1 ;;
    esac
}

_usagectl_details() {
    reply=()
    case $1 in
        'usagectl explain 1')
            reply=(session.metadata.session_id
                session.metadata.client_time
                session.session_id
                session.machine_id
                session.api_key
                session.system
                session.version
                session.is_ci
                session.is_docker
                session.is_testing
                session.product
                session.edition
                session.container_runtime
                aws_request.metadata.session_id
                aws_request.metadata.client_time
                aws_request.service
                aws_request.operation
                aws_request.status_code
                aws_request.err_type
                aws_request.err_msg
                aws_request.stack_trace
                aws_request.is_internal
                aws_request.region
                aws_request.account_id
                aws_request.user_agent
                aws_request_agg.metadata.session_id
                aws_request_agg.metadata.client_time
                aws_request_agg.api_calls
                aws_request_agg.api_calls.service
                aws_request_agg.api_calls.operation
                aws_request_agg.api_calls.status_code
                aws_request_agg.api_calls.count
                aws_request_agg.api_calls.err_type
                aws_request_agg.period_start_time
                aws_request_agg.period_end_time
                cli_cmd.metadata.client_time
                cli_cmd.cmd
                cli_cmd.params
                cli_cmd.version
                cli_cmd.outcome
                cli_cmd.duration_ms
                cli_cmd.metadata.session_id
                cli_cmd.context.ai_agent
                run_init.metadata.client_time
                run_init.stage
                run_init.scripts
                run_init.duration
                run_init.metadata.session_id
                config.metadata.session_id
                config.metadata.client_time
                config.env_vars
                config.set_vars
                container_info.metadata.session_id
                container_info.metadata.client_time
                container_info.variant
                container_info.has_docker_socket
                container_info.container_runtime
                container_info.uname_system
                container_info.uname_release
                container_info.uname_version
                container_info.uname_machine
                ls_service_provider_assignment.metadata.session_id
                ls_service_provider_assignment.metadata.client_time
                ls_service_provider_assignment.payload
                services_notimplemented.metadata.session_id
                services_notimplemented.metadata.client_time
                services_notimplemented.s
                services_notimplemented.a
                services_notimplemented.c
                deprecated_env_usage.metadata.session_id
                deprecated_env_usage.metadata.client_time
                deprecated_env_usage.deprecated_env_vars
                non_prefixed_cli_env_vars.metadata.session_id
                non_prefixed_cli_env_vars.metadata.client_time
                non_prefixed_cli_env_vars.env_vars
                ls_metrics.metadata.session_id
                ls_metrics.metadata.client_time
                ls_metrics.metrics.namespace
                ls_metrics.metrics.name
                ls_metrics.metrics.value
                ls_metrics.metrics.type
                ls_metrics.metrics.schema_version
                ls_metrics.metrics.label_1
                ls_metrics.metrics.label_2
                ls_metrics.metrics.label_3
                ls_metrics.metrics.label_4
                ls_metrics.metrics.label_5
                ls_metrics.metrics.label_6
                ls_metrics.metrics.label_1_value
                ls_metrics.metrics.label_2_value
                ls_metrics.metrics.label_3_value
                ls_metrics.metrics.label_4_value
                ls_metrics.metrics.label_5_value
                ls_metrics.metrics.label_6_value
                ls_metrics.localstack_info.version
                ls_metrics.localstack_info.product
                ls:usage_analytics.metadata.session_id
                ls:usage_analytics.metadata.client_time
                ls:usage_analytics.lambda:hotreload
                ls:usage_analytics.lambda:invokedruntime
                ls:usage_analytics.cloudformation:resourcetype
                ls:usage_analytics.cloudformation:missingresourcetypes
                cfn_stack_deploy_failures.metadata.session_id
                cfn_stack_deploy_failures.metadata.client_time
                cfn_stack_deploy_failures.reason
                cfn_stack_deploy_failures.version
                cfn_stack_deploy_failures.tb
                lambda:config.metadata.session_id
                lambda:config.metadata.client_time
                lambda:config.version
                lambda:config.executor_mode
                lambda:config.default_executor_mode
                infra_start.metadata.session_id
                infra_start.metadata.client_time
                infra_start.apis
                infra_ready.metadata.session_id
                infra_ready.metadata.client_time
                infra_stop.metadata.session_id
                infra_stop.metadata.client_time
                ls_shutdown.metadata.session_id
                ls_shutdown.metadata.client_time
                ls_shutdown.shutdown_time
                ls_shutdown.session_duration_seconds
                lstk_command.metadata.session_id
                lstk_command.metadata.client_time
                lstk_command.environment.lstk_version
                lstk_command.environment.auth_token_id
                lstk_command.environment.machine_id
                lstk_command.environment.os
                lstk_command.environment.arch
                lstk_command.parameters.command
                lstk_command.parameters.subcommand
                lstk_command.parameters.flags
                lstk_command.result.duration_ms
                lstk_command.result.exit_code
                lstk_command.result.error_msg
                lstk_command.os
                lstk_command.arch
                lstk_command.caller_type
                lstk_command.detection_method
                lstk_command.is_ci
                lstk_command.agent_identity
                lstk_command.ci_identity
                lstk_command.machine_id
                lstk_lifecycle.metadata.session_id
                lstk_lifecycle.metadata.client_time
                lstk_lifecycle.event_type
                lstk_lifecycle.environment.lstk_version
                lstk_lifecycle.environment.auth_token_id
                lstk_lifecycle.environment.machine_id
                lstk_lifecycle.environment.os
                lstk_lifecycle.environment.arch
                lstk_lifecycle.emulator
                lstk_lifecycle.image
                lstk_lifecycle.container_id
                lstk_lifecycle.duration_ms
                lstk_lifecycle.pulled
                lstk_lifecycle.localstack_info.version
                lstk_lifecycle.localstack_info.edition
                lstk_lifecycle.localstack_info.is_license_activated
                lstk_lifecycle.localstack_info.session_id
                lstk_lifecycle.localstack_info.machine_id
                lstk_lifecycle.localstack_info.system
                lstk_lifecycle.localstack_info.is_docker
                lstk_lifecycle.localstack_info.server_time_utc
                lstk_lifecycle.localstack_info.uptime
                lstk_lifecycle.error_code
                lstk_lifecycle.error_msg
                lstk_lifecycle.os
                lstk_lifecycle.arch
                lstk_lifecycle.caller_type
                lstk_lifecycle.detection_method
                lstk_lifecycle.is_ci
                lstk_lifecycle.agent_identity
                lstk_lifecycle.ci_identity
                lstk_lifecycle.machine_id)
            ;;
        *) return 1 ;;
    esac
}

complete -F _usagectl usagectl
