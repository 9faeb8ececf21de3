# SPDX-License-Identifier: Apache-2.0
#
# Writes history in bulk; run by tests/bench/store.py.

STORE_HISTORY := $(wildcard tests/bench/store_history/*.c)

build/bench/store-history: $(STORE_HISTORY) $(wildcard tests/bench/store_history/*.h) $(LIBS)
	$(Q)mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(STORE_HISTORY) $(LIBS) $(LDLIBS) -lm
