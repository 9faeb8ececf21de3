/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask: client certificates, users with passwords, bearer tokens.
 *
 *	client certificate	where the web configuration says so
 *	and one of		basic authentication, or a token of the token file, where there are any
 *
 * /healthz and /readyz are free: they tell nothing. A password costs CPU time by design, so right ones are remembered (as a
 * keyed hash, for as long as we run) and wrong ones are few a second. No secret is ever logged or answered.
 *
 * Thread rule: any thread may check; create, reload and destroy by one.
 */
#ifndef HEARTH_SERVER_HTTP_AUTH_H
#define HEARTH_SERVER_HTTP_AUTH_H

#include "server/http/request.h"
#include "server/http/web_config.h"

struct auth;

/**
 * Make a guard.
 *
 * @web: who may log in; borrowed, must outlive the guard; NULL = nobody by password or certificate
 * @token_file: bearer tokens, one a line, '#' begins a comment; read again when it changes; NULL = none; copied
 * @ret: on success owned by the caller, free with auth_destroy()
 *
 * Returns 0; -errno of reading the file; -EINVAL if it has no token; -ENOMEM.
 */
int auth_create(const struct web_config *web, const char *token_file, struct auth **ret);

/** Free; NULL allowed. */
void auth_destroy(struct auth *a);

/** Whether anything is asked of clients. */
bool auth_is_needed(const struct auth *a);

/** Whether a request may go on; if not it was answered with 401 or 429. @a: NULL = all may. */
bool auth_check(struct auth *a, struct request *r);

#endif
