#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# The checks, one function each: `checks.sh NAME`. Status 0 = passed; the last line printed is the detail that the
# table shows. Runs inside a guest, and, for the checks that change nothing, on the machine itself.
# Needs in PATH: hearth, probe, busy, fetch, runas and busybox applets.

scratch=${SCRATCH:-/tmp}/check.$1
rm -rf "$scratch"
mkdir -p "$scratch" && cd "$scratch" || exit 1

# as_service COMMAND...: with the rights of deploy/hearth.service.
as_service() {
	ulimit -l unlimited 2>/dev/null
	runas 1000 bpf,perfmon,sys_ptrace,checkpoint_restore,dac_read_search,syslog "$@"
}

fail() {
	echo "$*"
	exit 1
}

# samples FILE PATTERN: how many samples the lines of folded text that match carry.
samples() {
	grep -E "$2" "$1" | awk '{ n += $NF } END { print n + 0 }'
}

# one_line_error STATUS FILE WORD: the documented way to fail: status 1 and one line that says what and why.
one_line_error() {
	[ "$1" = 1 ] || fail "status $1 instead of 1: $(tail -n 1 "$2")"
	[ "$(wc -l <"$2")" = 1 ] || fail "$(wc -l <"$2") lines on stderr instead of one: $(head -n 2 "$2" | tr '\n' '|')"
	grep -q '^hearth: ' "$2" || fail "the line does not begin with 'hearth: ': $(cat "$2")"
	grep -qiE "$3" "$2" || fail "the line does not mention '$3': $(cat "$2")"
	cat "$2"
}

# busy_profile FILE COMM LEAST: FILE holds the functions of busy under COMM, in their places, in their shares.
busy_profile() {
	all=$(samples "$1" "^$2;")
	heavy=$(samples "$1" "^$2;.*main;work_outer;work_heavy[; ]")
	light=$(samples "$1" "^$2;.*main;work_outer;work_light[; ]")
	grep -E "^$2;" "$1" | head -n 20
	[ "$heavy" -ge "$3" ] || fail "$heavy samples in work_heavy, at least $3 expected; $all samples of $2 in all"
	[ $((heavy * 10)) -ge $((light * 20)) ] && [ $((heavy * 10)) -le $((light * 45)) ] ||
		fail "work_heavy : work_light is $heavy : $light instead of 3 : 1"
	[ $(((heavy + light) * 100)) -ge $((all * 90)) ] ||
		fail "only $((heavy + light)) of $all samples below main;work_outer"
	echo "$heavy : $light of $all samples"
}

# balance FILE COMM SECONDS: the samples of COMM stand for the CPU time it got, at 99 Hz, give or take a tenth.
balance() {
	wanted=$(awk -v s="$3" 'BEGIN { printf "%d", s * 99 }')
	got=$(samples "$1" "^$2;")
	# An emulated machine that has to wait for its host counts time in which no tick could come.
	least=9
	[ ! -e /opt/checks.sh ] || least=4
	[ $((got * 10)) -ge $((wanted * least)) ] && [ $((got * 10)) -le $((wanted * 11)) ] ||
		fail "$got samples for $3 s of CPU time, $wanted expected"
	echo "$got samples for $3 s of CPU time; $heavy : $light of the functions"
}

# --- the machine itself

check_probe() {
	probe 1
}

# Nothing in the kernel's log that it would not print by itself on an idle machine.
check_kernel_log() {
	dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|soft lockup|hung task|rcu.*stall|Call Trace' >bad
	[ ! -s bad ] || { dmesg | tail -n 80; fail "$(head -n 1 bad)"; }
	echo "$(dmesg | wc -l) lines, nothing bad"
}

# --- hearth on it

check_doctor() {
	hearth doctor >out || { cat out; fail "status $?"; }
	cat out
	for row in 'kernel types' 'BPF programs' 'perf_event_open' 'capabilities' 'kernel symbols'; do
		grep -q "^ok  *$row" out || fail "not ok: $(grep "$row" out)"
	done
	grep -q '^FAIL' out && fail "$(grep '^FAIL' out | head -n 1)"
	tail -n 1 out
}

check_record_busy() {
	hearth record --format folded -o out.folded -- busy 3 >cpu || fail "status $?"
	busy_profile out.folded busy 30
	balance out.folded busy "$(sed 's/.*cpu //' cpu)"
}

check_record_pid() {
	busy 60 &
	busy=$!
	sleep 1
	hearth record -p $busy -d 3 --format folded -o out.folded || fail "status $?"
	kill $busy
	other=$(grep -vc '^busy;' out.folded)
	[ "$other" = 0 ] || fail "$other lines of other processes"
	busy_profile out.folded busy 30
}

