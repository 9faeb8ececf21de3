# SPDX-License-Identifier: Apache-2.0
#
# What `make check`, `make lint`, `make bench` and `make accept` do. Included by the Makefile.

lint:
	$(Q)tests/lint/run

check: deps-test
	$(Q)$(MAKE) --no-print-directory all unit
	$(Q)$(MAKE) --no-print-directory VARIANT=asan build/asan/hearth unit
	$(Q)tests/check

# The BPF C compiled as ordinary C against stub helpers (tests/host_bpf).
build/host/unwind-replay:
	@true
