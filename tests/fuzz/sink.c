/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"

volatile size_t fuzz_sink;