check_record_machine() {
	busy 60 &
	busy=$!
	hearth record -d 4 --format folded -o out.folded || fail "status $?"
	kill $busy
	busy_profile out.folded busy 30
}

check_record_status() {
	hearth record --format folded -o out.folded -- sh -c 'busy 0.2; exit 7'
	status=$?
	[ $status = 7 ] || fail "status $status instead of the command's 7"
	echo "status 7 handed on"
}

# Kernel frames have names: a program that lives in the kernel.
check_record_kernel() {
	hearth record --format folded -o out.folded -- timeout 3 dd if=/dev/zero of=/dev/null bs=4M
	sort -t' ' -k2 out.folded | head -n 30
	all=$(samples out.folded '^dd;')
	named=$(samples out.folded '^dd;.*_\[k\]( |;)')
	[ "$named" -ge 50 ] || fail "$named samples of dd with kernel frames, $all in all"
	grep -E '^dd;' out.folded | grep -qE '(vfs_read|ksys_read|read_zero|do_syscall_64|clear_user|read_iter_zero)' ||
		fail "no known kernel function on the way of read(2)"
	echo "$named of $all samples carry named kernel frames"
}

# Processes that live 50 ms: every one of them has names.
check_record_short() {
	hearth record --format folded -o out.folded -- \
		sh -c 'i=0; while [ $i -lt 40 ]; do busy 0.05; i=$((i + 1)); done' >/dev/null || fail "status $?"
	all=$(samples out.folded '^busy;')
	named=$(samples out.folded '^busy;.*main;work_outer;')
	grep -E '^busy;' out.folded | grep -v work_outer | head -n 20
	[ "$named" -ge 40 ] || fail "$named samples named below main;work_outer, $all of busy in all"
	[ $((named * 100)) -ge $((all * 60)) ] || fail "only $named of $all samples named below main;work_outer"
	echo "$named of $all samples of 40 processes below main;work_outer"
}

check_record_pprof() {
	hearth record -o out.pb.gz -- busy 1 || fail "status $?"
	gzip -dc out.pb.gz >out.pb || fail "not gzip"
	grep -q work_heavy out.pb || fail "work_heavy is not in its strings"
	echo "$(wc -c <out.pb.gz) bytes of gzipped pprof"
}

serve_start() {
	hearth serve --listen 127.0.0.1:17987 --data-dir "$scratch/data" --frequency 99 "$@" >serve.log 2>&1 &
	server=$!
	tries=0
	trap 'kill $server 2>/dev/null' EXIT
	until fetch 17987 /readyz >ready 2>&1; do
		kill -0 $server 2>/dev/null || fail "serve ended: $(tail -n 1 serve.log)"
		tries=$((tries + 1))
		[ $tries -lt 120 ] || fail "not ready after 60 s: $(tail -n 1 serve.log)"
		sleep 0.5
	done
}

serve_stop() {
	kill -TERM $server
	wait $server
	status=$?
	[ $status = 0 ] || fail "serve ended with status $status on SIGTERM: $(tail -n 1 serve.log)"
}

get() {
	fetch 17987 "$1" >"$2" || fail "GET $1 failed"
}

# Until the symbol files of what was seen are made, which takes an emulated machine a while.
wait_symbols() {
	tries=0
	until get /metrics metrics && grep -q '^hearth_symbol_queue_length 0' metrics; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "symbol files are not made after a minute: $(grep queue_length metrics | tail -n 1)"
		sleep 1
	done
}

check_serve() {
	serve_start
	busy 3 >/dev/null
	sleep 1
	wait_symbols
	get '/api/v1/query?format=folded&from=now-1m&query=%7Bcomm%3D%22busy%22%7D' out.folded
	get /metrics metrics
	get / page
	busy 60 >/dev/null &
	busy=$!
	sleep 1
	wait_symbols
	get '/debug/pprof/profile?seconds=4' out.pb.gz
	kill $busy
	serve_stop
	cat serve.log
	for name in build_info samples_total samples_lost_total unwind_total bpf_map_bytes store_bytes http_requests_total; do
		grep -q "^hearth_$name" metrics || fail "/metrics has no hearth_$name"
	done
	grep -q '<html' page || fail "/ is no page"
	busy_profile out.folded busy 30
	gzip -dc out.pb.gz >out.pb || fail "/debug/pprof/profile is not gzip: $(wc -c <out.pb.gz) bytes"
	grep -q work_heavy out.pb || fail "work_heavy is not in the $(wc -c <out.pb) bytes of /debug/pprof/profile"
}

