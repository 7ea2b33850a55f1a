# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # some are for the tests only
# Real container engines, once with the helper of the distribution ("stock")
# and once with ours. Sourced by tests/engines/*.sh, after tests/ns/lib.sh.
#
# Each of the two is a world: a home, a runtime directory and images of its
# own, and a pid namespace, in which an engine's leftovers can be told from
# everything else, and which ends them all with the test.
#
# What a container runs is this machine's: /usr and the test's own files are
# mounted into an image that has nothing but busybox.

# shellcheck source=tests/ns/rootfs_lib.sh
. "$LIB/rootfs_lib.sh"

WORLDS=${PODSPLICE_WORLDS:-stock ours}
# the files of another system, whose engines they are; none: this one's
SYSTEM=${PODSPLICE_SYSTEM-}
NAMES=$T/names # what LIBEXECDIR/podsplice is in an installation
CATATONIT=/usr/libexec/podman/catatonit
if [ "$SYSTEM" ]; then
	PODMAN=5 ROOTLESSPORT=/usr/libexec/podman/rootlessport
else
	PODMAN=4 ROOTLESSPORT=/usr/lib/podman/rootlessport
fi
VOLUMES=(-v /usr:/usr:ro -v "$T:$T:ro")

# needs CMD...: what has to be there for the script
needs()
{
	local cmd
	for cmd in "$CATATONIT" "$@"; do
		chroot "$SYSTEM/" which "$cmd" >/dev/null || skip_all "no $cmd"
	done
}

mkdir "$NAMES"
for name in slirp4netns rootlessport; do
	ln -s "$PODSPLICE" "$NAMES/$name"
done
# the load generators under a name that isn't a helper's
cp "$PODSPLICE" "$T/load"

# what a container runs that is to be asked: 80 for net.py, 81 for loads
cat >"$T/serve.sh" <<END
python3 $T/net.py serve 80 &
python3 $T/net.py udp-serve 53 &
exec $T/load bench-load serve :: 81
END
SERVE=(sh "$T/serve.sh")

# the peer, asked by containers
PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'
spawn load "${IN_PEER[@]}" "$T/load" bench-load serve :: 9001
wait_port peer 9001 || bail 'no load server on the other host'
# the resolver of lib.sh's resolv.conf, which knows one name
spawn resolver "${IN_PEER[@]}" dnsmasq --keep-in-foreground --pid-file \
	--conf-file=/dev/null --no-hosts --no-resolv "--address=/far.example/$FAR4"
wait_port peer 53 u || bail 'no resolver on the other host'

