/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files made to hurt whoever makes unwind tables of them: each is read in a child of this program, whose CPU time and
 * memory are looked at afterwards.
 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "symbolizer/unwind_job.h"
#include "symbolizer/unwind_table.h"
#include "unit/check.h"

#define CODE	   0x100000u /* where functions lie */
#define CODE_BYTES (1u << 30)
#define HDR_AT	   0x200u
#define FRAME_AT   0x210u
#define MIB	   (1u << 20)

#ifdef __SANITIZE_ADDRESS__
#define MEMORY_FACTOR 8 /* shadow memory and what is freed but not given back */
#define TIME_FACTOR   10
#else
#define MEMORY_FACTOR 1
#define TIME_FACTOR   1
#endif

/* A file without section headers: PT_GNU_EH_FRAME leads to .eh_frame, which is the rest of the file. */
struct image {
	unsigned char *bytes;
	size_t size, capacity;
	size_t entry; /* start of the entry that is open */
};

static Elf64_Ehdr *head_of(struct image *m)
{
	return (void *)m->bytes;
}

static Elf64_Phdr *segments_of(struct image *m)
{
	return (void *)(m->bytes + sizeof(Elf64_Ehdr));
}

static void put(struct image *m, const void *bytes, size_t size)
{
	assert_true(m->size + size <= m->capacity);
	if (size)
		memcpy(m->bytes + m->size, bytes, size);
	m->size += size;
}

static void put_number(struct image *m, uint64_t value, size_t bytes)
{
	put(m, &value, bytes);
}

static void put_uleb(struct image *m, uint64_t value)
{
	do {
		put_number(m, (value & 0x7f) | (value > 0x7f ? 0x80 : 0), 1);
		value >>= 7;
	} while (value);
}

