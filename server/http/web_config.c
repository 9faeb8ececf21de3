/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/web_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"

DEFINE_CLEANUP(web_config_destroy, struct web_config *)

/* Reading in progress. */
struct web_reader {
	const char *path;
	yaml_document_t document;
	struct web_config *c;
	char *error;
	size_t error_size;
};

/* Handles a key of a mapping. Returns 0; -errno with the error filled in. */
typedef int (*key_fn)(struct web_reader *r, const yaml_node_t *key, const yaml_node_t *value);

static int wrong(struct web_reader *r, const yaml_node_t *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(struct web_reader *r, const yaml_node_t *at, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* cut */
	va_end(args);
	(void)snprintf(r->error, r->error_size, "%s:%zu: %s", r->path, at->start_mark.line + 1,
		       text); /* cut */
	return -EINVAL;
}

int web_read_file(const char *path, char **ret)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	auto_free char *text = malloc(WEB_FILE_BYTES + 1);
	size_t length = 0;
	ssize_t count = 1;

	if (fd < 0)
		return -errno;
	if (!text)
		return -ENOMEM;
	while (length <= WEB_FILE_BYTES && count > 0) {
		count = read(fd, text + length, WEB_FILE_BYTES + 1 - length);
		if (count < 0)
			return -errno;
		length += (size_t)count;
	}
	if (length > WEB_FILE_BYTES)
		return -EFBIG;
	text[length] = '\0';
	if (strlen(text) != length)
		return -EINVAL;
	*ret = strdup(text);
	explicit_bzero(text, length);
	return *ret ? 0 : -ENOMEM;
}

static const char *scalar(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : "";
}

/* A file's content; the path is relative to the folder of the configuration. */
static int read_pem(struct web_reader *r, const yaml_node_t *value, char **ret)
{
	const char *name = scalar(value);
	const char *slash = strrchr(r->path, '/');
	auto_free char *path = NULL;

	if (!*name)
		return wrong(r, value, "a file is expected here");
	if (asprintf(&path, "%.*s%s", *name == '/' || !slash ? 0 : (int)(slash - r->path + 1),
		     r->path, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	free(*ret);
	*ret = NULL;

	int err = web_read_file(path, ret);

	return err ? wrong(r, value, "cannot read '%s': %s", path, strerror(-err)) : 0;
}

static int set_client_auth(struct web_reader *r, const yaml_node_t *value)
{
	static const struct {
		const char *name;
		enum web_client_auth auth;
	} kinds[] = {
		{"NoClientCert", WEB_CLIENT_NONE},
		{"VerifyClientCertIfGiven", WEB_CLIENT_IF_GIVEN},
		{"RequireAndVerifyClientCert", WEB_CLIENT_REQUIRED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, scalar(value))) {
			r->c->client_auth = kinds[i].auth;
			return 0;
		}
	return wrong(r, value,
		     "client_auth_type is NoClientCert, VerifyClientCertIfGiven or "
		     "RequireAndVerifyClientCert");
}

static int set_min_version(struct web_reader *r, const yaml_node_t *value)
{
	r->c->tls13_only = !strcmp(scalar(value), "TLS13");
	if (r->c->tls13_only || !strcmp(scalar(value), "TLS12"))
		return 0;
	return wrong(r, value, "min_version is TLS12 or TLS13");
}

static int read_tls(struct web_reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	const char *name = scalar(key);

	if (!strcmp(name, "cert_file"))
		return read_pem(r, value, &r->c->cert);
	if (!strcmp(name, "key_file"))
		return read_pem(r, value, &r->c->key);
	if (!strcmp(name, "client_ca_file"))
		return read_pem(r, value, &r->c->client_ca);
	if (!strcmp(name, "client_auth_type"))
		return set_client_auth(r, value);
	if (!strcmp(name, "min_version"))
		return set_min_version(r, value);
	return wrong(r, key, "'%.64s' is not supported in tls_server_config", name);
}

/* "$2y$10$" and 53 characters. */
static bool is_bcrypt(const char *hash)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	uint32_t cost;
	char digits[3] = "";

	if (strlen(hash) != 60 || hash[0] != '$' || hash[1] != '2' || !strchr("aby", hash[2]) ||
	    hash[3] != '$' || hash[6] != '$')
		return false;
	memcpy(digits, hash + 4, 2);
	if (digits[0] == '0')
		memmove(digits, digits + 1, 2);
	return !parse_u32_range(digits, 4, WEB_BCRYPT_COST_MAX, &cost) &&
	       strspn(hash + 7, alphabet) == 53;
}

static int read_user(struct web_reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	struct web_user *user = &r->c->users[r->c->user_count];

	if (r->c->user_count == WEB_USERS_MAX)
		return wrong(r, key, "more than %d users", WEB_USERS_MAX);
	if (!*scalar(key) || strchr(scalar(key), ':'))
		return wrong(r, key, "a user's name is not empty and has no ':'");
	if (!is_bcrypt(scalar(value)))
		return wrong(r, value,
			     "the password of '%.64s' is no bcrypt hash of cost 4 to %d: make one "
			     "with htpasswd -nBC 10 NAME",
			     scalar(key), WEB_BCRYPT_COST_MAX);
	user->name = strdup(scalar(key));
	user->hash = strdup(scalar(value));
	r->c->user_count++;
	return user->name && user->hash ? 0 : -ENOMEM;
}

static int read_http(struct web_reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	(void)value; /* without HTTP/2 there is nothing to switch */
	if (!strcmp(scalar(key), "http2"))
		return 0;
	return wrong(r, key, "'%.64s' is not supported in http_server_config", scalar(key));
}

static int for_each_key(struct web_reader *r, const yaml_node_t *node, key_fn handle)
{
	if (node->type == YAML_SCALAR_NODE && !*scalar(node))
		return 0; /* `basic_auth_users:` with nothing behind it */
	if (node->type != YAML_MAPPING_NODE)
		return wrong(r, node, "a mapping is expected here");
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     p < node->data.mapping.pairs.top; p++) {
		int err = handle(r, yaml_document_get_node(&r->document, p->key),
				 yaml_document_get_node(&r->document, p->value));

		if (err)
			return err;
	}
	return 0;
}

