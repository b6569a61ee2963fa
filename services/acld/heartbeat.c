/* SPDX-License-Identifier: MIT */
#include "acld/heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "acld/acl_rpc.h"
#include "acld/snapshot.h"
#include "base/clock.h"
#include "base/mem.h"
#include "msg/topic.h"

struct heartbeat {
	struct topic_pub *to;
	struct snapshot *snapshot;
	struct id instance;
	uint64_t interval_ms;
	pthread_t thread;
	pthread_mutex_t m;
	pthread_cond_t wake;
	bool changed, stop;	/* guarded by m */
};

/* Waits for the interval, a change or the end; false: the end. */
static bool
wait_for_beat(struct heartbeat *h)
{
	const struct timespec until = clock_in_ms(h->interval_ms);
	bool go_on;

	pthread_mutex_lock(&h->m);
	while (!h->changed && !h->stop)
		if (pthread_cond_timedwait(&h->wake, &h->m, &until) ==
		    ETIMEDOUT)
			break;
	h->changed = false;
	go_on = !h->stop;
	pthread_mutex_unlock(&h->m);
	return go_on;
}

static void *
beat(void *arg)
{
	struct heartbeat *h = arg;
	struct bytes message = { 0 };

	do {
		bytes_clear(&message);
		acl_rpc_heartbeat(&h->instance,
		    snapshot_generation(h->snapshot), &message);
		/* Memory out: leases run out, which is the safe side. */
		(void)topic_pub_send(h->to,
		    (struct str){ message.ptr, message.len });
	} while (wait_for_beat(h));
	bytes_fini(&message);
	return NULL;
}

int
heartbeat_start(struct heartbeat **out, struct topic_pub *to,
    struct snapshot *snapshot, const struct id *instance,
    uint64_t interval_ms, struct err *err)
{
	struct heartbeat *h = xcalloc(1, sizeof(*h));

	h->to = to;
	h->snapshot = snapshot;
	h->instance = *instance;
	h->interval_ms = interval_ms;
	pthread_mutex_init(&h->m, NULL);
	clock_cond_init(&h->wake);
	errno = pthread_create(&h->thread, NULL, beat, h);
	if (errno == 0) {
		*out = h;
		return 0;
	}
	err_sys(err, "thread of the heartbeat");
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->m);
	free(h);
	return -1;
}

void
heartbeat_now(struct heartbeat *h)
{
	pthread_mutex_lock(&h->m);
	h->changed = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->m);
}

void
heartbeat_stop(struct heartbeat **hp)
{
	struct heartbeat *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->m);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->m);
	pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->m);
	free(h);
}