static void begin(struct image *m, size_t capacity)
{
	m->capacity = capacity + 0x400;
	m->bytes = calloc(1, m->capacity);
	assert_non_null(m->bytes);
	m->size = FRAME_AT;
	*head_of(m) = (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	segments_of(m)[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_memsz = CODE + CODE_BYTES};
	segments_of(m)[1] = (Elf64_Phdr){
		.p_type = PT_GNU_EH_FRAME, .p_offset = HDR_AT, .p_vaddr = HDR_AT, .p_filesz = 16};
	/* Version, encodings (pcrel sdata4, omitted, omitted), and how far it is from here to .eh_frame. */
	memcpy(m->bytes + HDR_AT, "\x01\x1b\xff\xff", 4);
	memcpy(m->bytes + HDR_AT + 4, &(uint32_t){FRAME_AT - HDR_AT - 4}, 4);
}

static void open_entry(struct image *m)
{
	m->entry = m->size;
	put_number(m, 0, 4);
}

static void close_entry(struct image *m)
{
	uint32_t length = (uint32_t)(m->size - m->entry - 4);

	memcpy(m->bytes + m->entry, &length, 4);
}

/* The first entry: absolute addresses, code factor 1, data factor -8, CFA = rsp+8, RA at CFA-8. */
static void put_cie(struct image *m)
{
	open_entry(m);
	put(m, "\0\0\0\0\x01zR\0\x01\x78\x10\x01\x00", 13);
	put(m, "\x0c\x07\x08\x90\x01", 5);
	close_entry(m);
}

static void open_fde(struct image *m, uint64_t start, uint64_t length)
{
	open_entry(m);
	put_number(m, m->size - FRAME_AT, 4);
	put_number(m, start, 8);
	put_number(m, length, 8);
	put_number(m, 0, 1); /* augmentation */
}

static void put_fde(struct image *m, uint64_t start, uint64_t length, const char *code, size_t size)
{
	open_fde(m, start, length);
	put(m, code, size);
	close_entry(m);
}

static void finish(struct image *m)
{
	put_number(m, 0, 4);
	segments_of(m)[0].p_filesz = m->size;
}

struct verdict {
	int error;
	uint32_t rows, rules, fdes, damaged;
	double cpu_s;
	uint64_t peak_bytes; /* beyond that of a child that does nothing */
};

static uint64_t peak_of(const struct image *m, struct verdict *ret)
{
	int status;
	struct rusage used;
	struct verdict *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	pid_t pid = fork();
	if (!pid) {
		struct unwind_file *f = NULL;

		if (m) {
			shared->error = unwind_table_build_memory(m->bytes, m->size, &f);
			if (!shared->error) {
				const struct unwind_file_header *h = unwind_file_header(f);

				shared->rows = h->row_count;
				shared->rules = h->rule_count;
				shared->fdes = h->fde_count;
				shared->damaged = h->damaged_count;
			}
		}
		_exit(0);
	}
	assert_int_equal(wait4(pid, &status, 0, &used), pid);
	assert_int_equal(status, 0);
	*ret = *shared;
	ret->cpu_s = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
		     (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6;
	munmap(shared, sizeof(*shared));
	return (uint64_t)used.ru_maxrss * 1024;
}

/* Makes the table, within @cpu_s and @peak_bytes, and frees the image. */
static struct verdict judge(struct image *m, double cpu_s, uint64_t peak_bytes)
{
	struct verdict v;
	uint64_t nothing = peak_of(NULL, &v), peak = peak_of(m, &v);

	v.peak_bytes = peak > nothing ? peak - nothing : 0;
	if (v.cpu_s > cpu_s * TIME_FACTOR || v.peak_bytes > peak_bytes * MEMORY_FACTOR)
		fail_msg("%.2f s of CPU time, %lu MiB", v.cpu_s, v.peak_bytes / MIB);
	free(m->bytes);
	return v;
}

static void a_plain_file_is_read(void **state)
{
	struct image m;

	(void)state;
	begin(&m, 4096);
	put_cie(&m);
	put_fde(&m, CODE, 16, "\x41\x0e\x10", 3);
	finish(&m);
	struct verdict v = judge(&m, 1, 16 * MIB);
	assert_int_equal(v.error, 0);
	assert_int_equal(v.rows, 3); /* rsp+8, rsp+16, none */
	assert_int_equal(v.fdes, 1);
	assert_int_equal(v.damaged, 0);
}

static void a_register_number_takes_no_memory(void **state)
{
	const uint64_t registers[] = {33, 100000000, UINT32_MAX, UINT64_MAX};
	struct image m;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		begin(&m, 4096);
		put_cie(&m);
		open_fde(&m, CODE, 16);
		put_number(&m, 0x05, 1); /* DW_CFA_offset_extended */
		put_uleb(&m, registers[i]);
		put_uleb(&m, 1);
		put_number(&m, 0x07, 1); /* DW_CFA_undefined */
		put_uleb(&m, registers[i]);
		put_number(&m, 0x09, 1); /* DW_CFA_register */
		put_uleb(&m, registers[i]);
		put_uleb(&m, registers[i]);
		put(&m, "\x41\x0e\x10", 3);
		close_entry(&m);
		finish(&m);
		struct verdict v = judge(&m, 1, 16 * MIB);
		assert_int_equal(v.error, 0);
		assert_int_equal(v.rows, 3);
		assert_int_equal(v.damaged, 0);
	}
}

static void lengths_beyond_the_file_are_damage(void **state)
{
	const uint64_t lengths[] = {200, UINT32_MAX, UINT64_MAX >> 1, UINT64_MAX};
	struct image m;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		/* Of a CIE's augmentation: its FDE cannot be read. */
		begin(&m, 4096);
		open_entry(&m);
		put(&m, "\0\0\0\0\x01zR\0\x01\x78\x10", 11);
		put_uleb(&m, lengths[i]);
		put(&m, "\0\x0c\x07\x08\x90\x01", 6);
		close_entry(&m);
		put_fde(&m, CODE, 16, "", 0);
		finish(&m);
		assert_int_equal(judge(&m, 1, 16 * MIB).error, -ENODATA);

		/* Of an FDE's, and of an expression; the FDE behind them is read. */
		begin(&m, 4096);
		put_cie(&m);
		open_entry(&m);
		put_number(&m, m.size - FRAME_AT, 4);
		put_number(&m, CODE, 8);
		put_number(&m, 16, 8);
		put_uleb(&m, lengths[i]);
		close_entry(&m);
		open_fde(&m, CODE + 0x100, 16);
		put_number(&m, 0x0f, 1); /* DW_CFA_def_cfa_expression */
		put_uleb(&m, lengths[i]);
		close_entry(&m);
		put_fde(&m, CODE + 0x200, 16, "", 0);
		finish(&m);
		struct verdict v = judge(&m, 1, 16 * MIB);
		assert_int_equal(v.error, 0);
		assert_int_equal(v.fdes, 3);
		assert_int_equal(v.damaged, 2);
	}
}

