/*
 * Runs a program whose every write is cut to its first half, as a pipe, a socket or a disk that is nearly full may do
 * it: strace can make a call fail, but not do it in part. Threads and children are cut, too, where -f is given.
 *
 *   halves [-D] [-f] [-n NUMBER] -o TRACE PROGRAM [ARGUMENT ...]
 *
 * With -n only the write of that number is cut; 0 is none, and TRACE names those that could be.
 *
 * As with strace -D, the program stays the child of who started it. Each cut is a line of TRACE. For x86-64.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "halves: %s: %s\n", what, strerror(errno));
  _exit(111);
}

/* The runtime's own descriptors, such as an eventfd, take a number or nothing. */
static int is_runtimes(pid_t thread, unsigned long long fd) {
  char path[64], target[64];
  ssize_t length;
  snprintf(path, sizeof path, "/proc/%d/fd/%llu", thread, fd);
  length = readlink(path, target, sizeof target);
  return length >= 10 && memcmp(target, "anon_inode", 10) == 0;
}

/* Of the writes that can be cut: the only one that is, or -1 for all; those so far. */
static long only = -1, writes;

/* At the entry of a call a write of more than one byte becomes one of half as many. */
static void cut(pid_t thread, FILE *trace) {
  struct user_regs_struct regs;
  unsigned long long all;
  if (ptrace(PTRACE_GETREGS, thread, 0, &regs) == -1) return;
  switch (regs.orig_rax) {
    case SYS_write: case SYS_pwrite64: case SYS_sendto: break;
    case SYS_writev: case SYS_pwritev: case SYS_pwritev2: break; /* half of the pieces */
    default: return;
  }
  if ((long) regs.rax != -ENOSYS) return; /* It is the end of the call. */
  all = regs.rdx;
  if (all < 2 || is_runtimes(thread, regs.rdi)) return;
  writes++;
  if (only != -1 && writes != only) {
    if (only == 0) fprintf(trace, "write %ld on %llu of %llu\n", writes, regs.rdi, all);
    if (only == 0) fflush(trace);
    return;
  }
  regs.rdx = all / 2;
  if (ptrace(PTRACE_SETREGS, thread, 0, &regs) == -1) return;
  fprintf(trace, "%d call %llu on %llu: %llu of %llu (INJECTED)\n", thread, regs.orig_rax, regs.rdi, all / 2, all);
  fflush(trace);
}

static void watch(FILE *trace) {
  for (;;) {
    int status;
    pid_t thread = waitpid(-1, &status, __WALL);
    if (thread == -1) {
      if (errno == EINTR) continue;
      return; /* Nobody is left. */
    }
    if (!WIFSTOPPED(status)) continue;
    int signal = WSTOPSIG(status);
    int event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
      cut(thread, trace);
      signal = 0;
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
      ptrace(PTRACE_LISTEN, thread, 0, 0); /* It was stopped by SIGSTOP or the like, and waits for SIGCONT. */
      continue;
    } else if (event != 0) signal = 0;
    ptrace(PTRACE_SYSCALL, thread, 0, signal);
  }
}

int main(int argc, char **argv) {
  int follow = 0, c, ready[2];
  const char *path = NULL;
  FILE *trace;
  pid_t program = getpid(), tracer;
  char byte;
  while ((c = getopt(argc, argv, "+Dfn:o:")) != -1) {
    if (c == 'f') follow = 1;
    if (c == 'n') only = atol(optarg);
    if (c == 'o') path = optarg;
    if (c == '?') return 100;
  }
  if (path == NULL || optind == argc) return 100;
  if (pipe(ready) == -1) die("pipe");
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* Where only parents may trace; elsewhere it fails. */
  tracer = fork();
  if (tracer == -1) die("fork");
  if (tracer == 0) {
    if (fork() != 0) _exit(0); /* The program shall have no child that it does not know. */
    int fd, options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
    if (follow) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    options |= PTRACE_O_TRACECLONE;
    setsid();
    trace = fopen(path, "w");
    if (trace == NULL) die(path);
    if (ptrace(PTRACE_SEIZE, program, 0, options) == -1) die("seize");
    if (ptrace(PTRACE_INTERRUPT, program, 0, 0) == -1) die("interrupt");
    /* Nobody may wait for the end of what we have open. */
    for (fd = 0; fd < 256; fd++)
      if (fd != fileno(trace) && fd != ready[1]) close(fd);
    if (write(ready[1], "", 1) != 1) _exit(111);
    close(ready[1]);
    watch(trace);
    _exit(0);
  }
  close(ready[1]);
  while (waitpid(tracer, NULL, 0) == -1 && errno == EINTR) continue;
  if (read(ready[0], &byte, 1) != 1) { fprintf(stderr, "halves: no tracer\n"); return 111; }
  close(ready[0]);
  execvp(argv[optind], argv + optind);
  die(argv[optind]);
}
