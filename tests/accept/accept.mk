# SPDX-License-Identifier: Apache-2.0
#
# What acceptance scripts run besides hearth itself.

build/accept/%: tests/accept/%.c $(call library,symbolizer) $(call library,base)
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -MF $(B)/accept.$*.d $(LDFLAGS) -o $@ $< \
		$(call library,symbolizer) $(call library,base) $(LDLIBS)
