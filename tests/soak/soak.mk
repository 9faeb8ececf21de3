# SPDX-License-Identifier: Apache-2.0
#
# `make soak DURATION=180`: does anything of the daemon grow while everything around it comes and goes?

DURATION ?= 180

build/soak/churn: tests/soak/churn.c
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu17 -O2 $(WARNINGS) -D_GNU_SOURCE -pthread -o $@ $< -ldl

.PHONY: soak
soak: deps-build
	$(Q)$(MAKE) --no-print-directory build/hearth build/soak/churn build/vm/busy
	$(Q)python3 tests/soak/soak.py --duration $(DURATION)
