# SPDX-License-Identifier: Apache-2.0
#
# `make deploy-check`: the unit, the man page, the alert rules, and the package in a Debian 12 of its own: installed, upgraded,
# removed and purged, and run by its systemd in an emulated machine.

DEPS_DEPLOY := debootstrap systemd mandoc prometheus lintian

.PHONY: deploy-check
deploy-check: deps-vm
	$(call install_packages,$(DEPS_DEPLOY))
	$(Q)$(MAKE) --no-print-directory deb build/vm/busy build/vm/fetch
	$(Q)python3 tests/deploy/deploy_check.py $(DEPLOY_ARGS)