static void entries_that_point_at_each_other_end(void **state)
{
	struct image m;

	(void)state;
	begin(&m, 4096);
	put_cie(&m);
	size_t first = m.size;
	for (int i = 0; i < 4; i++) {
		/* Its "CIE" is itself, the FDE before it, the middle of one, or before the section. */
		const uint32_t back[] = {4, (uint32_t)(m.size + 4 - first), 9, 0x7fffffff};

		open_entry(&m);
		put_number(&m, back[i], 4);
		put_number(&m, CODE + 0x100u * (uint32_t)i, 8);
		put_number(&m, 16, 8);
		put_number(&m, 0, 1);
		close_entry(&m);
	}
	put_fde(&m, CODE + 0x1000, 16, "", 0);
	finish(&m);
	struct verdict v = judge(&m, 1, 16 * MIB);
	assert_int_equal(v.error, 0);
	assert_int_equal(v.fdes, 5);
	assert_true(v.damaged >= 4);
	assert_int_equal(v.rows, 2); /* of the one that is well */
}

static void a_header_that_lies_leads_nowhere(void **state)
{
	static const Elf64_Phdr lies[] = {
		{.p_offset = 1ull << 40, .p_vaddr = HDR_AT, .p_filesz = 16},
		{.p_offset = UINT64_MAX, .p_vaddr = HDR_AT, .p_filesz = UINT64_MAX},
		{.p_offset = HDR_AT, .p_vaddr = UINT64_MAX - 8, .p_filesz = UINT64_MAX},
		{.p_offset = HDR_AT, .p_vaddr = CODE, .p_filesz = 16},
		{.p_offset = HDR_AT, .p_vaddr = HDR_AT, .p_filesz = 3},
	};
	struct image m;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		begin(&m, 4096);
		put_cie(&m);
		put_fde(&m, CODE, 16, "", 0);
		finish(&m);
		Elf64_Phdr *p = &segments_of(&m)[1];

		p->p_offset = lies[i].p_offset;
		p->p_vaddr = lies[i].p_vaddr;
		p->p_filesz = lies[i].p_filesz;
		assert_int_equal(judge(&m, 1, 16 * MIB).error, -ENODATA);
	}
}

static void segments_that_lie_are_refused(void **state)
{
	static const struct {
		uint64_t vaddr, memory_bytes;
	} lies[] = {
		{0, 1ull << 33}, {1ull << 62, 1ull << 62}, {UINT64_MAX - 10, 100}, {0, UINT64_MAX}};
	struct image m;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		begin(&m, 4096);
		put_cie(&m);
		put_fde(&m, CODE, 16, "", 0);
		finish(&m);
		segments_of(&m)[0].p_vaddr = lies[i].vaddr;
		segments_of(&m)[0].p_memsz = lies[i].memory_bytes;
		struct verdict v = judge(&m, 1, 16 * MIB);
		assert_true(v.error == -EFBIG || v.error == -ENODATA);
	}
}

static void overlapping_functions_take_no_longer(void **state)
{
	struct image m;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		begin(&m, 32 * MIB);
		put_cie(&m);
		for (uint32_t i = 0; i < 300000; i++) {
			uint64_t start = kind == 0 ? CODE : CODE + i;
			uint64_t length = kind == 2 ? 700000 - 2 * i : 600000;

			put_fde(&m, start, length, "\x41\x0e\x10\x41\x0e\x18", 6);
		}
		finish(&m);
		struct verdict v = judge(&m, 3, 192 * MIB);
		assert_int_equal(v.error, 0);
		assert_int_equal(v.fdes, 300000);
		assert_true(v.rows < 1000000);
	}
}

static void advances_make_no_more_rows_than_bytes(void **state)
{
	struct image m;

	(void)state;
	/* Far, again and again, over code of 1 GiB: an end that is passed ends it. */
	begin(&m, 8 * MIB);
	put_cie(&m);
	open_fde(&m, CODE, CODE_BYTES);
	for (int i = 0; i < 1000000; i++)
		put(&m, "\x04\xff\xff\xff\xff\x0e\x10", 7);
	close_entry(&m);
	finish(&m);
	struct verdict v = judge(&m, 1, 32 * MIB);
	assert_int_equal(v.error, 0);
	assert_true(v.rows < 10);

	/* By one byte, each with another rule: as many rows as were paid for, up to the limit. */
	for (uint32_t count = 4u << 20; count <= 28u << 20; count += 24u << 20) {
		begin(&m, 3ull * count + 4096);
		put_cie(&m);
		open_fde(&m, CODE, CODE_BYTES);
		for (uint32_t i = 0; i < count; i++)
			put(&m, i % 2 ? "\x41\x0e\x10" : "\x41\x0e\x18", 3);
		close_entry(&m);
		finish(&m);
		v = judge(&m, 8, 900u * MIB);
		assert_int_equal(v.error, count > UNWIND_TABLE_ROWS_MAX ? -EFBIG : 0);
		assert_true(v.error || v.rows >= count);
	}
}

