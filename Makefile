# SPDX-License-Identifier: Apache-2.0
#
# One Makefile, not recursive. Everything made lies below build/:
#
#   build/hearth            the binary (link to build/release/hearth)
#   build/<variant>/        objects, libraries and tests of a variant: release, asan, coverage, fuzz (clang)
#   build/host/             the BPF C compiled for this machine, for tests and unwind-replay
#   build/bpf/              the BPF C compiled for the kernel
#   build/gen/              generated sources: BPF skeleton, protobuf, version, web assets
#   build/web/              the bundled page
#
# Folders are floors (see ARCHITECTURE.md): each becomes one static library, linked in the order below, so
# that a call upwards does not link. `make help` lists the targets.

VARIANT ?= release
ARCH := $(shell uname -m)
B := build/$(VARIANT)
GEN := build/gen

CC ?= gcc
BPF_CLANG ?= clang
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)

# --- flags -------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough -Werror
CPPFLAGS += -I. -I$(GEN) -D_GNU_SOURCE
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_coverage := -O0 --coverage
# clang's pointer-overflow also objects to NULL + 0, which an empty table is; gcc's does not.
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_coverage := --coverage
LDFLAGS_fuzz := -fsanitize=address,undefined
CFLAGS += -std=gnu17 -g -pthread -fstack-protector-strong -fPIE $(WARNINGS) $(CFLAGS_$(VARIANT))
LDFLAGS += -pie -pthread -Wl,-z,relro,-z,now $(LDFLAGS_$(VARIANT))
# LLVM's C++ demangler as a static library without the rest of C++.
CXXABI := $(firstword $(wildcard /usr/lib/llvm-14/lib/libc++abi.a /usr/lib/llvm-*/lib/libc++abi.a))
LDLIBS := -lbpf -ldw -lelf -liberty -lprotobuf-c -lcurl -lmicrohttpd -lgnutls -lcrypt -lpcre2-8 -lz -lzstd \
	-lseccomp -llzma -lsqlite3 -lyaml -ljansson -lm $(CXXABI)
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I. -I/usr/include/$(ARCH)-linux-gnu \
	-D__TARGET_ARCH_$(if $(filter aarch64,$(ARCH)),arm64,x86)

# --- sources -----------------------------------------------------------------------------------

FLOORS := base symbolizer profiler web server
SOURCES_base := $(wildcard base/*.c)
SOURCES_symbolizer := $(wildcard symbolizer/*.c)
SOURCES_profiler := $(wildcard profiler/*.c)
SOURCES_web := $(wildcard web/*.c)
SOURCES_server := $(wildcard server/*.c server/*/*.c)
MAIN := server/main.c

objects = $(patsubst %.c,$(B)/%.o,$(filter-out $(MAIN),$(SOURCES_$(1))))
library = $(B)/lib$(1).a
# Libraries in link order: the floor above first.
LIBS := $(call library,server) $(call library,web) $(call library,profiler) \
	$(call library,symbolizer) $(call library,base)

BPF_OBJECTS := $(patsubst bpf/%.bpf.c,build/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
SKELETONS := $(patsubst bpf/%.bpf.c,$(GEN)/%.skel.h,$(wildcard bpf/*.bpf.c))
PROTOS := $(wildcard server/*/*.proto)
PROTO_NAMES := $(basename $(notdir $(PROTOS)))
PROTO_OBJECTS := $(PROTO_NAMES:%=$(B)/gen/%.pb-c.o)
PROTO_HEADERS := $(PROTO_NAMES:%=$(GEN)/%.pb-c.h)
GENERATED := $(SKELETONS) $(PROTO_HEADERS) $(GEN)/version.h

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all run check deps lint unit fuzz bench accept vm-check install deb clean help FORCE

all: build/hearth build/host/unwind-replay

build/hearth: $(B)/hearth
	$(Q)ln -sfn $(VARIANT)/hearth $@

$(B)/hearth: $(B)/server/main.o $(LIBS)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# --- compiling ---------------------------------------------------------------------------------

define floor_rule
$(call library,$(1)): $(call objects,$(1)) $(EXTRA_$(1))
	$$(Q)mkdir -p $$(@D)
	$(call say,AR,$$@)rm -f $$@ && ar rcs $$@ $$^
endef

EXTRA_server = $(PROTO_OBJECTS)
EXTRA_web = $(B)/web/assets_data.o
$(foreach floor,$(FLOORS),$(eval $(call floor_rule,$(floor))))

$(B)/%.o: %.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Generated C is not held to our warnings.
$(B)/gen/%.o: $(GEN)/%.c
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(filter-out $(WARNINGS),$(CFLAGS)) -c -o $@ $<

# --- generated ---------------------------------------------------------------------------------

build/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h)
	$(Q)mkdir -p $(@D)
	$(call say,BPF,$<)$(BPF_CLANG) $(BPF_CFLAGS) -c -o $@.tmp $< && llvm-strip -g $@.tmp && mv $@.tmp $@

$(GEN)/%.skel.h: build/bpf/%.bpf.o
	$(Q)mkdir -p $(@D)
	$(call say,SKEL,$@)bpftool gen skeleton $< name $*_bpf > $@

define proto_rule
$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: $(1)%.proto
	$$(Q)mkdir -p $$(@D)
	$$(call say,PROTO,$$<)protoc-c --proto_path=$(1) --c_out=$$(GEN) $$<
endef
$(foreach folder,$(sort $(dir $(PROTOS))),$(eval $(call proto_rule,$(folder))))

# Rewritten only when its content changes, so that it does not rebuild the world.
$(GEN)/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define HEARTH_VERSION "%s"\n#define HEARTH_REVISION "%s"\n' \
		"$$(cat VERSION)" "$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" > $@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# --- the page ----------------------------------------------------------------------------------

WEB_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) web/build.mjs web/package.json

