/* A small array. It holds the SHA-256 of each token: neither a copy of the memory nor the time that
 * a look takes tells a token. */
#include "control/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define DIGEST 32u

struct place {
	unsigned char digest[DIGEST];
	int64_t used_at; /* boot ms */
	bool taken;
	struct fw_session session;
};

struct fw_sessions {
	pthread_mutex_t lock; /* guards the places */
	struct place places[FW_SESSIONS_MOST];
};

struct fw_sessions *fw_sessions_new(void)
{
	struct fw_sessions *sessions = calloc(1, sizeof(*sessions));

	if (sessions)
		pthread_mutex_init(&sessions->lock, NULL);
	return sessions;
}

void fw_sessions_free(struct fw_sessions *sessions)
{
	if (!sessions)
		return;
	pthread_mutex_destroy(&sessions->lock);
	free(sessions);
}

static bool digest_of(struct fw_slice token, unsigned char out[DIGEST])
{
	unsigned len;

	return token.len == FW_SESSION_TOKEN - 1 &&
		EVP_Digest(token.at, token.len, out, &len, EVP_sha256(), NULL) == 1;
}

static bool is_alive(const struct place *place, int64_t now)
{
	return place->taken && now - place->used_at < FW_SESSION_IDLE_MS;
}

static struct place *find(struct fw_sessions *sessions, const unsigned char digest[DIGEST])
{
	struct place *found = NULL;

	for (size_t i = 0; i < FW_SESSIONS_MOST; i++) {
		if (CRYPTO_memcmp(sessions->places[i].digest, digest, DIGEST) == 0 &&
			sessions->places[i].taken)
			found = &sessions->places[i];
	}
	return found;
}

static struct place *free_place(struct fw_sessions *sessions, int64_t now)
{
	struct place *oldest = &sessions->places[0];

	for (size_t i = 0; i < FW_SESSIONS_MOST; i++) {
		struct place *place = &sessions->places[i];

		if (!is_alive(place, now))
			return place;
		if (place->used_at < oldest->used_at)
			oldest = place;
	}
	return oldest;
}

bool fw_sessions_begin(struct fw_sessions *sessions, const struct fw_session *session, int64_t now,
	char token[FW_SESSION_TOKEN])
{
	unsigned char random[FW_SESSION_BYTES], digest[DIGEST];
	struct place *place;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	fw_hex(token, random, sizeof(random));
	OPENSSL_cleanse(random, sizeof(random));
	if (!digest_of(fw_slice_of(token), digest))
		return false;
	pthread_mutex_lock(&sessions->lock);
	place = free_place(sessions, now);
	memcpy(place->digest, digest, DIGEST);
	place->used_at = now;
	place->taken = true;
	place->session = *session;
	pthread_mutex_unlock(&sessions->lock);
	return true;
}

bool fw_sessions_find(
	struct fw_sessions *sessions, struct fw_slice token, int64_t now, struct fw_session *out)
{
	unsigned char digest[DIGEST];
	struct place *place;
	bool alive;

	if (!digest_of(token, digest))
		return false;
	pthread_mutex_lock(&sessions->lock);
	place = find(sessions, digest);
	alive = place && is_alive(place, now);
	if (alive) {
		place->used_at = now;
		*out = place->session;
	} else if (place) {
		memset(place, 0, sizeof(*place));
	}
	pthread_mutex_unlock(&sessions->lock);
	return alive;
}

void fw_sessions_end(struct fw_sessions *sessions, struct fw_slice token)
{
	unsigned char digest[DIGEST];
	struct place *place;

	if (!digest_of(token, digest))
		return;
	pthread_mutex_lock(&sessions->lock);
	place = find(sessions, digest);
	if (place)
		memset(place, 0, sizeof(*place));
	pthread_mutex_unlock(&sessions->lock);
}
