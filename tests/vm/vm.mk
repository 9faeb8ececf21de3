# SPDX-License-Identifier: Apache-2.0
#
# `make vm-check`: Debian's kernels 5.10, 6.1 and 6.12 under emulation (VM_ARGS="--kernel 5.10 --check serve" narrows).
# Included by tests/tests.mk.

DEPS_VM := qemu-system-x86 busybox-static debian-archive-keyring
VM_PROGRAMS := $(patsubst tests/vm/guest/%.c,build/vm/%,$(wildcard tests/vm/guest/*.c))

# Static, so that nothing of this machine is needed where they run.
build/vm/%: tests/vm/guest/%.c
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu17 -O2 -g $(WARNINGS) -D_GNU_SOURCE -static -o $@ $<

.PHONY: deps-vm
deps-vm: deps-build
	$(call install_packages,$(DEPS_VM))

vm-check: deps-vm
	$(Q)$(MAKE) --no-print-directory build/hearth $(VM_PROGRAMS)
	$(Q)python3 tests/vm/vm_check.py $(VM_ARGS)
