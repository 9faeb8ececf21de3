# SPDX-License-Identifier: Apache-2.0
# Bash completion of hearth(1).

_hearth() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
	local words="" i

	# Behind `record ... --` stands a command of its own.
	if [[ $command == record ]]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			[[ ${COMP_WORDS[i]} == -- ]] || continue
			if ((i + 1 == COMP_CWORD)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$current")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$current")
			fi
			return
		done
	fi
	if ((COMP_CWORD == 1)); then
		words="serve record query symbolize inspect doctor version --help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
		return
	fi

	case $previous in
	--format)
		words="pprof folded speedscope html"
		[[ $command == query ]] && words+=" top flamegraph"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
		return
		;;
	-p | --pid)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$current")
		return
		;;
	--data-dir | --cache-dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		return
		;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$current")
		return
		;;
	--store)
		mapfile -t COMPREPLY < <(compgen -W "sqlite memory" -- "$current")
		return
		;;
	-o | --output | --binary | --debug-file | --config | --cacert | --web-config | --token-file | --push-*-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	-F | --frequency | -d | --duration | --listen | --bpf-memory | --cpu-budget | --retention | --label | --disk | --query-memory | \
		--query-timeout | --query-range | --hub-rate | --push | --spool | --server | --from | --to)
		return
		;;
	esac

	case $command in
	serve)
		words="--config --check-config --print-config --listen --insecure --data-dir --store --disk --retention
			--frequency --bpf-memory --cpu-budget --no-sampling --label --query-memory --query-timeout --query-range --log-level
			--web-config --token-file --hub --hub-rate --push --push-token-file --push-ca-file --push-cert-file
			--push-key-file --spool"
		;;
	record) words="-F -d -p -o --frequency --duration --pid --output --format --" ;;
	query) words="--server --from --to --format -o --output --cacert" ;;
	symbolize) words="--binary --debug-file --cache-dir" ;;
	inspect) words="--unwind --symbols --info" ;;
	doctor) words="--data-dir" ;;
	esac
	if [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$current")
	elif [[ $command == inspect ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

complete -o filenames -F _hearth hearth
