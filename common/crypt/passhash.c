/* SPDX-License-Identifier: MIT */
#include "crypt/passhash.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypt/digest.h"

#define PASSWORD_MAX 255
#define YESCRYPT_COST_MAX 11

/* The digits of crypt(3)'s base 64, in order of value. */
static const char digits[] =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The most memory a stored hash may ask for: 2^18 blocks of 4 KiB, 1 GiB. */
#define COST_LOG2_MAX 18
#define BLOCK_MAX 32	/* in 128 bytes */

static unsigned
digit_value(char c)
{
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return p == NULL ? UINT32_MAX : (unsigned)(p - digits);
}

/*
 * Each takes a method's cost off the front of what follows the prefix. False:
 * damaged, or out of bounds: a hash must not cost minutes or gigabytes.
 */
typedef bool take_cost_fn(struct str *s);

static void
skip(struct str *s, size_t n)
{
	s->ptr += n;
	s->len -= n;
}

/* "j9T$": flavour, log2(blocks) - 1, block size - 1, as libxcrypt writes. */
static bool
take_yescrypt_cost(struct str *s)
{
	if (s->len < 4 || s->ptr[0] != 'j' || s->ptr[3] != '$' ||
	    digit_value(s->ptr[1]) >= COST_LOG2_MAX ||
	    digit_value(s->ptr[2]) >= BLOCK_MAX)
		return false;
	skip(s, 4);
	return true;
}

/* "CU..../....": log2(blocks), block size, one thread; two of 30 bits. */
static bool
take_scrypt_cost(struct str *s)
{
	if (s->len < 11 || digit_value(s->ptr[0]) - 1 >= COST_LOG2_MAX ||
	    digit_value(s->ptr[1]) - 1 >= BLOCK_MAX ||
	    memcmp(s->ptr + 2, "..../....", 9) != 0)
		return false;
	skip(s, 11);
	return true;
}

/* "12$": 4 to 16, of which 16 takes some 4 s. */
static bool
take_bcrypt_cost(struct str *s)
{
	uint64_t cost;

	if (s->len < 3 || s->ptr[2] != '$' ||
	    !str_to_u64((struct str){ s->ptr, 2 }, 16, &cost) || cost < 4)
		return false;
	skip(s, 3);
	return true;
}

/* "rounds=5000$" or nothing. */
static bool
take_sha_cost(struct str *s)
{
	static const struct str key = { "rounds=", 7 };
	const char *end;
	uint64_t rounds;

	if (s->len < key.len || memcmp(s->ptr, key.ptr, key.len) != 0)
		return true;
	skip(s, key.len);
	end = memchr(s->ptr, '$', s->len);
	if (end == NULL || s->ptr[0] == '0' ||
	    !str_to_u64((struct str){ s->ptr, (size_t)(end - s->ptr) },
	    5000000, &rounds) || rounds < 1000)
		return false;
	skip(s, (size_t)(end - s->ptr) + 1);
	return true;
}

struct method {
	const char *prefix;
	take_cost_fn *take_cost;
	bool salt_field;	/* the salt ends with a '$' */
	size_t salt_min, salt_max;
	size_t hash_len;
};

static const struct method methods[] = {
	{ "$y$", take_yescrypt_cost, true, 0, 86, 43 },
	{ "$gy$", take_yescrypt_cost, true, 0, 86, 43 },
	{ "$7$", take_scrypt_cost, true, 0, 86, 43 },
	{ "$2b$", take_bcrypt_cost, false, 22, 22, 31 },
	{ "$2y$", take_bcrypt_cost, false, 22, 22, 31 },
	{ "$6$", take_sha_cost, true, 1, 16, 86 },
	{ "$5$", take_sha_cost, true, 1, 16, 43 },
};

static const struct method *
method_of(struct str hash, struct str *rest)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		size_t n = strlen(methods[i].prefix);

		if (hash.len < n ||
		    memcmp(hash.ptr, methods[i].prefix, n) != 0)
			continue;
		*rest = (struct str){ hash.ptr + n, hash.len - n };
		return &methods[i];
	}
	return NULL;
}

/* Salt and hash, in base 64, of the right lengths. */
static bool
shape_ok(const struct method *m, struct str s)
{
	size_t tail = m->hash_len + (m->salt_field ? 1 : 0);

	if (s.len < m->salt_min + tail || s.len > m->salt_max + tail)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool mark = m->salt_field && i == s.len - tail;

		if (mark ? s.ptr[i] != '$'
			 : digit_value(s.ptr[i]) == UINT32_MAX)
			return false;
	}
	return true;
}

int
passhash_check(struct str hash, struct err *err)
{
	char text[PASSHASH_MAX];
	const struct method *m;
	struct str rest;
	int salt;

	m = method_of(hash, &rest);
	if (m == NULL)
		return err_set(err, "not a password hash of a known strong "
		    "kind ($y$ $gy$ $7$ $2b$ $2y$ $6$ $5$)");
	if (!m->take_cost(&rest))
		return err_set(err, "a %s hash whose cost is out of bounds or "
		    "damaged", m->prefix);
	if (!shape_ok(m, rest) || !str_copy(text, sizeof(text), hash))
		return err_set(err, "a %s hash that is cut off or damaged",
		    m->prefix);
	salt = crypt_checksalt(text);
	if (salt != CRYPT_SALT_OK && salt != CRYPT_SALT_METHOD_LEGACY)
		return err_set(err, "%s hashes are not known to this system's "
		    "libcrypt", m->prefix);
	return 0;
}

static bool
password_ok(struct str password)
{
	return password.len > 0 && password.len <= PASSWORD_MAX &&
	    !str_has_nul(password);
}

/* crypt(3) into `out`; false: it refused. */
static bool
run_crypt(char out[static PASSHASH_MAX], struct str password,
    const char *setting)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	char phrase[PASSWORD_MAX + 1];
	bool ok;

	ok = str_copy(phrase, sizeof(phrase), password) &&
	    crypt_rn(phrase, setting, data, sizeof(*data)) != NULL &&
	    str_copy(out, PASSHASH_MAX, str_from(data->output));
	secret_wipe(phrase, sizeof(phrase));
	secret_wipe(data, sizeof(*data));
	free(data);
	return ok;
}

int
passhash_make(char out[static PASSHASH_MAX], struct str password,
    unsigned cost, struct err *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (!password_ok(password))
		return err_set(err, "a password must have 1 to %d bytes and "
		    "no NUL", PASSWORD_MAX);
	if (cost > YESCRYPT_COST_MAX)
		return err_set(err, "a cost must be 0 to %d",
		    YESCRYPT_COST_MAX);
	if (crypt_gensalt_rn("$y$", cost, NULL, 0, setting,
	    sizeof(setting)) == NULL)
		return err_sys(err, "cannot draw a salt");
	if (!run_crypt(out, password, setting))
		return err_sys(err, "cannot hash the password");
	return 0;
}

enum passhash_result
passhash_verify(struct str password, const char *hash)
{
	char got[PASSHASH_MAX];
	bool possible = password_ok(password), same;

	if (passhash_check(str_from(hash), NULL) != 0)
		return PASSHASH_FAILED;
	/* The same work for what cannot be a password. */
	if (!run_crypt(got, possible ? password : STR("x"), hash))
		return PASSHASH_FAILED;
	same = strlen(got) == strlen(hash) &&
	    digest_equal(got, hash, strlen(hash));
	secret_wipe(got, sizeof(got));
	return possible && same ? PASSHASH_RIGHT : PASSHASH_WRONG;
}
