/* SPDX-License-Identifier: MIT */
#include "service/signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
	int signal;
	enum signals_event event;
} table[] = {
	{ SIGTERM, SIGNALS_STOP },
	{ SIGINT, SIGNALS_STOP },
	{ SIGHUP, SIGNALS_RELOAD },
};

int
signals_open(struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		sigaddset(&set, table[i].signal);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd >= 0 ? fd : err_sys(err, "signalfd");
}

enum signals_event
signals_next(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (size_t i = 0; i < ARRAY_LEN(table); i++)
			if ((uint32_t)table[i].signal == info.ssi_signo)
				return table[i].event;
	return SIGNALS_NONE;
}
