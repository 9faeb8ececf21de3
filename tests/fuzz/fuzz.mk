# SPDX-License-Identifier: Apache-2.0
#
# `make fuzz` runs every target of tests/fuzz for FUZZ_SECONDS (libFuzzer, ASan, UBSan; needs clang), from the kept
# corpus and what earlier runs found (build/fuzz/corpus); FUZZ_TARGETS="symbuild params" picks some. What makes one
# fail is left in build/fuzz/crashes. `make check` replays the kept corpus with the compiler of the release.

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_TARGETS ?= $(FUZZ_NAMES)
FUZZ_SECONDS ?= 20
FUZZ_REPLAYS := $(patsubst %,$(B)/fuzz/replay_%,$(FUZZ_NAMES))
FUZZ_INCLUDES := -Itests -Ibuild/gen

$(B)/fuzz/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c tests/fuzz/sink.c tests/fuzz/fuzz.h $(LIBS) | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(call say,FUZZ,$<)$(CC) $(CPPFLAGS) $(FUZZ_INCLUDES) $(CFLAGS) $(LDFLAGS) -o $@ \
		$(filter tests/fuzz/%.c,$^) $(LIBS) $(LDLIBS)

$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/sink.c tests/fuzz/fuzz.h $(LIBS) | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(call say,FUZZ,$<)$(CC) $(CPPFLAGS) $(FUZZ_INCLUDES) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ \
		$(filter tests/fuzz/%.c,$^) $(LIBS) $(LDLIBS)

.PHONY: fuzz-replays fuzz-targets
fuzz-replays: $(FUZZ_REPLAYS)
fuzz-targets: $(patsubst %,$(B)/fuzz/fuzz_%,$(FUZZ_TARGETS))

fuzz: deps-test
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-targets
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)
