# SPDX-License-Identifier: Apache-2.0
#
# `make install` and `make deb`. Included by the Makefile.

PREFIX ?= /usr
SYSCONFDIR ?= /etc
DATA := install -D -m 644

install: all
	install -D -m 755 build/release/hearth $(DESTDIR)$(PREFIX)/bin/hearth
	$(DATA) deploy/man/hearth.1 $(DESTDIR)$(PREFIX)/share/man/man1/hearth.1
	$(DATA) deploy/completion/hearth.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hearth
	test -e $(DESTDIR)$(SYSCONFDIR)/hearth/hearth.yaml || $(DATA) deploy/hearth.yaml $(DESTDIR)$(SYSCONFDIR)/hearth/hearth.yaml
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/bin/hearth|$(PREFIX)/bin/hearth|' deploy/hearth.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/hearth.service
	$(DATA) deploy/sysctl/50-hearth.conf $(DESTDIR)$(PREFIX)/lib/sysctl.d/50-hearth.conf
	$(DATA) deploy/sysusers/hearth.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/hearth.conf
	$(DATA) deploy/prometheus/alerts.yaml $(DESTDIR)$(PREFIX)/share/hearth/prometheus/alerts.yaml
	$(DATA) deploy/grafana/hearth.json $(DESTDIR)$(PREFIX)/share/hearth/grafana/hearth.json

# The package is built from a copy of the tracked files, so that nothing of this tree is changed and nothing
# untracked gets in. The page's build tools come along by hard link: no network.
DEB := build/deb/hearth-$(shell cat VERSION)
DEPS_DEB := debhelper dpkg-dev fakeroot lintian
deb: deps-build
	$(call install_packages,$(DEPS_DEB))
	@grep -q "^hearth ($$(cat VERSION))" deploy/debian/changelog || \
		{ echo "deploy/debian/changelog does not begin with version $$(cat VERSION)"; exit 1; }
	$(Q)rm -rf build/deb && mkdir -p $(DEB)
	$(Q)git ls-files -z | xargs -0 cp -p --parents -t $(DEB)
	$(Q)cp -al web/node_modules $(DEB)/web/node_modules && touch $(DEB)/web/node_modules/.installed
	$(Q)cp -r deploy/debian $(DEB)/debian
	$(Q)cp deploy/hearth.service $(DEB)/debian/hearth.service
	$(Q)cp deploy/sysusers/hearth.conf $(DEB)/debian/hearth.sysusers
	$(call say,DEB,$(DEB))cd $(DEB) && env -u MAKEFLAGS -u MFLAGS dpkg-buildpackage -b -us -uc -d > ../build.log 2>&1 || \
		{ tail -40 ../build.log; exit 1; }
	$(Q)lintian --fail-on error build/deb/hearth_*.changes
	@ls build/deb/*.deb
