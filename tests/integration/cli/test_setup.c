/* SPDX-License-Identifier: MIT */
/* sallyctl setup: what it makes, keeps, mends and shows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli.h"
#include "crypt/digest.h"
#include "crypt/passhash.h"
#include "ctl.h"
#include "users/users_file.h"

#define INIT "setup init --dir ."

static const char *const files[] = { "db/admin.password", "db/owner.password",
	"db/writer.password", "db/reader.password", "migrate/owner.password",
	"sessiond/writer.password", "apid/reader.password", "demo/password",
	"demo/token", "authd/users.toml", "apid/tokens.toml" };

static int
setup(void **state)
{
	*state = xcalloc(1, sizeof(struct ctl));
	ctl_init(*state);
	return 0;
}

static int
teardown(void **state)
{
	ctl_fini(*state);
	free(*state);
	return 0;
}

static void
assert_same(const struct ctl *c, const char *a, const char *b, bool same)
{
	char *one = ctl_read(c, a), *two = ctl_read(c, b);

	assert_int_equal(strcmp(one, two) == 0, same);
	free(one);
	free(two);
}

static void
assert_closed(const struct ctl *c, const char *file)
{
	char *path = xasprintf("%s/%s", c->dir, file);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
	free(path);
}

static void
drop(const struct ctl *c, const char *file)
{
	char *path = xasprintf("%s/%s", c->dir, file);

	assert_int_equal(unlink(path), 0);
	free(path);
}

/* The value of a line NAME=value of what was printed. */
static char *
shown(const struct ctl *c, const char *name)
{
	const char *at = strstr(c->out, name);

	assert_non_null(at);
	at += strlen(name);
	assert_int_equal(*at, '=');
	return xmemdup0(at + 1, strcspn(at + 1, "\n"));
}

static void
assert_login(struct ctl *c, bool right)
{
	char *path = xasprintf("%s/authd/users.toml", c->dir), *password;
	struct users_notes notes = { 0 };
	struct users_file *f = NULL;
	const struct user *u;

	ctl_expect(c, CLI_OK, "setup show --dir .", NULL);
	password = shown(c, "SALLYPORT_PASSWORD");
	assert_int_equal(users_file_load(&f, path, &notes), 0);
	u = users_file_find(f, STR("demo"));
	assert_non_null(u);
	assert_int_equal(passhash_verify(str_from(password), u->hash),
	    right ? PASSHASH_RIGHT : PASSHASH_WRONG);
	users_notes_fini(&notes);
	users_file_free(&f);
	free(password);
	free(path);
}

static void
assert_token(struct ctl *c)
{
	uint8_t sum[DIGEST_SIZE];
	char text[2 * DIGEST_SIZE + 1], *token, *tokens;

	ctl_expect(c, CLI_OK, "setup show --dir .", NULL);
	token = shown(c, "SALLYPORT_TOKEN");
	assert_int_equal(strlen(token), 4 + 64);
	digest_sha256(sum, token, strlen(token));
	for (size_t i = 0; i < sizeof(sum); i++)
		sprintf(text + 2 * i, "%02x", sum[i]);
	tokens = ctl_read(c, "apid/tokens.toml");
	assert_non_null(strstr(tokens, text));
	assert_null(strstr(tokens, token));
	free(tokens);
	free(token);
}

static void
test_init(void **state)
{
	struct ctl *c = *state;
	char *password;

	ctl_expect(c, CLI_OK, INIT, NULL);
	assert_string_equal(c->err, "");
	assert_null(strstr(c->out, "kept"));
	password = ctl_read(c, "demo/password");
	password[strcspn(password, "\n")] = '\0';
	assert_int_equal(strlen(password), 24);
	assert_null(strstr(c->out, password));
	free(password);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		assert_non_null(strstr(c->out, files[i]));
		assert_closed(c, files[i]);
	}
	assert_same(c, "db/owner.password", "migrate/owner.password", true);
	assert_same(c, "db/writer.password", "sessiond/writer.password", true);
	assert_same(c, "db/reader.password", "apid/reader.password", true);
	assert_same(c, "db/owner.password", "db/writer.password", false);
	assert_same(c, "db/admin.password", "db/owner.password", false);
	assert_login(c, true);
	assert_token(c);
}

static void
test_again(void **state)
{
	struct ctl *c = *state;
	char *before[ARRAY_LEN(files)];

	ctl_expect(c, CLI_OK, INIT, NULL);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		before[i] = ctl_read(c, files[i]);
	ctl_expect(c, CLI_OK, INIT " -o json", NULL);
	assert_null(strstr(c->out, "made"));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *after = ctl_read(c, files[i]);

		assert_string_equal(after, before[i]);
		free(after);
		free(before[i]);
	}
}

/* A volume was lost: what another reader still has is what it was. */
static void
test_mended(void **state)
{
	struct ctl *c = *state;
	char *writer;

	ctl_expect(c, CLI_OK, INIT, NULL);
	writer = ctl_read(c, "sessiond/writer.password");
	drop(c, "db/writer.password");
	drop(c, "apid/reader.password");
	drop(c, "authd/users.toml");
	drop(c, "apid/tokens.toml");
	ctl_expect(c, CLI_OK, INIT, NULL);
	ctl_write(c, "writer.before", writer);
	free(writer);
	assert_same(c, "db/writer.password", "writer.before", true);
	assert_same(c, "apid/reader.password", "db/reader.password", true);
	assert_login(c, true);
	assert_token(c);
}

/* Users of one's own outlive a lost demo login. */
static void
test_users_kept(void **state)
{
	struct ctl *c = *state;

	ctl_expect(c, CLI_OK, INIT, NULL);
	drop(c, "demo/password");
	ctl_expect(c, CLI_OK, INIT, NULL);
	assert_login(c, false);
}

static void
test_bad(void **state)
{
	struct ctl *c = *state;

	ctl_expect(c, CLI_NOT_FOUND, "setup show --dir .", NULL);
	assert_non_null(strstr(c->err, "sallyctl setup init does it"));
	ctl_expect(c, CLI_ERROR, "setup init --dir nowhere", NULL);
	assert_non_null(strstr(c->err, "nowhere: No such file or directory; "
	    "make it"));
	ctl_expect(c, CLI_OK, INIT, NULL);
	ctl_write(c, "demo/token", "");
	ctl_expect(c, CLI_ERROR, INIT, NULL);
	assert_non_null(strstr(c->err, "demo/token: its first line is empty"));
	ctl_expect(c, CLI_ERROR, "setup show --dir .", NULL);
	assert_string_equal(c->out, "");
}

static void
test_hello(void **state)
{
	struct ctl *c = *state;

	ctl_expect(c, CLI_OK,
	    "setup hello --socks 127.0.0.1:2080 --api 127.0.0.1:9090", NULL);
	assert_int_equal(strncmp(c->out, "ready\n", 6), 0);
	assert_non_null(strstr(c->out, "@127.0.0.1:2080 http://"));
	assert_non_null(strstr(c->out, "http://127.0.0.1:9090/api/"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_init, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users_kept, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
	};

	if (argc != 2 || !ctl_set_binary(argv[1]))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
