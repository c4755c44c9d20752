# The launchers of bin/ end here: runs the program $name from source, in the tree $root, with the caller's arguments.
# Bun is a package beside this one, or in it; where nobody ran its install script, its executable is still in a package
# for each kind of machine. Last of all it is looked for in PATH.
# shellcheck shell=sh disable=SC2154

# What packages of this package are in. Only npm's own folder is searched: whoever may write around a clone is a stranger.
beside=
case $root in */node_modules/qmail-ts) beside=${root%/*} ;; esac
bun=
for found in "$root"/node_modules/@oven/bun-linux-*/bin/bun "$root/node_modules/.bin/bun" \
  ${beside:+"$beside"/@oven/bun-linux-*/bin/bun "$beside/.bin/bun"}; do
  if [ -x "$found" ]; then
    bun=$found
    break
  fi
done
[ -n "$bun" ] || bun=$(command -v bun) || {
  echo "$name: fatal: unable to find bun, which runs it: npm install -g bun" >&2
  exit 111
}

# Nothing in the directory where somebody happens to stand has a say in what runs, or in whose environment.
exec "$bun" --no-env-file --config=/dev/null --no-install "$root/src/main.ts" "$name" "$@"
