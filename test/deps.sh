#!/bin/sh
# Installs the real programs that the tests talk to, where they are missing and
# where it may: as root on Debian. Elsewhere it says what is skipped and why.
# In CI (CI=true) a missing program is a failure.
set -eu

missing=""
need() { # need "PACKAGE …" COMMAND …: the packages, unless the command succeeds
	packages=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $packages"
}
need git git --version
need "gcc libc6-dev" gcc --version # the race detector wants it
need python3 python3 -c 'import smtplib, email'
need curl curl --version
need swaks swaks --version
need "git-email libmailtools-perl" perl -e 'use Mail::Address; exit !-x "/usr/lib/git-core/git-send-email"'
need "libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl" perl -e 'use IO::Socket::SSL; use Authen::SASL'
need msmtp msmtp --version
need s-nail s-nail -V
need "php-cli libphp-phpmailer" php -r 'exit(is_file("/usr/share/php/libphp-phpmailer/src/PHPMailer.php") ? 0 : 1);'
need systemd systemd-analyze --version
need prometheus promtool --version
need zsh zsh --version
need fish fish --version
need man-db man --version
need lintian lintian --version
need rpm rpm --version
need buildah buildah --version
need docker-compose docker-compose --version
need "podman runc" sh -c 'podman --version && runc --version'
need "nodejs node-nodemailer" env NODE_PATH=/usr/share/nodejs node -e 'require("nodemailer")'
need postfix sh -c 'command -v smtp-sink && command -v postfix'
need "chromium fonts-dejavu-core" chromium --version
need prometheus-alertmanager amtool --version
need python3-django /usr/bin/python3 -c 'import django'
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	# policy-rc.d keeps packages from starting services while they are set up.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
		trap 'rm -f "$policy"' EXIT
	fi
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of names
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi
if [ "${CI:-}" = true ]; then
	echo "missing, and not to be installed without root and apt-get:$missing" >&2
	exit 1
fi
echo "not installed, for want of root or apt-get:$missing; the tests that talk to them are skipped"
