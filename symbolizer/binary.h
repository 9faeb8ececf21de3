/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary: one executable file (or kernel, vDSO, piece of JIT code) that frames point into.
 *
 * Frames are stored as (binary, address in the binary's own address space), so that equal code in different
 * processes is equal. Two binaries with the same build id are the same code wherever their files lie.
 *
 * Invariants: everything but the reference count is immutable after create; a detached binary opens its file once.
 * Thread rule: any thread may use, ref and unref.
 */
#ifndef HEARTH_SYMBOLIZER_BINARY_H
#define HEARTH_SYMBOLIZER_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_BYTES_MAX 64
#define BUILD_ID_HEX_MAX   (2 * BUILD_ID_BYTES_MAX + 1) /* with the NUL */

/** Identity of a binary's code. */
struct build_id {
	uint8_t length; /* bytes in use; 0 = there is none */
	uint8_t bytes[BUILD_ID_BYTES_MAX];
};

enum binary_kind {
	BINARY_ELF,    /* a file; addresses are ELF vaddrs */
	BINARY_KERNEL, /* kernel image, a module or BPF program; addresses are runtime addresses */
	BINARY_VDSO,   /* the vDSO; addresses are ELF vaddrs in its image */
	BINARY_ANON, /* executable memory without a file (JIT); runtime addresses of one process */
	BINARY_UNKNOWN, /* no mapping covered the address; runtime addresses */
};

/** One PT_LOAD segment with PF_X, or any PT_LOAD: what maps file offsets to addresses. */
struct binary_segment {
	uint64_t offset; /* p_offset */
	uint64_t vaddr;	 /* p_vaddr */
	uint64_t file_bytes;
	uint64_t memory_bytes;
	bool executable;
};

struct binary;

/**
 * Make a binary of an open ELF file: reads its header, segments and build id.
 *
 * @fd: takes ownership on success; kept open so that a deleted file stays readable
 * @path: path to show, as the process sees it; copied; " (deleted)" already stripped
 * @root_pid: a process in whose /proc/PID/root separate debug files may lie; 0 = only the host's
 * @ret: on success one reference, drop with binary_unref()
 *
 * A GNU build id is taken as it is, Go's own build id hashed. A file without either gets an id made from the hash
 * of its size, its first and last 4 KiB and its first 64 KiB of code, and binary_has_build_id() says false.
 *
 * Returns 0; -ENOEXEC if it is no ELF file of this machine's class and byte order; -EIO; -ENOMEM.
 */
int binary_open(int fd, const char *path, int root_pid, struct binary **ret);

/**
 * Make a binary that has no file of its own. The vDSO is the exception: its image is copied from this process,
 * whose vDSO is that of every 64-bit process, so that it can be symbolized like a file.
 *
 * @name: what to show, such as "[kernel.kallsyms]", "[vdso]", "[anon]", "[unknown]"; copied
 * @ret: on success one reference, drop with binary_unref()
 *
 * Returns 0; -ENOMEM; for BINARY_VDSO also -ENOENT if this process has none, -errno of copying it.
 */
int binary_create_special(enum binary_kind kind, const char *name, struct binary **ret);

/** What a file was when it was seen, for binaries that are read back from somewhere. */
struct binary_identity {
	const char *path;
	struct build_id build_id;
	bool has_build_id; /* see binary_has_build_id() */
	const struct binary_segment *segments;
	size_t segment_count;
};

/**
 * Make a binary of kind BINARY_ELF without its file, known by its build id. The file is looked for at the path
 * when binary_fd() first asks for it, and taken only if it still has that build id.
 *
 * @identity: everything is copied; a build id of length 0 is allowed, such a file is never opened
 * @ret: on success one reference, drop with binary_unref()
 *
 * Returns 0; -ENOMEM.
 */
int binary_create_detached(const struct binary_identity *identity, struct binary **ret);

/** Take another reference. Returns @b. */
struct binary *binary_ref(struct binary *b);

/** Drop a reference; the last one closes the file. NULL allowed. */
void binary_unref(struct binary *b);

/** What kind of code it is. */
enum binary_kind binary_kind(const struct binary *b);

/** Path or name to show; borrowed, valid while a reference is held. */
const char *binary_path(const struct binary *b);

/** Last component of binary_path(); borrowed like it. */
const char *binary_basename(const struct binary *b);

/** Identity; never of length 0 for an opened BINARY_ELF and for BINARY_VDSO, length 0 for the others. */
const struct build_id *binary_build_id(const struct binary *b);

/** Whether the file itself carries the build id (true) or it was made from a hash (false). */
bool binary_has_build_id(const struct binary *b);

/** Whether two are the same code: equal build ids, wherever the files lie; what has none goes by its name. */
bool binary_same_code(const struct binary *a, const struct binary *b);

/** A hash that is equal for the same code. */
uint64_t binary_code_hash(const struct binary *b);

/** File descriptor of the ELF file, borrowed, or -1 (special kinds, a detached file that is gone). Use pread(2): the position is shared. */
int binary_fd(const struct binary *b);

/** The root_pid given at creation. */
int binary_root_pid(const struct binary *b);

/** Segments of an ELF binary; borrowed; NULL and 0 for the other kinds. */
const struct binary_segment *binary_segments(const struct binary *b, size_t *ret_count);

/**
 * ELF vaddr of a byte of the file, by the PT_LOAD that holds the offset.
 *
 * Returns 0; -ENOENT if no PT_LOAD holds it.
 */
int binary_offset_to_vaddr(const struct binary *b, uint64_t offset, uint64_t *ret_vaddr);

/** Write a build id in hex into @text (BUILD_ID_HEX_MAX bytes). Returns @text. */
const char *build_id_format(const struct build_id *id, char *text);

/** Read a build id from hex. Returns 0; -EINVAL. */
int build_id_parse(const char *text, struct build_id *ret);

/** Whether two build ids are the same; two of length 0 are. */
bool build_id_equal(const struct build_id *a, const struct build_id *b);

#endif
