/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

#define MANGLED_MAX	     4096	/* a longer name is shown as it is */
#define SAFE_BACK_REFERENCES 16		/* two a doubling: at most 256 times the input */
#define DEMANGLED_MAX	     (1u << 20) /* output beyond this is thrown away: the mangled name is shown */

/* Of the C++ ABI (section 3.4): memory from malloc, NULL if it is no mangled name. */
char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

/* Output of a demangler, which gives it out in pieces; stops taking more at the limit. */
struct output {
	struct buffer text;
	bool too_long;
};

static void take_piece(const char *piece, size_t length, void *opaque)
{
	struct output *out = opaque;

	if (out->too_long || out->text.length + length > DEMANGLED_MAX) {
		out->too_long = true;
		return;
	}
	buffer_append(&out->text, piece, length);
}

/* "17h", 16 hex digits and "E": the end of a legacy Rust name, whose parts may have dots. NULL if it is none. */
static const char *rust_legacy_end(const char *name)
{
	for (const char *at = name; (at = strstr(at, "17h")); at++) {
		size_t digits = strspn(at + 3, "0123456789abcdef");
		const char *end = at + 3 + digits + 1;

		if (digits == 16 && end[-1] == 'E' && strchr(".@", *end)) /* or its NUL */
			return end;
	}
	return NULL;
}

/*
 * What compilers append to a mangled name: ".cold", ".part.0", ".constprop.1.isra.0", ".llvm.123", "@@GLIBC_2.2".
 * Returns where it begins, the end of the name if there is nothing.
 */
static const char *find_suffix(const char *name)
{
	const char *end = strncmp(name, "_ZN", 3) ? NULL : rust_legacy_end(name);

	return end ? end : name + strcspn(name, ".@");
}

/* How often a mangled name refers back to a part of itself: what its output can double with (S_, S0_, T_, ...). */
static unsigned int back_references(const char *mangled)
{
	unsigned int count = 0;

	for (const char *at = mangled; (at = strpbrk(at, "ST")); at++)
		count += at[1] == '_' || isdigit((unsigned char)at[1]);
	return count;
}

/*
 * libc++abi's demangler first: it is LLVM's own and names lambdas and template arguments as llvm-symbolizer does. It
 * puts no limit on its output, so that a name that could explode is tried with libiberty's before. What LLVM's does
 * not understand, libiberty's often does.
 */
static bool demangle_cxx(const char *mangled, struct buffer *to)
{
	struct output out = {0};
	bool risky = back_references(mangled) > SAFE_BACK_REFERENCES;
	int status = 0;
	auto_free char *text = NULL;

	if (!risky)
		text = __cxa_demangle(mangled, NULL, NULL, &status);
	if (!text &&
	    cplus_demangle_v3_callback(mangled, DMGL_PARAMS | DMGL_ANSI, take_piece, &out) &&
	    !out.too_long && !out.text.error) {
		if (risky)
			text = __cxa_demangle(mangled, NULL, NULL, &status);
		if (!text)
			text = buffer_steal(&out.text, NULL);
	}
	buffer_release(&out.text);
	if (!text)
		return false;
	buffer_puts(to, text);
	return true;
}

static bool demangle_rust(const char *mangled, struct buffer *to)
{
	struct output out = {0};
	bool done = rust_demangle_callback(mangled, 0, take_piece, &out);

	done = done && !out.too_long && !out.text.error;
	if (done)
		buffer_append(to, out.text.bytes, out.text.length);
	buffer_release(&out.text);
	return done;
}

static bool demangle_d(const char *mangled, struct buffer *to)
{
	auto_free char *text = dlang_demangle(mangled, 0);

	if (!text || !strcmp(text, mangled))
		return false;
	buffer_puts(to, text);
	return true;
}

/* The pure mangled name, without what compilers append; false if it is none. */
static bool demangle_pure(const char *name, size_t length, struct buffer *to)
{
	if (!strncmp(name, "_Z", 2)) {
		if (rust_legacy_end(name) == name + length && demangle_rust(name, to))
			return true;
		return demangle_cxx(name, to);
	}
	if (!strncmp(name, "___Z", 4) ||
	    !strncmp(name, "__Z", 3)) /* blocks; a leading underscore */
		return demangle_cxx(strchr(name, 'Z') - 1, to);
	if (!strncmp(name, "_R", 2))
		return demangle_rust(name, to);
	if (!strncmp(name, "_D", 2) && (isdigit((unsigned char)name[2]) || !strcmp(name, "_Dmain")))
		return demangle_d(name, to);
	return false;
}

/* C0, DEL and, in UTF-8, C1: what a terminal might obey. */
static bool is_control(const unsigned char *s, size_t length)
{
	return (length == 1 && (s[0] < 0x20 || s[0] == 0x7f)) ||
	       (length == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

/* Appends text with all that is no clean UTF-8 escaped, cut to the limit between characters. */
void demangle_clean(const char *text, size_t length, struct buffer *to)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = (const unsigned char *)text;
	size_t start = to->length;

	for (size_t i = 0; i < length;) {
		size_t bytes = utf8_length(at + i, length - i);
		bool escaped = !bytes || is_control(at + i, bytes);

		bytes += !bytes;
		if (to->length - start + bytes * (escaped ? 4 : 1) > DEMANGLE_NAME_MAX)
			return;
		if (!escaped)
			buffer_append(to, at + i, bytes);
		for (size_t j = i; escaped && j < i + bytes; j++)
			buffer_append(
				to, (char[]){'\\', 'x', digits[at[j] >> 4], digits[at[j] & 15]}, 4);
		i += bytes;
	}
}

void demangle(const char *name, struct buffer *to)
{
	size_t whole = strlen(name);
	const char *suffix = find_suffix(name);
	size_t length = (size_t)(suffix - name);
	auto_buffer text = BUFFER_INIT;
	char mangled[MANGLED_MAX + 1];

	if (name[0] != '_' || length > MANGLED_MAX) {
		demangle_clean(name, whole, to);
		return;
	}
	memcpy(mangled, name, length);
	mangled[length] = '\0';
	if (!demangle_pure(mangled, length, &text)) {
		demangle_clean(name, whole, to);
		return;
	}
	if (*suffix == '.')
		buffer_printf(&text, " (%s)", suffix);
	else
		buffer_puts(&text, suffix);
	if (text.error)
		demangle_clean(name, whole, to);
	else
		demangle_clean(text.bytes, text.length, to);
}
