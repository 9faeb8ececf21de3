# SPDX-License-Identifier: Apache-2.0
#
# What `make check`, `make lint`, `make bench` and `make accept` do. Included by the Makefile. A folder of tests that
# has rules of its own keeps them in a .mk file inside, and adds what it builds to HOST_TESTS.

HOST_TESTS :=
include $(sort $(wildcard tests/*/*.mk))

.PHONY: host-tests

lint:
	$(Q)tests/lint/run

# tests/check builds what it runs, so that a build that fails is counted as well.
check: deps-test
	@tests/check

# The BPF C compiled as ordinary C against stub helpers, and tested there.
host-tests: $(HOST_TESTS)

# Programs whose stacks are looked at.
DEPS_ACCEPT := g++ wrk strace sqlite3 openssl xz-utils perl postgresql

accept: deps-test
	$(call install_packages,$(DEPS_ACCEPT))
	$(Q)$(MAKE) --no-print-directory all host-tests
	@tests/accept/run

bench: deps-test
	$(call install_packages,bpftrace)
	$(Q)$(MAKE) --no-print-directory all
	@tests/bench/run
