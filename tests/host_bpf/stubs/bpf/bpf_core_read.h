/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libbpf's header when BPF C is compiled for this machine: kernel structures are structures of the
 * test, and reading them is reading them.
 */
#ifndef HEARTH_TESTS_HOST_BPF_STUBS_BPF_BPF_CORE_READ_H
#define HEARTH_TESTS_HOST_BPF_STUBS_BPF_BPF_CORE_READ_H

#define BPF_CORE_READ(object, field) ((object)->field)
#define BPF_CORE_READ_INTO(to, object, field) \
	__builtin_memcpy((to), &(object)->field, sizeof((object)->field))

#endif
