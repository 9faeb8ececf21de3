/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/auth.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define DIGEST_BYTES 32
#define TOKENS_MAX   256
#define KNOWN_MAX    256
#define TOKEN_LEAST  16 /* bytes: shorter ones can be guessed */
#define WRONG_PER_S  5	/* passwords a second that may be wrong before nobody is asked any more */

/* bcrypt of a password that nobody has: an unknown user takes as long as a known one. */
static const char nobody_hash[] = "$2y$10$KBCwKxOzLha2MUDgW0PjXeYl/vAYxXs7T/V1fn1B9fiai6FHBMnCG";

struct digest {
	uint8_t bytes[DIGEST_BYTES];
};

struct auth {
	const struct web_config *web;
	char *token_file;	   /* owned */
	uint8_t key[DIGEST_BYTES]; /* of the digests below; random */

	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct digest tokens[TOKENS_MAX];
	size_t token_count;
	struct timespec token_time;	/* of the file that was read */
	struct digest known[KNOWN_MAX]; /* right passwords, with their users; a ring */
	size_t known_next, known_count;
	uint64_t wrong_since_ns;
	unsigned int wrong_count;
	struct crypt_data crypt;
};

static struct digest digest_of(const struct auth *a, const char *text, size_t length)
{
	struct digest d = {0};

	(void)gnutls_hmac_fast(GNUTLS_MAC_SHA256, a->key, sizeof(a->key), text, length,
			       d.bytes); /* fails for an unknown algorithm only */
	return d;
}

static bool is_same(const struct digest *a, const struct digest *b)
{
	return !gnutls_memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* --- tokens --------------------------------------------------------------------------------------- */

static int parse_tokens(struct auth *a, char *text)
{
	size_t count = 0;
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (strlen(line) < TOKEN_LEAST || count == TOKENS_MAX)
			return -EINVAL;
		a->tokens[count++] = digest_of(a, line, strlen(line));
	}
	a->token_count = count;
	return count ? 0 : -EINVAL;
}

/* Reads the tokens again if the file is another one now. A file that is wrong changes nothing. With the lock held. */
static int refresh_tokens(struct auth *a)
{
	struct stat status;
	char *text = NULL;

	if (!a->token_file)
		return 0;
	if (stat(a->token_file, &status))
		return -errno;
	if (status.st_mtim.tv_sec == a->token_time.tv_sec &&
	    status.st_mtim.tv_nsec == a->token_time.tv_nsec)
		return 0;

	int err = web_read_file(a->token_file, &text);

	if (err)
		return err;

	size_t length = strlen(text);

	err = parse_tokens(a, text);
	explicit_bzero(text, length);
	free(text);
	if (!err)
		a->token_time = status.st_mtim;
	return err;
}

static bool is_token(struct auth *a, const char *token)
{
	struct digest d = digest_of(a, token, strlen(token));
	bool found = false;

	(void)pthread_mutex_lock(&a->lock);
	(void)refresh_tokens(a); /* the old ones stay in force */
	for (size_t i = 0; i < a->token_count; i++)
		found |= is_same(&a->tokens[i], &d);
	(void)pthread_mutex_unlock(&a->lock);
	return found;
}

/* --- passwords ------------------------------------------------------------------------------------ */

static bool is_known(const struct auth *a, const struct digest *d)
{
	for (size_t i = 0; i < a->known_count; i++)
		if (is_same(&a->known[i], d))
			return true;
	return false;
}

static void remember(struct auth *a, const struct digest *d)
{
	a->known[a->known_next] = *d;
	a->known_next = (a->known_next + 1) % KNOWN_MAX;
	if (a->known_count < KNOWN_MAX)
		a->known_count++;
}

static const char *hash_of_user(const struct auth *a, const char *user)
{
	for (size_t i = 0; i < a->web->user_count; i++)
		if (!strcmp(a->web->users[i].name, user))
			return a->web->users[i].hash;
	return NULL;
}

/* Returns 0: right; -EACCES: wrong; -EAGAIN: too many were wrong. With the lock held: one at a time costs enough. */
static int try_password(struct auth *a, const char *user, const char *password)
{
	const char *hash = hash_of_user(a, user);
	uint64_t now_ns = clock_now_ns();

	if (now_ns - a->wrong_since_ns >= NS_PER_S) {
		a->wrong_since_ns = now_ns;
		a->wrong_count = 0;
	}
	if (a->wrong_count >= WRONG_PER_S)
		return -EAGAIN;

	const char *made = crypt_r(password, hash ? hash : nobody_hash, &a->crypt);
	bool right = made && hash && strlen(made) == strlen(hash) &&
		     !gnutls_memcmp(made, hash, strlen(hash));

	explicit_bzero(&a->crypt, sizeof(a->crypt));
	a->wrong_count += !right;
	return right ? 0 : -EACCES;
}

