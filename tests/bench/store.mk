# SPDX-License-Identifier: Apache-2.0
#
# Writes and reads history in bulk; run by tests/bench/store.py.

build/bench/store: tests/bench/store.c $(LIBS)
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBS) $(LDLIBS) -lm
