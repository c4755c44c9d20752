#!/bin/sh
# Records the tree beside this file: what a notqmail leaves when it is stopped with mail in every state. The first
# argument is the source of notqmail, built with `make it`; root. Nothing of the machine changes.
#   unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc sh record.sh SOURCE | gzip -9n >tree.tar.gz
set -eu
source=$1
mkdir -p /var/qmail
mount -t tmpfs -o mode=0755 tmpfs /mnt
mount -t tmpfs -o mode=0755 tmpfs /var/qmail
ip link set lo up
mkdir /mnt/home /mnt/home/ann /mnt/home/joe
grep -v ':10[0-9][0-9]:' /etc/passwd >/mnt/passwd
grep -v ':10[0-9][0-9]:' /etc/group >/mnt/group
cat >>/mnt/passwd <<'END'
alias:x:1001:1001::/var/qmail/alias:/bin/true
qmaild:x:1002:1001::/var/qmail:/bin/true
qmaill:x:1003:1001::/var/qmail:/bin/true
qmailp:x:1004:1001::/var/qmail:/bin/true
qmailq:x:1005:1002::/var/qmail:/bin/true
qmailr:x:1006:1002::/var/qmail:/bin/true
qmails:x:1007:1002::/var/qmail:/bin/true
joe:x:1008:1008::/mnt/home/joe:/bin/sh
ann:x:1009:1009::/mnt/home/ann:/bin/sh
END
printf 'nofiles:x:1001:\nqmail:x:1002:\njoe:x:1008:\nann:x:1009:\n' >>/mnt/group
mount --bind /mnt/passwd /etc/passwd
mount --bind /mnt/group /etc/group
cd "$source"
./instpackage >&2 && ./instchown >&2
./config-fast mail.example.org >&2
cd /var/qmail
PATH=/var/qmail/bin:$PATH
echo 'example.com:ann-com' >control/virtualdomains
echo 'example.com' >>control/rcpthosts
echo 'more.example' >control/morercpthosts && qmail-newmrh
echo ':127.0.0.1:1' >control/smtproutes
echo '+list-:joe:1008:1008:/mnt/home/joe:-:list-:
=sales:ann:1009:1009:/mnt/home/ann:::
.' >users/assign && qmail-newu
echo '&ann' >alias/.qmail-postmaster
printf '&ann\n&joe\n' >alias/.qmail-staff
maildirmake /mnt/home/ann/Maildir
echo './Maildir/' >/mnt/home/ann/.qmail
echo './Maildir/' >/mnt/home/ann/.qmail-com-default
echo './Mailbox' >/mnt/home/joe/.qmail
echo './Mailbox' >/mnt/home/joe/.qmail-list-default
chown -R ann:ann /mnt/home/ann && chown -R joe:joe /mnt/home/joe
say() { # SUBJECT RECIPIENT...
  subject=$1; shift
  printf 'Subject: %s\n\n\344\n.\nFrom here\n' "$subject" | qmail-inject -fjoe@mail.example.org "$@"
}
env - PATH="$PATH" qmail-start ./Maildir/ cat >/mnt/log &
start=$!
idle() { n=0; while find queue/todo -type f | grep -q .; do sleep 0.1; n=$((n+1)); test $n -lt 200 || { cat /mnt/log >&2; exit 1; }; done; sleep 2; }
# Delivered: into a Maildir, and an mbox.
say delivered ann@mail.example.org joe@mail.example.org
idle
# From now on nothing for ann, and nothing for other hosts: partly delivered, deferred, one with a bounce.
echo '|exit 111' >/mnt/home/ann/.qmail
say partly ann@mail.example.org joe@mail.example.org
say remote bob@far.example
say bouncing ann@mail.example.org nobody@mail.example.org
say alias staff@mail.example.org
say virtual info@example.com
say assigned list-friends@mail.example.org sales@mail.example.org
idle
kill $start && wait $start || true
say fresh ann@mail.example.org
say 'fresh remote' bob@far.example
say 'fresh virtual' sales@example.com
echo './Maildir/' >/mnt/home/ann/.qmail
cat /mnt/log >&2
rm -f queue/lock/trigger
tar -C / --sort=name --numeric-owner -cf - var/qmail/control var/qmail/alias var/qmail/users var/qmail/queue mnt/home
