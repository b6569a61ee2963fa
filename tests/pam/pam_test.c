/* SPDX-License-Identifier: MIT */
/*
 * pam_test: a PAM module that behaves as it is told, for tests only.
 *
 *	auth required /…/pam_test.so WHAT [WORD]
 *
 * WHAT is a row of the table at the end of this file; none is success. The
 * same rows serve auth and account.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#define RIGHT "right"
#define HANG_S 600

extern char **environ;

typedef int behaviour_fn(pam_handle_t *pam, const char *word);

/* One message; the answer, to be freed, or NULL. */
static int
ask(pam_handle_t *pam, int style, const char *text, char **out)
{
	const struct pam_message m = { style, text };
	const struct pam_message *messages = &m;
	struct pam_response *r = NULL;
	const void *conv = NULL;
	int rc = pam_get_item(pam, PAM_CONV, &conv);

	*out = NULL;
	if (rc != PAM_SUCCESS || conv == NULL)
		return PAM_SYSTEM_ERR;
	rc = ((const struct pam_conv *)conv)->conv(1, &messages, &r,
	    ((const struct pam_conv *)conv)->appdata_ptr);
	if (rc == PAM_SUCCESS && r != NULL)
		*out = r->resp;
	free(r);
	return rc;
}

static int
expect(pam_handle_t *pam, int style, const char *wanted)
{
	char *got;
	int rc = ask(pam, style, "What? ", &got);

	if (rc == PAM_SUCCESS && (got == NULL || strcmp(got, wanted) != 0))
		rc = PAM_AUTH_ERR;
	free(got);
	return rc;
}

static void tell(pam_handle_t *pam, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
tell(pam_handle_t *pam, const char *fmt, ...)
{
	char text[200], *got;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)ask(pam, PAM_ERROR_MSG, text, &got);
	free(got);
}

/* ---- what it can be told ---- */

/* The user "auth7" gets 7 of auth, "account13" gets 13 of account. */
static int
code(pam_handle_t *pam, const char *word)
{
	const char *user = NULL;
	size_t len = strlen(word);

	if (pam_get_user(pam, &user, NULL) != PAM_SUCCESS || user == NULL)
		return PAM_SYSTEM_ERR;
	return strncmp(user, word, len) == 0 ? atoi(user + len) : PAM_SUCCESS;
}

static int
hang(pam_handle_t *pam, const char *word)
{
	unsigned left = HANG_S;

	(void)pam;
	(void)word;
	while (left > 0)
		left = sleep(left);
	return PAM_SUCCESS;
}

