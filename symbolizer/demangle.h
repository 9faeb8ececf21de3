/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for people: C++ (Itanium ABI), Rust (legacy and v0) and D names as the languages' users write them.
 *
 * The C++ form is llvm-symbolizer's: `void f<int>(int)`, `> >` between closing angles, and what the compiler hung on
 * the name behind it in parentheses: `f(int) (.cold)`. Rust's hashes are left out. Names that do not begin like a
 * mangled one are never touched: to a demangler "f" is the type float.
 *
 * Thread rule: any thread; no state.
 */
#ifndef HEARTH_SYMBOLIZER_DEMANGLE_H
#define HEARTH_SYMBOLIZER_DEMANGLE_H

#include "base/buffer.h"

#define DEMANGLE_NAME_MAX \
	4096 /* bytes of a name, in and out; longer ones are cut, never inside a UTF-8 sequence */

/**
 * Append the name that people know @name by: demangled if it is mangled, always clean UTF-8: control characters and
 * bytes that are no UTF-8 are escaped (\x0a, \xff); at most DEMANGLE_NAME_MAX bytes.
 *
 * @name: as the linker knows it
 * @to: the sticky error says whether memory ran out
 */
void demangle(const char *name, struct buffer *to);

/** Append @length bytes of text made clean and cut like a name. */
void demangle_clean(const char *text, size_t length, struct buffer *to);

#endif
