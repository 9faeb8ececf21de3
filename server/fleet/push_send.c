/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/push_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "version.h"

#define CONNECT_S	10L
#define TRANSFER_S	60L
#define REPLY_BYTES_MAX 65536u
#define TOKEN_MAX	8192

int push_check_url(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *query = NULL;

	if (!parsed)
		return -ENOMEM;

	bool good = !curl_url_set(parsed, CURLUPART_URL, url, 0) &&
		    !curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) &&
		    (!strcmp(scheme, "http") || !strcmp(scheme, "https")) &&
		    curl_url_get(parsed, CURLUPART_QUERY, &query, 0) == CURLUE_NO_QUERY;

	curl_free(scheme);
	curl_free(query);
	curl_url_cleanup(parsed);
	return good ? 0 : -EINVAL;
}

int push_sender_init(struct push_sender *s, const struct push_options *options,
		     const atomic_bool *stop)
{
	*s = (struct push_sender){.options = options, .stop = stop};
	s->curl = curl_easy_init();
	s->url = strdup(options->url);
	if (!s->curl || !s->url)
		return -ENOMEM;
	for (size_t length = strlen(s->url); length && s->url[length - 1] == '/';)
		s->url[--length] = '\0';
	return 0;
}

void push_sender_release(struct push_sender *s)
{
	if (s->curl)
		curl_easy_cleanup(s->curl);
	free(s->url);
}

static int should_stop(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	const struct push_sender *s = arg;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return atomic_load(s->stop);
}

/* Keeps the beginning of the answer, reads the rest. */
static size_t keep_reply(char *bytes, size_t size, size_t count, void *arg)
{
	struct buffer *body = arg;
	size_t length = size * count;
	size_t room = REPLY_BYTES_MAX - body->length;

	buffer_append(body, bytes, length < room ? length : room);
	return length;
}

static bool add_header(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* The first token of the file as it is now; '#' begins a comment. Returns 0; -errno; -EINVAL if there is none. */
static int read_token(const char *path, char *token, size_t size)
{
	auto_fclose FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	while (fgets(token, (int)size, file)) {
		size_t start = strspn(token, " \t\r\n");
		size_t length = strcspn(token + start, " \t\r\n");

		if (!length || token[start] == '#')
			continue;
		memmove(token, token + start, length);
		token[length] = '\0';
		return 0;
	}
	return -EINVAL;
}

static int add_token(const struct push_sender *s, struct curl_slist **list,
		     struct push_reply *reply)
{
	char line[TOKEN_MAX + 32];
	char token[TOKEN_MAX];

	if (!s->options->token_file)
		return 0;

	int err = read_token(s->options->token_file, token, sizeof(token));

	if (err) {
		(void)snprintf(reply->reason, sizeof(reply->reason),
			       "cannot read a token from '%s': %s", s->options->token_file,
			       strerror(-err));
		return err;
	}
	(void)snprintf(line, sizeof(line), "Authorization: Bearer %s", token); /* fits */

	bool added = add_header(list, line);

	explicit_bzero(token, sizeof(token));
	explicit_bzero(line, sizeof(line));
	return added ? 0 : -ENOMEM;
}

static int make_headers(const struct push_sender *s, const struct push_request *request,
			struct curl_slist **list, struct push_reply *reply)
{
	char type[128];

	(void)snprintf(type, sizeof(type), "Content-Type: %s", request->content_type); /* fits */
	if (!add_header(list, type) || !add_header(list, "Expect:") ||
	    (request->gzip && !add_header(list, "Content-Encoding: gzip")))
		return -ENOMEM;
	return add_token(s, list, reply);
}

static void set_security(const struct push_sender *s)
{
	const struct push_options *o = s->options;

	(void)curl_easy_setopt(s->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(s->curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	if (o->ca_file)
		(void)curl_easy_setopt(s->curl, CURLOPT_CAINFO, o->ca_file);
	if (o->cert_file) {
		(void)curl_easy_setopt(s->curl, CURLOPT_SSLCERT, o->cert_file);
		(void)curl_easy_setopt(s->curl, CURLOPT_SSLKEY, o->key_file);
	}
}

static void set_request(struct push_sender *s, const struct push_request *request)
{
	if (!strcmp(request->method, "HEAD")) {
		(void)curl_easy_setopt(s->curl, CURLOPT_NOBODY, 1L);
		return;
	}
	(void)curl_easy_setopt(s->curl, CURLOPT_POSTFIELDS, request->body);
	(void)curl_easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
	(void)curl_easy_setopt(s->curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void perform(struct push_sender *s, struct push_reply *reply)
{
	CURLcode code = curl_easy_perform(s->curl);
	long status = 0;
	curl_off_t retry_after_s = 0;

	if (code) {
		(void)snprintf(reply->reason, sizeof(reply->reason), "%s",
			       curl_easy_strerror(code)); /* fits */
		return;
	}
	(void)curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(s->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
	reply->status = (unsigned int)status;
	reply->retry_after_s = retry_after_s > 0 ? (uint64_t)retry_after_s : 0;
}

/* Connections live on in the handle; curl_easy_reset() only forgets the options. */
void push_send(struct push_sender *s, const struct push_request *request, struct push_reply *ret)
{
	auto_free char *url = NULL;
	struct curl_slist *headers = NULL;

	*ret = (struct push_reply){0};
	if (asprintf(&url, "%s%s", s->url, request->path) < 0) {
		url = NULL;
		(void)snprintf(ret->reason, sizeof(ret->reason), "out of memory");
		return;
	}
	curl_easy_reset(s->curl);
	(void)curl_easy_setopt(s->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(s->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(s->curl, CURLOPT_USERAGENT, "hearth/" HEARTH_VERSION);
	(void)curl_easy_setopt(s->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	(void)curl_easy_setopt(s->curl, CURLOPT_TIMEOUT, TRANSFER_S);
	(void)curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, keep_reply);
	(void)curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, &ret->body);
	(void)curl_easy_setopt(s->curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(s->curl, CURLOPT_XFERINFOFUNCTION, should_stop);
	(void)curl_easy_setopt(s->curl, CURLOPT_XFERINFODATA, s);
	set_security(s);
	set_request(s, request);

	int err = make_headers(s, request, &headers, ret);

	(void)curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, headers);
	if (!err)
		perform(s, ret);
	else if (!*ret->reason)
		(void)snprintf(ret->reason, sizeof(ret->reason), "%s", strerror(-err));
	curl_slist_free_all(headers);
}
