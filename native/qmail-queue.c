/*
 * The way of local users into the queue: the one set-uid program. Owner qmailq, mode 4711, installed as
 * bin/qmail-queue. It takes away everything by which a caller could steer the compiled program, then executes it;
 * the real uid stays the caller's, because the Received field names it.
 *
 *   cc -static -O2 -Wall -Wextra -DPROGRAM='"/var/qmail/bin/qmail-ts"' -o qmail-queue native/qmail-queue.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* Exit codes of qmail-queue(8), and the descriptor on which a refusal may be explained. */
enum { no_memory = 51, no_descriptor = 53, no_home = 61, no_program = 120, custom_text = 6 };

static void close_between(unsigned first, unsigned last)
{
  const unsigned most = 1 << 20;

#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
#endif
  for (; first <= last && first < most; ++first) close((int) first);
}

/* A descriptor that is closed must not become a file of the queue. Reading the stand-in fails, as it did before. */
static int hold_standard_descriptors(void)
{
  int fd;

  for (fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_WRONLY) != fd) return -1;
  return 0;
}

/* Ignoring a signal first drops one that is pending. */
static void reset_signals(void)
{
  static const struct itimerval never;
  sigset_t none;
  int number;

  for (number = ITIMER_REAL; number <= ITIMER_PROF; ++number) setitimer(number, &never, 0);
  for (number = 1; number < NSIG; ++number) {
    signal(number, SIG_IGN);
    signal(number, SIG_DFL);
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
}

/* What the program needs to start. Under a lower hard limit it would die with words of its runtime. */
static const rlim_t needed[RLIM_NLIMITS] = {
  [RLIMIT_AS] = 4UL << 30, [RLIMIT_DATA] = 4UL << 30, [RLIMIT_STACK] = 1 << 20, [RLIMIT_NOFILE] = 32, [RLIMIT_NPROC] = 16
};

/* Limits that the caller lowered for itself rise to what it may have at most; no core file of the queue's user. */
static int reset_limits(void)
{
  static const struct rlimit none;
  struct rlimit limit;
  int which;

  for (which = 0; which < RLIM_NLIMITS; ++which) {
    if (getrlimit(which, &limit) == -1) continue;
    if (limit.rlim_max < needed[which]) return -1;
    limit.rlim_cur = limit.rlim_max;
    if (which == RLIMIT_STACK && limit.rlim_cur > 8UL << 20) limit.rlim_cur = 8UL << 20;
    setrlimit(which, &limit);
  }
  setrlimit(RLIMIT_CORE, &none);
  return 0;
}

/* Of what the caller says, the one word that qmail-queue(8) knows. */
int main(int argc, char **argv)
{
  static char name[] = "qmail-queue";
  static char stays[] = "--resident";
  char *arguments[] = { name, argc == 2 && strcmp(argv[1], stays) == 0 ? stays : 0, 0 };
  char *environment[] = { 0 };

  if (hold_standard_descriptors() == -1) return no_descriptor;
  close_between(3, custom_text - 1);
  close_between(custom_text + 1, ~0u);
  reset_signals();
  if (reset_limits() == -1) return no_memory;
  umask(033);
  if (chdir("/") == -1) return no_home;
  execve(PROGRAM, arguments, environment);
  return no_program;
}