/* With a helper that hangs and outlives the killing of one process. */
static int
hang_helper(pam_handle_t *pam, const char *word)
{
	int fd = open(word, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	pid_t pid = fork();

	if (pid == 0)
		_exit(hang(pam, word));
	dprintf(fd, "%d\n", (int)pid);
	close(fd);
	return hang(pam, word);
}

static int
crash(pam_handle_t *pam, const char *word)
{
	(void)pam;
	(void)word;
	abort();
}

static int
quit(pam_handle_t *pam, const char *word)
{
	(void)pam;
	_exit(atoi(word));
}

/* A descriptor each time. */
static int
leak(pam_handle_t *pam, const char *word)
{
	(void)pam;
	(void)word;
	return open("/dev/null", O_RDONLY) >= 0 ? PAM_SUCCESS : PAM_SYSTEM_ERR;
}

static int
once(pam_handle_t *pam, const char *word)
{
	(void)word;
	return expect(pam, PAM_PROMPT_ECHO_OFF, RIGHT);
}

static int
twice(pam_handle_t *pam, const char *word)
{
	int rc = once(pam, word);

	return rc == PAM_SUCCESS ? once(pam, word) : rc;
}

/* In the open, where the name is what fits. */
static int
name(pam_handle_t *pam, const char *word)
{
	return expect(pam, PAM_PROMPT_ECHO_ON, word);
}

static int
endless(pam_handle_t *pam, const char *word)
{
	int rc;

	do
		rc = once(pam, word);
	while (rc == PAM_SUCCESS);
	return rc;
}

static int
chatter(pam_handle_t *pam, const char *word)
{
	char *got;
	int rc;

	(void)word;
	do
		rc = ask(pam, PAM_TEXT_INFO, "and another thing", &got);
	while (rc == PAM_SUCCESS);
	return rc;
}

/* A style of message that no server knows. */
static int
binary(pam_handle_t *pam, const char *word)
{
	char *got;

	(void)word;
	return ask(pam, PAM_BINARY_PROMPT, "\1\2\3", &got);
}

/* More messages at once than libpam has. */
static int
flood(pam_handle_t *pam, const char *word)
{
	const struct pam_message m = { PAM_PROMPT_ECHO_OFF, "?" };
	const struct pam_message *messages[PAM_MAX_NUM_MSG + 1];
	struct pam_response *r = NULL;
	const void *conv = NULL;

	(void)word;
	for (int i = 0; i <= PAM_MAX_NUM_MSG; i++)
		messages[i] = &m;
	if (pam_get_item(pam, PAM_CONV, &conv) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	return ((const struct pam_conv *)conv)->conv(PAM_MAX_NUM_MSG + 1,
	    messages, &r, ((const struct pam_conv *)conv)->appdata_ptr);
}

static int
rename_user(pam_handle_t *pam, const char *word)
{
	return pam_set_item(pam, PAM_USER, word);
}

static int
delay(pam_handle_t *pam, const char *word)
{
	(void)word;
	(void)pam_fail_delay(pam, HANG_S * 1000000U);
	return PAM_AUTH_ERR;
}

/* Says the password in a message, as no module should. */
static int
blab(pam_handle_t *pam, const char *word)
{
	char *got;
	int rc = ask(pam, PAM_PROMPT_ECHO_OFF, "?", &got);

	(void)word;
	tell(pam, "%s", "harmless");
	if (rc == PAM_SUCCESS)
		tell(pam, "you said \"%s\"", got);
	free(got);
	return PAM_AUTH_ERR;
}

static int
say(pam_handle_t *pam, const char *word)
{
	tell(pam, "%s", word);
	return PAM_AUTH_ERR;
}

static const char *
item(pam_handle_t *pam, int type)
{
	const void *p = NULL;

	return pam_get_item(pam, type, &p) == PAM_SUCCESS && p != NULL ? p :
	    "-";
}

static int
say_items(pam_handle_t *pam, const char *word)
{
	(void)word;
	tell(pam, "%s %s %s %s %s", item(pam, PAM_SERVICE),
	    item(pam, PAM_USER), item(pam, PAM_TTY), item(pam, PAM_RHOST),
	    item(pam, PAM_RUSER));
	return PAM_AUTH_ERR;
}

/* Descriptors that helpers would inherit, besides the first three. */
static int
inherited(void)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0 && (flags & FD_CLOEXEC) == 0;
	}
	return n;
}

static int
say_process(pam_handle_t *pam, const char *word)
{
	struct rlimit core = { 1, 1 };
	char cwd[64] = "?";
	int death = 0;
	mode_t mask = umask(077);

	(void)word;
	(void)getrlimit(RLIMIT_CORE, &core);
	(void)prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
	(void)!getcwd(cwd, sizeof(cwd));
	tell(pam, "cwd=%s umask=%o core=%d death=%d session=%d inherited=%d",
	    cwd, (unsigned)mask, (int)core.rlim_max, death,
	    getsid(0) == getpid() && getpgrp() == getpid(), inherited());
	return PAM_AUTH_ERR;
}

static int
say_environment(pam_handle_t *pam, const char *word)
{
	char all[160] = "";

	(void)word;
	for (char **e = environ; *e != NULL; e++) {
		strncat(all, *e, sizeof(all) - strlen(all) - 1);
		strncat(all, " ", sizeof(all) - strlen(all) - 1);
	}
	tell(pam, "%s", all);
	return PAM_AUTH_ERR;
}

static const struct {
	const char *name;
	behaviour_fn *run;
} behaviours[] = {
	{ "code", code }, { "hang", hang }, { "hang_helper", hang_helper },
	{ "crash", crash }, { "quit", quit }, { "leak", leak },
	{ "once", once }, { "twice", twice }, { "name", name },
	{ "endless", endless }, { "chatter", chatter }, { "binary", binary },
	{ "flood", flood }, { "rename", rename_user }, { "delay", delay },
	{ "blab", blab }, { "say", say }, { "say_items", say_items },
	{ "say_process", say_process }, { "say_environment", say_environment },
};

static int
behave(pam_handle_t *pam, int argc, const char **argv)
{
	if (argc == 0)
		return PAM_SUCCESS;
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(*behaviours); i++)
		if (strcmp(behaviours[i].name, argv[0]) == 0)
			return behaviours[i].run(pam, argc > 1 ? argv[1] : "");
	return PAM_SYMBOL_ERR;
}

int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	return behave(pam, argc, argv);
}

int
pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	return behave(pam, argc, argv);
}

/* Neither is called by authd: that they fail shows it. */
int
pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)pam;
	(void)flags;
	(void)argc;
	(void)argv;
	abort();
}

int
pam_sm_open_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	return pam_sm_setcred(pam, flags, argc, argv);
}