# build.mjs bundles, compresses and writes assets_data.S, which holds every file with .incbin.
build/web/assets_data.S: $(WEB_SOURCES) | web/node_modules/.installed
	$(call say,WEB,$@)cd web && node build.mjs ../build/web

$(B)/web/assets_data.o: build/web/assets_data.S
	$(Q)mkdir -p $(@D)
	$(call say,AS,$<)$(CC) -c -o $@ $<

web/node_modules/.installed: web/package.json web/package-lock.json
	$(call say,NPM,web)cd web && npm ci --no-audit --no-fund --silent && touch node_modules/.installed

# --- installing what is needed -----------------------------------------------------------------

DEPS_BUILD := gcc make libc6-dev pkg-config git ca-certificates clang llvm libbpf-dev bpftool libelf-dev \
	libdw-dev liblzma-dev libiberty-dev protobuf-c-compiler libprotobuf-c-dev \
	libc++abi-14-dev libmicrohttpd-dev libpcre2-dev libxxhash-dev libseccomp-dev zlib1g-dev libzstd-dev \
	libsqlite3-dev libcurl4-gnutls-dev libgnutls28-dev libcrypt-dev libyaml-dev libjansson-dev
DEPS_TEST := clang-format libcmocka-dev python3 curl golang-go llvm binutils elfutils gdb linux-perf \
	chromium libc6-dbg openjdk-17-dbg openjdk-17-jre-headless stress-ng rustc libclang-rt-14-dev

# Debian's nodejs where no other node is there already.
node_package = $(shell command -v npm >/dev/null 2>&1 || echo nodejs npm)

define install_packages
	$(Q)missing=""; for p in $(1); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "  APT     $$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

.PHONY: deps-build deps-test
deps-build:
	$(call install_packages,$(DEPS_BUILD) $(node_package))
	$(Q)$(MAKE) -s --no-print-directory web/node_modules/.installed

deps-test: deps-build
	$(call install_packages,$(DEPS_TEST))
	$(Q)$(MAKE) -s --no-print-directory tests/node_modules/.installed

tests/node_modules/.installed: tests/package.json tests/package-lock.json
	$(call say,NPM,tests)cd tests && npm ci --no-audit --no-fund --silent && touch node_modules/.installed

deps: deps-test

# --- running -----------------------------------------------------------------------------------

ARGS ?=
run: deps-build
	$(Q)$(MAKE) --no-print-directory all
	exec build/hearth serve $(ARGS)

# --- tests -------------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))

$(B)/unit/%: tests/unit/%.c $(LIBS) | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(call say,TEST,$<)$(CC) $(CPPFLAGS) -Itests -Ibuild/gen $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(LIBS) $(LDLIBS) -lcmocka

unit: $(UNIT_TESTS)

include tests/tests.mk
-include $(shell find $(B) -name '*.d' 2>/dev/null)

# --- the rest ----------------------------------------------------------------------------------

include deploy/deploy.mk

clean:
	rm -rf build

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '2,14p'
	@echo 'targets: all run check deps lint unit verify bench accept fuzz install clean (VARIANT=release|asan|coverage, V=1)'

FORCE:
