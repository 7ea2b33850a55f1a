#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# From a fresh clone to a rootless pod with a published port, in one command:
# installs what is missing, builds, and runs a small web server in a pod, as
# an ordinary account. As root, or as a user (with sudo where something has to
# be installed or opened).
#
#   sh setup/quickstart.sh              the demonstration
#   sh setup/quickstart.sh ARG...       podsplice run ARG..., as that account
set -eu
TOP=$(cd "$(dirname "$0")/.." && pwd)
HOME_OF_DEMO=/var/lib/podsplice-demo

say()
{
	echo "quickstart: $*" >&2
}

die()
{
	say "$*"
	exit 125
}

# Whoever runs this is an ordinary account already, or makes one.
if [ "$(id -u)" = 0 ]; then
	ROOT=
	ACCOUNT=podsplice-demo
else
	ROOT=none
	if command -v sudo >/dev/null; then
		if sudo -n true 2>/dev/null; then
			ROOT='sudo -n'
		elif [ -t 0 ]; then
			ROOT=sudo
		fi
	fi
	ACCOUNT=$(id -un)
fi

sh "$TOP/setup/deps.sh" build demo || exit 125

# Build, in the clone where it can be written
BUILD=$TOP/build
[ -w "$TOP" ] || BUILD=${XDG_CACHE_HOME:-$HOME/.cache}/podsplice-build
log=$(mktemp)
built()
{
	[ -f "$BUILD/build.ninja" ] ||
		meson setup -Dtests=false "$BUILD" "$TOP" || return 1
	ninja -C "$BUILD" setup/podsplice
}
if ! built >"$log" 2>&1 </dev/null; then
	tail -n 30 "$log" >&2
	rm -f "$log"
	die "the build failed"
fi
rm -f "$log"
PODSPLICE=$BUILD/setup/podsplice

# The account, and the binary where the account can execute it
if [ "$(id -u)" = 0 ]; then
	sh "$TOP/setup/account.sh" "$ACCOUNT" || exit 125
	uid=$(id -u "$ACCOUNT") gid=$(id -g "$ACCOUNT")
	install -d -m 755 "$HOME_OF_DEMO"
	install -d -m 700 -o "$uid" -g "$gid" "$HOME_OF_DEMO/home"
	# a new file each time: the one of a running pod is not touched
	install -m 755 "$PODSPLICE" "$HOME_OF_DEMO/podsplice.new"
	mv -f "$HOME_OF_DEMO/podsplice.new" "$HOME_OF_DEMO/podsplice"
	PODSPLICE=$HOME_OF_DEMO/podsplice
	# root's own runtime directory is closed to the account
	unset XDG_RUNTIME_DIR SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS || :
fi

# "exec as_account CMD" can't be: a function is no program
AS="env"
if [ "$(id -u)" = 0 ]; then
	AS="setpriv --reuid=$uid --regid=$gid --init-groups -- env
HOME=$HOME_OF_DEMO/home USER=$ACCOUNT LOGNAME=$ACCOUNT"
fi

# The TAP device
tun_opens()
{
	$AS sh -c 'exec 3<>/dev/net/tun' 2>/dev/null
}
if ! tun_opens; then
	how="as root: chmod 0666 /dev/net/tun"
	if [ ! -e /dev/net/tun ]; then
		how="as root: modprobe tun; mkdir -p /dev/net; \
mknod -m 0666 /dev/net/tun c 10 200"
	fi
	[ "$ROOT" != none ] || die "/dev/net/tun can't be opened by $ACCOUNT ($how)"
	if [ ! -e /dev/net/tun ]; then
		$ROOT modprobe tun 2>/dev/null || :
		[ -e /dev/net/tun ] || {
			$ROOT mkdir -p /dev/net
			$ROOT mknod /dev/net/tun c 10 200 || :
		}
	fi
	$ROOT chmod 0666 /dev/net/tun || :
	tun_opens || die "/dev/net/tun can't be opened by $ACCOUNT ($how)"
	say "opened /dev/net/tun to all users, as most distributions have it"
fi

if [ $# -gt 0 ]; then
	$AS test -x . || cd /
	# shellcheck disable=SC2086 # words of a command
	exec $AS "$PODSPLICE" run "$@"
fi

# The demonstration. Port N, or the next one that nobody has.
free_port()
{
	port=$1
	while awk -v "hex=:$(printf %04X "$port")" '
		$4 == "0A" && substr($2, length($2) - 4) == hex { n = 1 }
		END { exit !n }' /proc/net/tcp /proc/net/tcp6 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}
WEB=$(free_port 8080)
LOAD=$(free_port $((WEB + 1)))

WWW=$(mktemp -d)
POD=
stop()
{
	trap - EXIT
	if [ "$POD" ]; then
		kill "$POD" 2>/dev/null || :
		wait "$POD" 2>/dev/null || :
	fi
	rm -rf "$WWW"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
chmod 755 "$WWW"
echo "Hello from a rootless pod." >"$WWW/index.html"

# the pod: a web server, and the sink and source of the measurement
# shellcheck disable=SC2016 # for the shell in the pod
$AS "$PODSPLICE" run -p "$WEB:80" -p "$LOAD:81" -- sh -c '
	busybox httpd -p 80 -h "$1" && exec "$2" bench-load serve 0.0.0.0 81' \
	sh "$WWW" "$PODSPLICE" </dev/null >"$WWW/.log" 2>&1 &
POD=$!

tries=0
until page=$(curl -fsS --noproxy '*' --max-time 5 \
	"http://127.0.0.1:$WEB/" 2>"$WWW/.curl"); do
	tries=$((tries + 1))
	if [ $tries -gt 100 ] || ! kill -0 "$POD" 2>/dev/null; then
		cat "$WWW/.log" "$WWW/.curl" >&2
		die "the pod did not answer on port $WEB"
	fi
	sleep 0.1
done

measure() # ARG...: Gbit/s through the published port
{
	"$PODSPLICE" bench-load bulk --seconds 2 "$@" 127.0.0.1 "$LOAD" \
		2>>"$WWW/.log" | sed -n \
		's/.*"bits_per_second":\([0-9]*\).*/\1/p' |
		awk '{ printf "%.1f", $1 / 1e9 }'
}
up=$(measure)
down=$(measure --reverse)
if [ -z "$up" ] || [ -z "$down" ]; then
	cat "$WWW/.log" >&2
	die "the measurement through port $LOAD failed"
fi

again="sh setup/quickstart.sh"
[ "$(id -u)" = 0 ] || again="$PODSPLICE run"
addresses=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -v : | head -n 1) || :
cat <<END
What happened, as the ordinary account $ACCOUNT ($($AS id -u)):
  podsplice run -p $WEB:80 -- busybox httpd ...
  curl http://127.0.0.1:$WEB/
  $page

Measured through a published port with a checked payload, one connection:
  into the pod    $up Gbit/s
  out of the pod  $down Gbit/s

What to type next:
  $again -p 8080:80 -- busybox httpd -f -p 80 -h /usr/share/doc
      a web server that other machines reach on port 8080${addresses:+:
      http://$addresses:8080/}
  $again -it -- sh
      a shell in a pod: its own network, with the way out to the world
  $again --help
      all the options; the manual: man -l setup/podsplice.1
END
[ "$(id -u)" != 0 ] || cat <<END

To undo: userdel $ACCOUNT; rm -r $HOME_OF_DEMO
END