# `ip netns exec`, by which lib.sh makes its hosts, mounts a /sys without them
CGROUPS=$(awk '
	$3 == "tmpfs" && $2 == "/sys/fs/cgroup" || $3 ~ /^cgroup2?$/ {
		sub(/^ro,/, "rw,", $4)
		printf "mkdir -p %s; mount -t %s -o %s cgroup %s; ",
			$2, $3, $4, $2
	}' /proc/mounts)

# to the other system, in which the test's own files and ids are, too
ENTER=
# shellcheck disable=SC2016 # for the inner shell
[ -z "$SYSTEM" ] || ENTER="R=$SYSTEM T=$T"'
	mount --bind "$R" "$R"
	mount -t proc proc "$R/proc"
	mount --rbind /sys "$R/sys"
	mount --rbind /dev "$R/dev"
	mount -t tmpfs -o mode=755 run "$R/run"
	mount -t tmpfs -o mode=755 etc "$R/mnt"
	cp -a "$R/etc/." "$R/mnt"
	for f in passwd group subuid subgid resolv.conf; do
		cp "/etc/$f" "$R/mnt/$f"
	done
	mount --move "$R/mnt" "$R/etc"
	mount -t tmpfs -o mode=1777 tmp "$R/tmp"
	mkdir "$R$T" "$R/tmp/.old"
	mount --rbind "$T" "$R$T"
	cd "$R"
	pivot_root . tmp/.old
	umount -l /tmp/.old
	rmdir /tmp/.old
'

# world stock|ours: from now on as_user and the like are in that one
world()
{
	local home=$WORK/$1 runtime=$T/${1:0:1} # API sockets: < 108 characters
	local conf=$home/.config/containers path=/usr/bin:/bin:/usr/sbin:/sbin
	WORLD=$1
	install -d -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$home" "$home/.config" \
		"$conf" "$conf/containers.conf.d"
	install -d -m 700 -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$runtime"
	printf '%s\n' '[network]' 'default_rootless_network_cmd = "slirp4netns"' \
		'[engine]' 'cgroup_manager = "cgroupfs"' \
		'events_logger = "file"' 'runtime = "runc"' \
		>"$conf/containers.conf"
	if [ "$1" = ours ]; then
		sed "s|@names@|$NAMES|" \
			"$TOP/setup/dist/examples/podman$PODMAN.conf.in" \
			>"$conf/containers.conf.d/podsplice.conf"
		path=$NAMES:$path
	fi
	# shellcheck disable=SC2016 # for the inner shell
	# the mark: when the test breaks off, this is found, and ends them all
	spawn "init-$1" "${IN_HOST[@]}" env "$MARK" unshare --pid --fork --mount-proc \
		sh -ec "$CGROUPS$ENTER"': >"$1"; shift; exec "$@"' sh \
		"$T/there-$1" setpriv "--reuid=$ACCOUNT_UID" \
		"--regid=$ACCOUNT_GID" --init-groups -- "$CATATONIT" -P
	UNSHARE=$PID
	wait_for "$GUARD" test -e "$T/there-$1" || bail "the world $1"
	INIT=$(children "$UNSHARE" | tr -d ' ')
	AS_USER=(nsenter -t "$INIT" -n -m -p -- setpriv "--reuid=$ACCOUNT_UID"
		"--regid=$ACCOUNT_GID" --init-groups -- "${CLEAN_ENV[@]}"
		"PATH=$path" "HOME=$home" "XDG_RUNTIME_DIR=$runtime")
	# those that podman has for a container with ports
	HELPERS=$(by_world "/usr/bin/slirp4netns $ROOTLESSPORT" "$PODSPLICE")
}

# engine CMD...: as the account in this world, guarded. OUT, ERR, STATUS.
engine()
{
	caught "${AS_USER[@]}" "$@"
}

# works NAME CMD...: it must succeed
works()
{
	local name=$1
	shift
	engine "$@"
	is "$STATUS" 0 "$WORLD: $name"
	[ "$STATUS" = 0 ] || {
		note "$ERR"
		return 1
	}
}

# prints WANT NAME CMD...: it must print that
prints()
{
	local want=$1 name=$2
	shift 2
	engine "$@"
	is "$OUT" "$want" "$WORLD: $name"
	[ "$OUT" = "$want" ] || note "$ERR"
}

# by_world STOCK OURS: the one that is for this world
by_world()
{
	if [ "$WORLD" = stock ]; then
		echo "$1"
	else
		echo "$2"
	fi
}

# box_tar: the image's files, in $T/box.tar
box_tar()
{
	[ ! -e "$T/box.tar" ] || return 0
	make_rootfs "$T/box"
	ln -sT usr/lib "$T/box/lib"
	ln -sT usr/lib64 "$T/box/lib64"
	tar -C "$T/box" -cf "$T/box.tar" .
	chmod 644 "$T/box.tar"
}

# box: makes the image of that name
box()
{
	box_tar
	works 'an image' podman import -c 'EXPOSE 80' -c 'ENV PATH=/usr/bin:/bin' \
		"$T/box.tar" box
}

answers()
{
	peer_net who "$1" "$2" | grep -qE '(same|other)-port$'
}

# served ADDR PORT: until net.py answers there, asked by the peer
served()
{
	wait_for "$GUARD" answers "$1" "$2" && return
	not_ok "$WORLD: a container answers at $1:$2"
	note "$(peer_net who "$1" "$2")"
	return 1
}

# server_pid: of SERVE, in this world
server_pid()
{
	in_world pgrep -x bench-server
}

# served_anew PID: until there is another than that one
served_anew()
{
	wait_for "$GUARD" eval "server_pid | grep -vqx '$1'" && return
	not_ok "$WORLD: a container comes back"
	return 1
}

# in_world CMD...: as root, among its processes
in_world()
{
	nsenter -t "$INIT" -m -p -- "$@"
}

# the programs of processes of this world that are network helpers
helpers_here()
{
	in_world find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -printf '%l\n' \
		2>/dev/null |
		grep -E '/(podsplice|slirp4netns|rootlessport|pasta[^/]*)$' |
		sort -u | paste -sd' '
}

# speed CMD...: Gbit/s that bench-load says, run by CMD...
speed()
{
	guard "$@" 2>&1 </dev/null | sed -n \
		's/.*"bits_per_second":\([0-9]*\)[0-9]\{7\},.*/\1/p' |
		awk '{ printf "%.1f\n", $1 / 100 } END { if (!NR) print "none" }'
}

# INSIDE: what runs a program in the container, in this world
INSIDE=(podman exec web)

# sees WANT NAME ARGS...: what net.py ARGS must print in the container
sees()
{
	local want=$1 name=$2
	shift 2
	prints "$want" "$name" "${INSIDE[@]}" python3 "$T/net.py" "$@"
}

# its address and its route come by router advertisement
advertised()
{
	engine "${INSIDE[@]}" ip -6 route show default
	[ "$OUT" ] || return
	engine "${INSIDE[@]}" ip -6 -o addr show scope global
	[ "$OUT" ] && [ "$OUT" = "${OUT/tentative/}" ]
}

# outgoing6 NAME: it reaches the world over IPv6, once it has been told how
outgoing6()
{
	wait_for 20 advertised
	sees "$HOST6 other-port" "$1: out, IPv6" who "$FAR6" 9000
}

# outgoing NAME: what the container reaches
outgoing()
{
	sees "$HOST4 other-port" "$1: out" who "$FAR4" 9000
	sees "$HOST4 other-port" "$1: out, to a name" who far.example 9000
	sees OK "$1: much goes out" put "$FAR4" 9000 3000000
	sees OK "$1: ... and in" get "$FAR4" 9000 3000000
	sees ECONNREFUSED "$1: refused" connect "$PEER4" 9
	spliced "$1"
}

# the process that has the connection to the other host's server
owner()
{
	in_host ss -Htnp state established "dst $FAR4:9000" |
		sed -n 's/.*pid=\([0-9]*\).*/\1/p'
}

# spliced NAME: ours moves what goes out by a process that has no TAP
spliced()
{
	local taps
	rm -f "$T/end"
	spawn "hold-$WORLD" "${AS_USER[@]}" "${INSIDE[@]}" sh -c \
		"until [ -e $T/end ]; do sleep 0.1; done |
		python3 $T/net.py hold $FAR4 9000"
	wait_for "$GUARD" listens owner
	taps=$(grep -lE '^iff:' "/proc/$(owner)/fdinfo"/* | wc -l)
	is "$taps" "$(by_world 1 0)" "$WORLD: $1: who moves what goes out"
	touch "$T/end"
	reap "$PID"
	is "$STATUS $(tail -n 1 "$T/hold-$WORLD.out")" '0 still open' \
		"$WORLD: $1: ... it stays open"
}

# incoming NAME SEEN: what reaches SERVE's at 8080 and 5353/udp of the host.
# SEEN: the other host as the server sees it
incoming()
{
	is "$(peer_net who "$HOST4" 8080)" "$2" "$WORLD: $1: the client's address"
	is "$(peer_net udp "$HOST4" 5353)" "OK ${2% *}" "$WORLD: $1: UDP"
	is "$(peer_net get "$HOST4" 8080 3000000)" OK "$WORLD: $1: a download"
	is "$(peer_net put "$HOST4" 8080 3000000)" OK "$WORLD: $1: an upload"
	like "$(host_net who 127.0.0.1 8080)" "^(10|${2%%.*})\\." \
		"$WORLD: $1: a client on the host"
}

LOAD=("$T/load" bench-load bulk --seconds 1)

# figures NAME [PORT]: the speed of streams, checked, out of the container, and
# into it by the port of SERVE's loads
figures()
{
	local in=- out
	[ $# = 1 ] || in=$(speed "${IN_PEER[@]}" "${LOAD[@]}" "$HOST4" "$2")
	out=$(speed "${AS_USER[@]}" "${INSIDE[@]}" "${LOAD[@]}" "$FAR4" 9001)
	unlike "$in $out" none "$WORLD: $1: streams"
	note "Gbit/s, $WORLD, $1: in $in, out $out"
}

# Processes of this world, but for its init and the one that podman keeps to
# hold its user namespace by
others_here()
{
	in_world ps -eo args= | grep -vxE '(.*/)?catatonit -P|ps -eo args='
}

nobody_here()
{
	[ -z "$(others_here)" ]
}

# deserted NAME: the engine ended everything it began, soon
deserted()
{
	if wait_for 10 nobody_here; then
		ok "$WORLD: $1: no process is left"
	else
		not_ok "$WORLD: $1: no process is left"
		note "$(others_here)"
	fi
	is "$(ports_of_host)" "$PORTS_BEFORE" "$WORLD: $1: no port stays taken"
	is "$(links_of_host)" "eth0@if${PEER_IFINDEX} lo " \
		"$WORLD: $1: no device is left"
}

# world_end: nothing of it is needed any more
world_end()
{
	kill -TERM "$INIT"
	reap "$UNSHARE"
	# files of mapped ids
	rm -rf --one-file-system "${WORK:?}/$WORLD" "${T:?}/${WORLD:0:1}" \
		"$T/there-$WORLD"
}
