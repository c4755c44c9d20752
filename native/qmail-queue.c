/*
 * The way of local users into the queue: the one set-uid program. Owner qmailq, mode 4711, installed as
 * bin/qmail-queue. It takes away everything by which a caller could steer the compiled program, then executes it;
 * the real uid stays the caller's, because the Received field names it.
 *
 *   cc -O2 -Wall -Wextra -DPROGRAM='"/var/qmail/bin/qmail-ts"' -o qmail-queue native/qmail-queue.c
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

#ifndef PROGRAM
#error "compile with -DPROGRAM='\"/path/of/qmail-ts\"'"
#endif

/* Exit codes of qmail-queue(8). */
enum { no_home = 61, no_descriptor = 53, no_program = 120 };

/* Where a refusal of the program is explained in the caller's words. */
enum { custom_text = 6 };

static void close_between(unsigned first, unsigned last)
{
  struct rlimit files;
  unsigned fd;

#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
#endif
  if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_max > 1048576) files.rlim_max = 1048576;
  for (fd = first; fd <= last && fd < files.rlim_max; ++fd) close((int) fd);
}

/* A descriptor that is closed must not become a file of the queue. Reading the stand-in fails, as it did before. */
static int hold_standard_descriptors(void)
{
  int fd;

  for (fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_WRONLY) != fd) return -1;
  return 0;
}

static void reset_signals(void)
{
  static const struct itimerval never;
  sigset_t none;
  int number;

  for (number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  setitimer(ITIMER_REAL, &never, 0);
  setitimer(ITIMER_VIRTUAL, &never, 0);
  setitimer(ITIMER_PROF, &never, 0);
}

/* Limits that the caller lowered for itself rise to what it may have at most; no core file of the queue's user. */
static void reset_limits(void)
{
  static const struct rlimit none;
  const rlim_t usual_stack = 8 << 20;
  struct rlimit limit;
  int which;

  for (which = 0; which < RLIM_NLIMITS; ++which) {
    if (getrlimit(which, &limit) == -1) continue;
    limit.rlim_cur = limit.rlim_max;
    if (which == RLIMIT_STACK && limit.rlim_cur > usual_stack) limit.rlim_cur = usual_stack;
    setrlimit(which, &limit);
  }
  setrlimit(RLIMIT_CORE, &none);
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
  reset_limits();
  umask(033);
  if (chdir("/") == -1) return no_home;
  execve(PROGRAM, arguments, environment);
  return no_program;
}
