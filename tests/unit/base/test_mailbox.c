/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/mailbox.h"

#define POSTERS 4
#define LETTERS 5000

struct parcel {
	struct letter letter;
	int poster, number;
};

static struct parcel parcels[POSTERS][LETTERS];
static struct mailbox *box;
static int next_number[POSTERS], delivered;

static bool
is_readable(void)
{
	struct pollfd p = { .fd = mailbox_fd(box), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void
count(struct letter *l)
{
	struct parcel *p = container_of(l, struct parcel, letter);

	assert_int_equal(p->number, next_number[p->poster]++);
	delivered++;
}

static void
post_again(struct letter *l)
{
	l->deliver = count;
	mailbox_post(box, l);
}

static int
set_up(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < POSTERS; i++) {
		next_number[i] = 0;
		for (j = 0; j < LETTERS; j++)
			parcels[i][j] = (struct parcel){ { .deliver = count },
				i, j };
	}
	delivered = 0;
	box = mailbox_new();
	return box != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	mailbox_free(&box);
	mailbox_free(&box);
	return 0;
}

static void
test_flags(void **state)
{
	int fd = mailbox_fd(box);

	(void)state;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void
test_order_and_signal(void **state)
{
	uint64_t n = 0;
	int i;

	(void)state;
	assert_false(is_readable());
	mailbox_deliver(box);
	for (i = 0; i < 3; i++)
		mailbox_post(box, &parcels[0][i].letter);
	assert_true(is_readable());
	/* Signalled once for the three; and a lost signal loses nothing. */
	assert_int_equal(read(mailbox_fd(box), &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	mailbox_deliver(box);
	assert_int_equal(delivered, 3);
	assert_false(is_readable());
	mailbox_post(box, &parcels[0][3].letter);
	assert_true(is_readable());
	mailbox_deliver(box);
	assert_int_equal(delivered, 4);
}

/* A letter posted by a delivery waits for the next turn. */
static void
test_post_from_delivery(void **state)
{
	(void)state;
	parcels[0][0].letter.deliver = post_again;
	mailbox_post(box, &parcels[0][0].letter);
	mailbox_deliver(box);
	assert_int_equal(delivered, 0);
	assert_true(is_readable());
	mailbox_deliver(box);
	assert_int_equal(delivered, 1);
	assert_false(is_readable());
}

static void
test_free_with_letters(void **state)
{
	(void)state;
	mailbox_post(box, &parcels[0][0].letter);
	mailbox_free(&box);
	assert_null(box);
	assert_int_equal(delivered, 0);
}

static void *
post_all(void *arg)
{
	struct parcel *p = arg;
	int i;

	for (i = 0; i < LETTERS; i++)
		mailbox_post(box, &p[i].letter);
	return NULL;
}

/* The owner only ever waits for the descriptor: a lost wake-up hangs here. */
static void
test_threads(void **state)
{
	struct pollfd p = { .fd = mailbox_fd(box), .events = POLLIN };
	pthread_t threads[POSTERS];
	int i;

	(void)state;
	for (i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_all,
		    parcels[i]), 0);
	while (delivered < POSTERS * LETTERS) {
		assert_int_equal(poll(&p, 1, 30000), 1);
		mailbox_deliver(box);
	}
	for (i = 0; i < POSTERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(next_number[i], LETTERS);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_flags),
		CASE(test_order_and_signal),
		CASE(test_post_from_delivery),
		CASE(test_free_with_letters),
		CASE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
