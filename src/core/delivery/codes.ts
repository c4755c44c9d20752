/**
 * Exit codes by which qmail-local, qmail-getpw and the steps before them tell qmail-lspawn what went wrong; beside
 * 0 (delivered), 100 (permanent) and 111 (temporary).
 */
export const lspawnCode = {
  usage: 112,
  root: 113,
  nfs: 115,
  noAlias: 116,
  cdb: 117,
  system: 118,
  memory: 119,
  execSoft: 120,
  execGetpw: 121,
  execHard: 126,
} as const;
