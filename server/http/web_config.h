/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus' web configuration file (exporter-toolkit, docs/web-configuration.md): TLS and who may log in.
 *
 *	tls_server_config:
 *	  cert_file: server.crt			PEM; relative to the file's own folder
 *	  key_file: server.key
 *	  client_auth_type: RequireAndVerifyClientCert
 *	  client_ca_file: ca.crt
 *	  min_version: TLS12			or TLS13
 *	basic_auth_users:
 *	  NAME: $2y$10$...			bcrypt, as `htpasswd -nBC 10 NAME` prints
 *	http_server_config:
 *	  http2: false				taken and of no effect: HTTP/1.1 is what we speak
 *
 * What is not here is refused with its name rather than passed over: a setting that seems to protect must do so.
 *
 * Thread rule: immutable after load.
 */
#ifndef HEARTH_SERVER_HTTP_WEB_CONFIG_H
#define HEARTH_SERVER_HTTP_WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#define WEB_USERS_MAX	    256
#define WEB_FILE_BYTES	    (1u << 20)
#define WEB_BCRYPT_COST_MAX 14 /* a second and more of CPU time for each log-in */

/** What is asked of clients' certificates. */
enum web_client_auth {
	WEB_CLIENT_NONE,
	WEB_CLIENT_IF_GIVEN, /* one that is shown must be right */
	WEB_CLIENT_REQUIRED, /* one must be shown, and be right */
};

struct web_user {
	char *name;
	char *hash; /* bcrypt */
};

struct web_config {
	char *cert, *key; /* PEM; NULL = no TLS */
	char *client_ca;  /* PEM; NULL = none */
	enum web_client_auth client_auth;
	bool tls13_only;
	struct web_user users[WEB_USERS_MAX];
	size_t user_count;
};

/**
 * Read the file and those it names.
 *
 * @ret: on success owned by the caller, free with web_config_destroy()
 * @error: on failure one line for a person
 *
 * Returns 0; -EINVAL for what it says; -errno of reading; -ENOMEM.
 */
int web_config_load(const char *path, struct web_config **ret, char *error, size_t error_size);

/** Wipe and free; NULL allowed. */
void web_config_destroy(struct web_config *c);

/** Read a small file as text. Returns 0; -errno; -EFBIG; -EINVAL if it holds a NUL; -ENOMEM. */
int web_read_file(const char *path, char **ret);

#endif
