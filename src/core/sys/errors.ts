/**
 * The words for a failed system call, as qmail's programs have always said them ("file does not exist"), and which
 * failures may go away by themselves. Log readers know these words, so strerror(3) does not do.
 */
const words: Readonly<Record<string, string>> = {
  EPERM: "permission denied",
  ENOENT: "file does not exist",
  ESRCH: "no such process",
  EINTR: "interrupted system call",
  EIO: "input/output error",
  ENXIO: "device not configured",
  E2BIG: "argument list too long",
  ENOEXEC: "exec format error",
  EBADF: "file descriptor not open",
  ECHILD: "no child processes",
  EAGAIN: "temporary failure",
  ENOMEM: "out of memory",
  EACCES: "access denied",
  EFAULT: "bad address",
  ENOTBLK: "not a block device",
  EBUSY: "device busy",
  EEXIST: "file already exists",
  EXDEV: "cross-device link",
  ENODEV: "device does not support operation",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "system cannot open more files",
  EMFILE: "process cannot open more files",
  ENOTTY: "not a tty",
  ETXTBSY: "text busy",
  EFBIG: "file too big",
  ENOSPC: "out of disk space",
  ESPIPE: "unseekable descriptor",
  EROFS: "read-only file system",
  EMLINK: "too many links",
  EPIPE: "broken pipe",
  EDOM: "input out of range",
  ERANGE: "output out of range",
  EDEADLK: "operation would cause deadlock",
  ENAMETOOLONG: "file name too long",
  ENOLCK: "no locks available",
  ENOSYS: "system call not available",
  ENOTEMPTY: "directory not empty",
  ELOOP: "symbolic link loop",
  ENOMSG: "no message of desired type",
  EIDRM: "identifier removed",
  ENOSTR: "not a stream device",
  ETIME: "timer expired",
  ENOSR: "out of stream resources",
  ENOLINK: "link severed",
  EPROTO: "protocol error",
  EMULTIHOP: "multihop attempted",
  EBADMSG: "bad message type",
  EUSERS: "too many users",
  ENOTSOCK: "not a socket",
  EDESTADDRREQ: "destination address required",
  EMSGSIZE: "message too long",
  EPROTOTYPE: "incorrect protocol type",
  ENOPROTOOPT: "protocol not available",
  EPROTONOSUPPORT: "protocol not supported",
  ESOCKTNOSUPPORT: "socket type not supported",
  ENOTSUP: "operation not supported",
  EOPNOTSUPP: "operation not supported",
  EPFNOSUPPORT: "protocol family not supported",
  EAFNOSUPPORT: "address family not supported",
  EADDRINUSE: "address already used",
  EADDRNOTAVAIL: "address not available",
  ENETDOWN: "network down",
  ENETUNREACH: "network unreachable",
  ENETRESET: "network reset",
  ECONNABORTED: "connection aborted",
  ECONNRESET: "connection reset",
  ENOBUFS: "out of buffer space",
  EISCONN: "already connected",
  ENOTCONN: "not connected",
  ESHUTDOWN: "socket shut down",
  ETOOMANYREFS: "too many references",
  ETIMEDOUT: "timed out",
  ECONNREFUSED: "connection refused",
  EHOSTDOWN: "host down",
  EHOSTUNREACH: "host unreachable",
  EALREADY: "operation already in progress",
  EINPROGRESS: "operation in progress",
  ESTALE: "stale NFS file handle",
  EDQUOT: "disk quota exceeded",
};

/** Failures of the machine's state rather than of the request (the reference's error_temp). */
const passing: ReadonlySet<string> = new Set([
  "EINTR",
  "ENOMEM",
  "ETXTBSY",
  "EIO",
  "ETIMEDOUT",
  "EAGAIN",
  "EDEADLK",
  "EBUSY",
  "ENFILE",
  "EMFILE",
  "EFBIG",
  "ENOSPC",
  "ENETDOWN",
  "ENETUNREACH",
  "ENETRESET",
  "ECONNABORTED",
  "ECONNRESET",
  "ENOBUFS",
  "ETOOMANYREFS",
  "ECONNREFUSED",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "EUSERS",
  "EDQUOT",
  "ESTALE",
  "ENOLCK",
]);

/** The name of an errno, whatever its sign: ENOENT; E and the number if it has none here. */
export function errorName(number: number): string {
  const positive = Math.abs(number);
  // Not imported: few programs ever fail, and all would load it.
  const { constants: os } = process.getBuiltinModule("node:os");
  return Object.entries(os.errno).find(([, value]) => value === positive)?.[0] ?? `E${positive}`;
}

/** The words for an errno, by its number (whatever its sign) or its name. */
export function errorText(errno: number | string): string {
  return words[typeof errno === "string" ? errno : errorName(errno)] ?? "unknown error";
}

/** Whether a failed call may work later. `code` is the errno's name, as in the `code` of a SystemError. */
export function mayPass(code: string): boolean {
  return passing.has(code);
}
