/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a JSON array of strings, the one piece of JSON that clients send.
 *
 * Thread rule: none.
 */
#ifndef HEARTH_SERVER_HTTP_JSON_LIST_H
#define HEARTH_SERVER_HTTP_JSON_LIST_H

#include <stddef.h>

/**
 * Parse a JSON array of strings.
 *
 * @max: most strings taken
 * @ret: on success an array of strings, owned by the caller with each string
 *
 * Returns 0; -EINVAL if the text is anything else; -ENOMEM.
 */
int json_list_parse(const char *text, size_t max, char ***ret, size_t *ret_count);

#endif
