/* A small array, which holds the SHA-256 of each token. So neither a copy of the memory nor the
 * time of a look-up tells a token. */
#include "control/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define DIGEST 32u

struct slot {
	unsigned char digest[DIGEST];
	int64_t used_at; /* boot ms */
	bool taken;
	struct fw_session session;
};

struct fw_sessions {
	pthread_mutex_t lock; /* guards the slots */
	struct slot slots[FW_SESSIONS_MOST];
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

static bool is_alive(const struct slot *slot, int64_t now)
{
	return slot->taken && now - slot->used_at < FW_SESSION_IDLE_MS;
}

static struct slot *find(struct fw_sessions *sessions, const unsigned char digest[DIGEST])
{
	struct slot *found = NULL;

	for (size_t i = 0; i < FW_SESSIONS_MOST; i++) {
		if (CRYPTO_memcmp(sessions->slots[i].digest, digest, DIGEST) == 0 &&
			sessions->slots[i].taken)
			found = &sessions->slots[i];
	}
	return found;
}

static struct slot *free_slot(struct fw_sessions *sessions, int64_t now)
{
	struct slot *oldest = &sessions->slots[0];

	for (size_t i = 0; i < FW_SESSIONS_MOST; i++) {
		struct slot *slot = &sessions->slots[i];

		if (!is_alive(slot, now))
			return slot;
		if (slot->used_at < oldest->used_at)
			oldest = slot;
	}
	return oldest;
}

bool fw_sessions_begin(struct fw_sessions *sessions, const struct fw_session *session, int64_t now,
	char token[FW_SESSION_TOKEN])
{
	unsigned char random[FW_SESSION_BYTES], digest[DIGEST];
	struct slot *slot;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	fw_hex(token, random, sizeof(random));
	OPENSSL_cleanse(random, sizeof(random));
	if (!digest_of(fw_slice_of(token), digest))
		return false;
	pthread_mutex_lock(&sessions->lock);
	slot = free_slot(sessions, now);
	memcpy(slot->digest, digest, DIGEST);
	slot->used_at = now;
	slot->taken = true;
	slot->session = *session;
	pthread_mutex_unlock(&sessions->lock);
	return true;
}

bool fw_sessions_find(
	struct fw_sessions *sessions, struct fw_slice token, int64_t now, struct fw_session *out)
{
	unsigned char digest[DIGEST];
	struct slot *slot;
	bool alive;

	if (!digest_of(token, digest))
		return false;
	pthread_mutex_lock(&sessions->lock);
	slot = find(sessions, digest);
	alive = slot && is_alive(slot, now);
	if (alive) {
		slot->used_at = now;
		*out = slot->session;
	} else if (slot) {
		memset(slot, 0, sizeof(*slot));
	}
	pthread_mutex_unlock(&sessions->lock);
	return alive;
}

void fw_sessions_end(struct fw_sessions *sessions, struct fw_slice token)
{
	unsigned char digest[DIGEST];
	struct slot *slot;

	if (!digest_of(token, digest))
		return;
	pthread_mutex_lock(&sessions->lock);
	slot = find(sessions, digest);
	if (slot)
		memset(slot, 0, sizeof(*slot));
	pthread_mutex_unlock(&sessions->lock);
}
