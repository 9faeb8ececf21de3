# SPDX-License-Identifier: Apache-2.0
#
# The sampler's BPF C compiled for this machine against stub helpers, under ASan and UBSan.

SAMPLER_TESTS := $(patsubst tests/host_bpf/%.c,build/host/%,$(wildcard tests/host_bpf/test_sampler*.c))
HOST_TESTS += $(SAMPLER_TESTS)

$(SAMPLER_TESTS): build/host/%: tests/host_bpf/%.c $(wildcard bpf/*.[ch] tests/host_bpf/*.h tests/host_bpf/stubs/bpf/*.h)
	$(Q)mkdir -p $(@D)
	$(call say,HOST,$<)$(CC) -Itests/host_bpf/stubs $(CPPFLAGS) -Itests -D__TARGET_ARCH_x86 -std=gnu17 -g -O1 \
		$(WARNINGS) $(CFLAGS_asan) -o $@ $< -lcmocka