static int check_password(struct auth *a, const char *user, const char *password)
{
	auto_free char *both = NULL;
	int length = asprintf(&both, "%s%c%s", user, '\0', password);

	if (length < 0) {
		both = NULL;
		return -ENOMEM;
	}

	struct digest d = digest_of(a, both, (size_t)length);

	explicit_bzero(both, (size_t)length);
	(void)pthread_mutex_lock(&a->lock);

	bool known = is_known(a, &d);
	int err = known ? 0 : try_password(a, user, password);

	if (!err && !known)
		remember(a, &d);
	(void)pthread_mutex_unlock(&a->lock);
	return err;
}

static int check_basic(struct auth *a, struct request *r)
{
	char *password = NULL;
	char *user = MHD_basic_auth_get_username_password(r->connection, &password);
	int err = user && password ? check_password(a, user, password) : -EACCES;

	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(user);
	MHD_free(password);
	return err;
}

/* --- certificates --------------------------------------------------------------------------------- */

/* Returns 0: shown and right; -ENOENT: none was shown; -EACCES: it is wrong. */
static int check_certificate(const struct request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	gnutls_session_t session = info ? info->tls_session : NULL;
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, /* only read */
	};
	unsigned int count = 0;
	unsigned int status = ~0u;

	if (!session || !gnutls_certificate_get_peers(session, &count) || !count)
		return -ENOENT;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) || status)
		return -EACCES;
	return 0;
}

/* --- all together --------------------------------------------------------------------------------- */

bool auth_is_needed(const struct auth *a)
{
	return a && (a->token_file || (a->web && (a->web->user_count ||
						  a->web->client_auth == WEB_CLIENT_REQUIRED)));
}

static bool refuse(const struct auth *a, struct request *r, int err)
{
	bool basic = a->web && a->web->user_count;

	if (err == -EAGAIN) {
		answer_error(r, MHD_HTTP_TOO_MANY_REQUESTS,
			     "too many wrong passwords: try again in a moment");
		return false;
	}
	answer_error(r, MHD_HTTP_UNAUTHORIZED, "log in: the credentials are missing or wrong");
	if (basic || a->token_file)
		answer_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "%s",
			      basic ? "Basic realm=\"hearth\", charset=\"UTF-8\""
				    : "Bearer realm=\"hearth\"");
	return false;
}

static bool refuse_certificate(struct request *r, int err)
{
	answer_error(r, MHD_HTTP_UNAUTHORIZED,
		     err == -ENOENT ? "show a client certificate"
				    : "the client certificate is none that is trusted here");
	return false;
}

/* Returns 0; -EACCES; -EAGAIN. */
static int check_credentials(struct auth *a, struct request *r)
{
	static const char bearer[] = "Bearer ";
	const char *header = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_AUTHORIZATION);

	if (!a->token_file && !(a->web && a->web->user_count))
		return 0;
	if (header && a->token_file && !strncasecmp(header, bearer, strlen(bearer)))
		return is_token(a, header + strlen(bearer)) ? 0 : -EACCES;
	return header && a->web && a->web->user_count ? check_basic(a, r) : -EACCES;
}

static bool is_free(const struct request *r)
{
	return !strcmp(r->path, "/healthz") || !strcmp(r->path, "/readyz");
}

bool auth_check(struct auth *a, struct request *r)
{
	if (!a || is_free(r))
		return true;

	enum web_client_auth wanted = a->web ? a->web->client_auth : WEB_CLIENT_NONE;
	int err = wanted != WEB_CLIENT_NONE ? check_certificate(r) : 0;

	if (err == -EACCES || (err && wanted == WEB_CLIENT_REQUIRED))
		return refuse_certificate(r, err);
	err = check_credentials(a, r);
	return err ? refuse(a, r, err) : true;
}

DEFINE_CLEANUP(auth_destroy, struct auth *)

int auth_create(const struct web_config *web, const char *token_file, struct auth **ret)
{
	CLEANUP(auth_destroyp) struct auth *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	(void)pthread_mutex_init(&a->lock, NULL); /* cannot fail with default attributes */
	a->web = web;
	if (gnutls_rnd(GNUTLS_RND_KEY, a->key, sizeof(a->key)))
		return -EIO;
	if (token_file && !(a->token_file = strdup(token_file)))
		return -ENOMEM;

	int err = refresh_tokens(a);

	if (err)
		return err;
	*ret = take_ptr(a);
	return 0;
}

void auth_destroy(struct auth *a)
{
	if (!a)
		return;
	free(a->token_file);
	(void)pthread_mutex_destroy(&a->lock);
	explicit_bzero(a, sizeof(*a));
	free(a);
}