static void rules_without_end_become_expressions(void **state)
{
	struct image m;

	(void)state;
	begin(&m, 16 * MIB);
	put_cie(&m);
	open_fde(&m, CODE, CODE_BYTES);
	for (uint32_t i = 0; i < 1000000; i++) {
		put_number(&m, 0x41, 1);
		put_number(&m, 0x0e, 1);
		put_uleb(&m, 8ull * i);
	}
	close_entry(&m);
	finish(&m);
	struct verdict v = judge(&m, 3, 128 * MIB);
	assert_int_equal(v.error, 0);
	assert_int_equal(v.rules, UNWIND_TABLE_RULES_MAX);
}

static void states_are_not_remembered_for_ever(void **state)
{
	struct image m;

	(void)state;
	begin(&m, 4 * MIB);
	put_cie(&m);
	open_fde(&m, CODE, 4096);
	for (int i = 0; i < 1000000; i++)
		put_number(&m, 0x0a, 1);
	close_entry(&m);
	put_fde(&m, CODE + 4096, 4096, "\x0b", 1); /* restores what was never remembered */
	put_fde(&m, CODE + 8192, 16, "", 0);
	finish(&m);
	struct verdict v = judge(&m, 1, 16 * MIB);
	assert_int_equal(v.error, 0);
	assert_int_equal(v.damaged, 2);
}

static void program_headers_without_end_are_bounded(void **state)
{
	struct image m;

	(void)state;
	begin(&m, 8 * MIB);
	size_t table = m.capacity - 65000 * sizeof(Elf64_Phdr);
	put_cie(&m);
	put_fde(&m, CODE, 16, "", 0);
	finish(&m);
	for (size_t i = 0; i < 65000; i++)
		memcpy(m.bytes + table + i * sizeof(Elf64_Phdr), &segments_of(&m)[i % 2],
		       sizeof(Elf64_Phdr));
	m.size = m.capacity;
	head_of(&m)->e_phoff = table;
	head_of(&m)->e_phnum = 65000;
	assert_int_equal(judge(&m, 2, 32 * MIB).error, 0);
}

/* Nothing crashes, whatever bit is wrong: in one process, where a sanitizer looks on. */
static void flipped_bits_do_no_harm(void **state)
{
	uint64_t random = 7;
	struct image m;

	(void)state;
	begin(&m, 8192);
	put_cie(&m);
	for (uint32_t i = 0; i < 40; i++)
		put_fde(&m, CODE + 0x100 * i, 0x100,
			"\x41\x0e\x10\x86\x02\x43\x0d\x06\x0a\x02\x20\x0c\x07\x08\x41\x0b\x16\x10\x02\x77\x10",
			21);
	finish(&m);
	segments_of(&m)[0].p_memsz = CODE + 0x10000;
	for (int round = 0; round < 20000; round++) {
		unsigned char *bytes = malloc(m.size);
		struct unwind_file *f = NULL;

		memcpy(bytes, m.bytes, m.size);
		for (uint64_t flips = 1 + next_random(&random) % 6; flips; flips--) {
			uint64_t at = next_random(&random) % (m.size * 8);

			/* Mostly in the call frame information. */
			if (flips % 3 && at < FRAME_AT * 8)
				at += FRAME_AT * 8;
			bytes[at / 8] ^= (unsigned char)(1u << at % 8);
		}
		if (!unwind_table_build_memory(bytes, m.size, &f))
			unwind_file_unref(f);
		free(bytes);
	}
	free(m.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_file_is_read),
		cmocka_unit_test(a_register_number_takes_no_memory),
		cmocka_unit_test(lengths_beyond_the_file_are_damage),
		cmocka_unit_test(entries_that_point_at_each_other_end),
		cmocka_unit_test(a_header_that_lies_leads_nowhere),
		cmocka_unit_test(segments_that_lie_are_refused),
		cmocka_unit_test(overlapping_functions_take_no_longer),
		cmocka_unit_test(advances_make_no_more_rows_than_bytes),
		cmocka_unit_test(rules_without_end_become_expressions),
		cmocka_unit_test(states_are_not_remembered_for_ever),
		cmocka_unit_test(program_headers_without_end_are_bounded),
		cmocka_unit_test(flipped_bits_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
