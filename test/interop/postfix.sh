#!/bin/sh
# Prints the directory of Postfix's test programs (smtp-source, smtp-sink, qmqp-source, qmqp-sink). With the word `fetch`
# they are taken from Debian first, if they are not there yet: the package, and the libraries that this machine lacks,
# are unpacked there and not installed, so no daemon starts. Exit 1: there are none.
set -eu
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/qmail-ts
place=$cache/postfix

libraries() {
  for directory in "$1"/usr/lib/postfix "$1"/usr/lib/*-linux-gnu*; do
    if [ -d "$directory" ]; then printf '%s:' "$directory"; fi
  done
}
complete() {
  if LD_LIBRARY_PATH=$(libraries "$1") ldd "$1/usr/sbin/smtp-source" | grep -q 'not found'; then return 1; fi
}
# Unpacks the newest of a package into the directory.
take() {
  (cd "$1" && apt-get download -qq "$2" >/dev/null 2>&1 && for file in *.deb; do dpkg -x "$file" . && rm "$file"; done)
}

if [ ! -x "$place/usr/sbin/smtp-sink" ]; then
  [ "${1:-}" = fetch ] && command -v apt-get >/dev/null && command -v dpkg >/dev/null || exit 1
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/postfix.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  take "$work" postfix
  if ! complete "$work"; then
    for library in $(apt-cache depends postfix | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p' | grep -vx libc6); do
      take "$work" "$library"
    done
    complete "$work"
  fi
  mv -T "$work" "$place"
fi
echo "$place"
libraries "$place"
echo
