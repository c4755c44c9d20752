#!/bin/sh
# Installs the packages on the first `npm start` or `npm test` of a clone, and after package-lock.json changed. Needs
# Node and npm only, as root or as the clone's owner.
set -eu
cd "$(dirname "$0")/.."
bun=node_modules/.bin/bun
stamp=node_modules/.installed

say() { echo "qmail-ts: $1" >&2; }
installed() { [ -x "$bun" ] && [ -f "$stamp" ] && [ "$(cksum <package-lock.json)" = "$(cat "$stamp")" ]; }

# A package that npm installed has no lock file, and npm put its packages in their places.
[ -f package-lock.json ] || exit 0
# A link is somebody else's installation, used here as it is.
if [ -L node_modules ] || installed; then exit 0; fi
if [ ! -w . ]; then
  say "$(pwd) is not writable for $(id -un 2>/dev/null || id -u): the packages can not be installed here"
  exit 111
fi
# Two first runs at once: one installs, the other waits. Without flock(1) that is not guarded.
if command -v flock >/dev/null 2>&1; then
  exec 9>.install.tmp
  flock 9
  installed && exit 0
fi
say 'installing packages (only the first time)'
# Not `npm ci`: it refuses a lock file that was written where a registry has not every platform's optional packages.
npm install --no-save --no-audit --no-fund --loglevel=error >&2 9>&-
# Where install scripts are off (npm's ignore-scripts, or a policy), nobody has put Bun's executable in its place.
if ! "$bun" --version >/dev/null 2>&1; then
  node node_modules/bun/install.js >&2 9>&-
  if ! "$bun" --version >/dev/null; then
    say 'node_modules/bun does not run on this machine: Linux with glibc, on x64 or arm64, is needed'
    exit 111
  fi
fi
cksum <package-lock.json >"$stamp"