static int read_section(struct web_reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	const char *name = scalar(key);

	if (!strcmp(name, "tls_server_config"))
		return for_each_key(r, value, read_tls);
	if (!strcmp(name, "basic_auth_users"))
		return for_each_key(r, value, read_user);
	if (!strcmp(name, "http_server_config"))
		return for_each_key(r, value, read_http);
	return wrong(r, key,
		     "unknown key '%.64s': there are tls_server_config, basic_auth_users and "
		     "http_server_config",
		     name);
}

static int check(struct web_reader *r)
{
	const struct web_config *c = r->c;
	const char *problem = NULL;

	if (!c->cert != !c->key)
		problem = "cert_file and key_file go together";
	else if (c->client_auth != WEB_CLIENT_NONE && (!c->cert || !c->client_ca))
		problem = "client_auth_type wants cert_file, key_file and client_ca_file";
	else if (c->client_ca && c->client_auth == WEB_CLIENT_NONE)
		problem = "client_ca_file without a client_auth_type that uses it protects nothing";
	if (!problem)
		return 0;
	(void)snprintf(r->error, r->error_size, "%s: %s", r->path, problem); /* cut */
	return -EINVAL;
}

static int read_document(struct web_reader *r, const char *text)
{
	yaml_parser_t parser;
	int err = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
	if (!yaml_parser_load(&parser, &r->document)) {
		(void)snprintf(r->error, r->error_size, "%s:%zu: %s", r->path,
			       parser.problem_mark.line + 1,
			       parser.problem ? parser.problem : "it is no YAML"); /* cut */
		err = -EINVAL;
	} else {
		const yaml_node_t *root = yaml_document_get_root_node(&r->document);

		err = root ? for_each_key(r, root, read_section) : 0;
		yaml_document_delete(&r->document);
	}
	yaml_parser_delete(&parser);
	return err;
}

int web_config_load(const char *path, struct web_config **ret, char *error, size_t error_size)
{
	CLEANUP(web_config_destroyp) struct web_config *c = calloc(1, sizeof(*c));
	struct web_reader r = {.path = path, .c = c, .error = error, .error_size = error_size};
	auto_free char *text = NULL;
	int err = c ? web_read_file(path, &text) : -ENOMEM;

	*error = '\0';
	if (!err)
		err = read_document(&r, text);
	if (text)
		explicit_bzero(text, strlen(text));
	if (!err)
		err = check(&r);
	if (err && !*error)
		(void)snprintf(error, error_size, "cannot read '%s': %s", path,
			       strerror(-err)); /* cut */
	if (err)
		return err;
	*ret = take_ptr(c);
	return 0;
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void web_config_destroy(struct web_config *c)
{
	if (!c)
		return;
	wipe(c->cert);
	wipe(c->key);
	wipe(c->client_ca);
	for (size_t i = 0; i < c->user_count; i++) {
		wipe(c->users[i].name);
		wipe(c->users[i].hash);
	}
	free(c);
}
