# SPDX-License-Identifier: Apache-2.0
#
# unwind-replay: the kernel's unwinder compiled for this machine, over recorded threads.

UNWIND_REPLAY_OBJECTS := $(patsubst %.c,$(B)/%.o,tests/host/unwind_replay.c tests/host/unwind_recording.c \
	tests/host/unwind_user.c)

build/host/unwind-replay: $(UNWIND_REPLAY_OBJECTS) $(call library,symbolizer) $(call library,base)
	$(Q)mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