# The second CPU leaves and comes back while Hearth samples; what runs on it afterwards is seen.
check_hotplug() {
	switch=/sys/devices/system/cpu/cpu1/online
	[ -w $switch ] || fail "no second CPU to switch off"
	cp "$(command -v busy)" ./before
	cp "$(command -v busy)" ./between
	cp "$(command -v busy)" ./after
	hearth record -d 24 --format folded -o out.folded &
	recorder=$!
	sleep 4
	./before 4 1
	echo 0 >$switch || fail "CPU 1 would not go offline"
	./between 3
	echo 1 >$switch || fail "CPU 1 would not come back"
	sleep 1
	./after 4 1
	wait $recorder || fail "record ended with status $?"
	for comm in before between after; do
		(busy_profile out.folded $comm 30) >"$comm.txt" || fail "$comm: $(tail -n 1 "$comm.txt")"
	done
	echo "before: $(tail -n 1 before.txt), one CPU: $(tail -n 1 between.txt), after: $(tail -n 1 after.txt)"
}

# --- what a machine may forbid

check_paranoid_root() {
	sysctl -w kernel.perf_event_paranoid=3
	hearth record --format folded -o out.folded -- busy 2
	status=$?
	sysctl -w kernel.perf_event_paranoid=2
	[ $status = 0 ] || fail "status $status"
	busy_profile out.folded busy 30
}

# Debian refuses CAP_PERFMON at level 3: the error has to say so, since nothing else about it is visible.
check_paranoid_service() {
	chmod 777 .
	sysctl -w kernel.perf_event_paranoid=3
	as_service hearth record --format folded -o out.folded -- busy 1 2>error
	status=$?
	sysctl -w kernel.perf_event_paranoid=2
	one_line_error $status error perf_event_paranoid
}

# The service's rights are enough at level 2, which the package sets.
check_service_rights() {
	chmod 777 .
	[ ! -e /opt/checks.sh ] || sysctl -w kernel.perf_event_paranoid=2
	as_service hearth record --format folded -o out.folded -- busy 2 || fail "status $?"
	busy_profile out.folded busy 30
}

check_no_rights() {
	chmod 777 .
	runas 1000 none hearth record --format folded -o out.folded -- busy 1 2>error
	one_line_error $? error 'CAP_|root|permission|not permitted'
}

check_no_rights_doctor() {
	runas 1000 none hearth doctor >out
	status=$?
	cat out
	[ $status = 1 ] || fail "status $status instead of 1"
	grep -qE 'CAP_|root' out || fail "the remedy does not mention the missing rights"
	echo "status 1, names the missing rights"
}

check_no_btf() {
	: >empty
	mount --bind empty /sys/kernel/btf/vmlinux || fail "could not hide BTF"
	hearth record --format folded -o out.folded -- busy 1 2>error
	status=$?
	umount /sys/kernel/btf/vmlinux
	one_line_error $status error BTF
}

# Lockdown for confidentiality forbids reading the kernel: profiling may go on without, or must say why not.
check_lockdown() {
	cat /sys/kernel/security/lockdown
	grep -q '\[confidentiality\]' /sys/kernel/security/lockdown || fail "the kernel is not locked down"
	hearth record --format folded -o out.folded -- busy 2 2>error
	status=$?
	cat error
	if [ $status = 0 ]; then
		busy_profile out.folded busy 30
	else
		one_line_error $status error lockdown
	fi
}

# An hour in a minute: processes, threads and a CPU come and go; nothing the daemon holds stays with them.
check_churn() {
	serve_start
	switch=/sys/devices/system/cpu/cpu1/online
	for round in 1 2 3 4 5 6; do
		i=0
		while [ $i -lt 60 ]; do
			busy 0.01 >/dev/null
			i=$((i + 1))
		done
		echo 0 >$switch
		busy 0.5 >/dev/null
		echo 1 >$switch
		sleep 1
		files=$(ls /proc/$server/fd | wc -l)
		threads=$(ls /proc/$server/task | wc -l)
		echo "round $round: $files files, $threads threads, $(sed -n 's/^VmRSS:[ 	]*//p' /proc/$server/status)"
		[ $round != 2 ] || { early_files=$files; early_threads=$threads; }
	done
	get /metrics metrics
	serve_stop
	grep -E 'cpus|lost' metrics
	grep -q '^hearth_cpus_sampled 2' metrics || fail "$(grep cpus_sampled metrics) after the CPU came back"
	held="files $early_files -> $files, threads $early_threads -> $threads from round 2 to round 6"
	[ "$files" -le $((early_files + 2)) ] && [ "$threads" -le "$early_threads" ] || fail "$held"
	echo "$held"
}

check_integrity() {
	grep -q '\[integrity\]' /sys/kernel/security/lockdown || fail "the kernel is not locked down"
	check_record_busy
}

"check_$1"
