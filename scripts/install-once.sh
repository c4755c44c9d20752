#!/bin/sh
# Installs the packages on the first `npm start` or `npm test` of a clone, and after package-lock.json changed.
set -e
cd "$(dirname "$0")/.."
if [ -x node_modules/.bin/bun ] && [ node_modules/.package-lock.json -nt package-lock.json ]; then exit 0; fi
echo 'qmail-ts: installing packages (first time only)' >&2
npm ci --no-audit --no-fund --loglevel=error >&2
touch node_modules/.package-lock.json
