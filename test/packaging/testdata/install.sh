#!/bin/sh
# Runs within a fresh Debian, as root: the life of the package. /tmp/old.deb is installed,
# configured and used, upgraded to /tmp/new.deb, removed and purged.
set -eux
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

files() { find / -xdev \( -path /proc -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /run/systemd \) -prune -o -print | sort; }
# dpkg, shadow and systemd-analyze keep backups, logs and locks of their own.
names() { grep -Ev '^/(etc/(passwd|group|shadow|gshadow|subuid|subgid)-|etc/\.pwd\.lock|var/lib/dpkg/.*-old)$' "$1"; }
is() { [ "$1" = "$2" ]; }

files >/tmp/before
sort /etc/passwd /etc/group >/tmp/users-before
dpkg -i /tmp/old.deb

# Installed: the service's user, its configuration, its unit, the names of sendmail.
id heyrelay
is "$(stat -c '%a %U %G' /etc/heyrelay/heyrelay.yaml)" "640 root heyrelay"
is "$(readlink -f /usr/sbin/sendmail)" /usr/bin/heyrelay
is "$(readlink -f /usr/bin/mailq)" /usr/bin/heyrelay
is "$(readlink -f /usr/bin/newaliases)" /usr/bin/heyrelay
systemd-analyze verify --man=no /usr/lib/systemd/system/heyrelay*
systemd-analyze security --offline=true --no-pager --threshold=20 heyrelay.service | tail -1

# Configured: the conffile is edited, mail waits in the spool. systemd would make these
# directories; it does not run here, and there is no network.
install -d -o heyrelay -g heyrelay -m 700 /var/lib/heyrelay /run/credentials/heyrelay.service
install -d -o heyrelay -g heyrelay /run/heyrelay
mount -t tmpfs none /var/lib/heyrelay # the spool has a volume of its own
chown heyrelay:heyrelay /var/lib/heyrelay
chmod 700 /var/lib/heyrelay
echo secret >/etc/heyrelay/heymarket_key
echo secret >/run/credentials/heyrelay.service/heymarket_key
chown heyrelay /run/credentials/heyrelay.service/heymarket_key
sed -i 's/inbox: 202/inbox: 303/' /etc/heyrelay/heyrelay.yaml
cat >>/etc/heyrelay/heyrelay.yaml <<'EDIT'
listeners: [{address: "unix:/run/heyrelay/smtp.sock"}]
heymarket: {base_url: "http://127.0.0.1:9"}
EDIT
cp -p /etc/heyrelay/heyrelay.yaml /tmp/edited
serve() { # serve COMMAND …: runs the command while heyrelay serves
	setpriv --reuid=heyrelay --regid=heyrelay --clear-groups heyrelay serve >/tmp/log 2>&1 &
	server=$!
	for _ in $(seq 100); do
		heyrelay health >/dev/null && break
		sleep 0.1
	done
	"$@" || { cat /tmp/log; exit 1; }
	kill "$server"
	wait "$server"
}
submit() { printf 'From: app@example.com\nTo: alice@example.com\nSubject: Upgrade\n\nHello\n' | /usr/sbin/sendmail -t; }
serve submit
heyrelay queue list >/tmp/queue-before
grep alice@example.com /tmp/queue-before

# Upgraded: the edited configuration and the mail are still there, and are used.
dpkg --force-confdef -i /tmp/new.deb
cmp /tmp/edited /etc/heyrelay/heyrelay.yaml
is "$(stat -c '%a %U %G' /etc/heyrelay/heyrelay.yaml)" "640 root heyrelay"
grep -q 'A new version' /etc/heyrelay/heyrelay.yaml.dpkg-dist
is "$(stat -c '%a %U' /var/lib/heyrelay/heyrelay.db)" "600 heyrelay"
serve submit
is "$(heyrelay queue list --json | grep -c alice@example.com)" 2

# Removed: the program is gone, configuration and mail are not.
dpkg -r heyrelay
[ ! -e /usr/bin/heyrelay ]
[ ! -L /usr/sbin/sendmail ]
cmp /tmp/edited /etc/heyrelay/heyrelay.yaml
[ -e /var/lib/heyrelay/heyrelay.db ]

# Purged: nothing is left.
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /lib/systemd/system/heyrelay.service /etc/systemd/system/multi-user.target.wants/heyrelay.service
dpkg -P heyrelay
is "$(ls -A /var/lib/heyrelay)" ""
umount /var/lib/heyrelay
rmdir /var/lib/heyrelay
rm -rf /run/credentials /run/heyrelay
files >/tmp/after
names /tmp/before >/tmp/names-before
names /tmp/after >/tmp/names-after
diff /tmp/names-before /tmp/names-after
sort /etc/passwd /etc/group | diff /tmp/users-before -
echo "purge leaves nothing"
