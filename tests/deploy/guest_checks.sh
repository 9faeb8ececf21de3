#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# Inside a Debian 12 with the package installed, run by systemd: does the service work with the rights the unit leaves
# it? One line a check on the second serial port, as in tests/vm.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
get="/opt/fetch 7979"
cd /run || exit 1

# answer NAME STATUS DETAIL
answer() {
	verdict=ok
	[ "$2" = 0 ] || verdict=FAIL
	echo "CHECK $1 $verdict $(echo "$3" | tr '\n' ' ' | cut -c 1-400)" >/dev/ttyS1
}

property() {
	systemctl show hearth -p "$1" --value
}

tries=0
until $get /readyz >ready || [ $tries = 60 ] || [ "$(property ActiveState)" = failed ]; do
	tries=$((tries + 1))
	sleep 1
done
journalctl -u hearth --no-pager
systemctl status hearth --no-pager
main=$(property MainPID)

[ "$(property ActiveState)/$(property SubState)" = active/running ]
answer service_active $? "$(property ActiveState)/$(property SubState), $(property StatusText)"
[ -s ready ]
answer service_ready $? "$(head -c 200 ready)"
[ "$(property NRestarts)" = 0 ]
answer service_restarts $? "$(property NRestarts) restarts"
[ "$(stat -c %U "/proc/$main")" = hearth ]
answer service_user $? "runs as $(stat -c %U "/proc/$main")"
grep -q '^CapEff:.*000001c400080004$' "/proc/$main/status"
answer service_capabilities $? "$(grep CapEff "/proc/$main/status")"
[ "$(cat /proc/sys/kernel/perf_event_paranoid)" = 2 ]
answer sysctl $? "perf_event_paranoid $(cat /proc/sys/kernel/perf_event_paranoid)"

/opt/busy 4 >/dev/null
$get "/api/v1/query?format=folded&from=now-1m" >folded || echo "no answer"
grep '^busy;' folded | head -n 20
named=$(grep -c '^busy;.*main;work_outer;work_heavy' folded)
[ "$named" -ge 1 ]
answer names_user $? "$(grep -m 1 'work_heavy' folded)"
[ "$(grep -c '_\[k\]' folded)" -ge 3 ]
answer names_kernel $? "$(grep -c '_\[k\]' folded) stacks with kernel names"
$get /metrics >metrics
grep -q '^hearth_samples_total' metrics
answer metrics $? "$(grep -c '^hearth_' metrics) series"
# Symbol files are made by a worker process: it has to run below the unit's seccomp filter and limits.
grep '^hearth_symbol_worker_total' metrics
[ -n "$(ls -A /var/lib/hearth)" ]
answer state_directory $? "$(ls /var/lib/hearth | tr '\n' ' ')"

score=$(systemd-analyze security --no-pager hearth | sed -n 's/.*exposure level for hearth.service: \([0-9.]*\).*/\1/p')
echo "$score" | grep -qE '^([0-2]\.[0-9]|3\.0)$'
answer exposure $? "systemd-analyze security: $score"

systemctl restart hearth
answer service_restart $? "$(property ActiveState)/$(property SubState)"
systemctl stop hearth
[ "$(property Result)" = success ] && [ "$(property ExecMainStatus)" = 0 ]
answer service_stop $? "$(property Result), status $(property ExecMainStatus)"
echo "CHECK end ok" >/dev/ttyS1
