# SPDX-License-Identifier: Apache-2.0
#
# What the live tests run: window-dump, the profiler without a server, and burn, which uses up CPU time.

HOST_TESTS += build/host/window-dump

build/host/window-dump: $(B)/tests/live/window_dump.o $(LIBS)
	$(Q)mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# How much of its limit the kernel's verifier needs for each variant of the program; as root.
.PHONY: verify
verify: build/host/window-dump
	@tests/live/verify
