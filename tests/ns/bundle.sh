#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# OCI bundles: containers that runc and crun make, in a pod's namespaces, from
# config.json as both write it. What the user sees of them is as of any other
# container, and nothing of them is left.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pods_lib.sh"
. "$(dirname "$0")/rootfs_lib.sh"

RUNTIMES='runc crun'
for r in $RUNTIMES; do
	as_user which "$r" >/dev/null || skip_all "$r is not there"
done

PORTS_BEFORE=$(ports_of_host)
make_rootfs "$WORK/box"
install -d "$WORK/box/www/cgi-bin"
cat >"$WORK/box/www/cgi-bin/who" <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nserved from %s\n' "$REMOTE_ADDR"
END
chmod 755 "$WORK/box/www/cgi-bin/who"

# spec NAME COMMAND...: the bundle that COMMAND writes, with box as its root (not
# in the test's host, where crun wants cgroups even for that)
spec()
{
	local dir=$WORK/$1
	shift
	install -d -o "$ACCOUNT_UID" -g "$ACCOUNT_GID" "$dir"
	env -C "$dir" setpriv "--reuid=$ACCOUNT_UID" "--regid=$ACCOUNT_GID" \
		--clear-groups -- "$@" >"$T/spec.err" 2>&1 ||
		bail "$*: $(cat "$T/spec.err")"
	ln -s ../box "$dir/rootfs"
}
spec runc-rootless runc spec --rootless
spec runc runc spec
spec crun crun spec
B=$WORK/runc
sha256sum "$WORK"/*/config.json >"$T/sums"

# edit NAME STATEMENTS...: the bundle NAME, runc's with config `c` changed
edit()
{
	local dir=$WORK/$1
	shift
	mkdir -p "$dir"
	[ -e "$dir/rootfs" ] || ln -s ../box "$dir/rootfs"
	"$PY" -c '
import json, sys
c = json.load(open(sys.argv[1]))
exec(sys.argv[3])
json.dump(c, open(sys.argv[2], "w"))' "$B/config.json" "$dir/config.json" "$*"
}

of_record()
{
	container "$1" "c['$2']"
}

gone_all() # PID...
{
	local p
	for p; do
		gone "$p" || return 1
	done
}

# in front of a command, which then ends when it is told to: as pid 1, and with
# no handler, it would have to be killed after 10 s
TOLD=(sh -c 'trap exit TERM; "$@" & wait' sh)

logged() # NAME TEXT
{
	[[ $(as_user "$PODSPLICE" logs "$1" 2>&1) == *"$2"* ]]
}

for r in $RUNTIMES; do
	run()
	{
		verb run --runtime "$r" "$@"
	}

	# As each of them writes it
	for spec in runc-rootless runc crun; do
		run --bundle "$WORK/$spec" -- sh -c 'echo out; echo err >&2
			id -u; pwd; exit 7'
		is "$STATUS|$OUT|$ERR" $'7|out\n0\n/|err' "$r: a bundle of $spec"
		run --bundle "$WORK/$spec" -- sh -c 'ls /sys/class/net
			grep -c tap0 /proc/net/dev; ls -d /dev/pts/ptmx /dev/mqueue
			grep CapEff /proc/self/status'
		is "$STATUS|$OUT|$ERR" \
			$'0|lo\ntap0\n1\n/dev/mqueue\n/dev/pts/ptmx\nCapEff:\t0000000020000420|' \
			"$r: $spec: network, devices and capabilities"
	done

	# A server, alone, by another host; it is told the client's address
	run -d --name web -p 8080:80 --bundle "$B" -- \
		"${TOLD[@]}" busybox httpd -f -p 80 -h /www
	is "$STATUS|$OUT|$ERR" '0|web|' "$r: run -d"
	answers()
	{
		[ "$(in_peer curl -s --max-time 10 \
			"http://$HOST4:8080/cgi-bin/who")" = "served from $1" ]
	}
	check "$r: another host is served, and seen by its address" \
		wait_for 20 answers "[::ffff:$PEER4]"
	verb ps
	like "$OUT" 'web +running +[0-9]+ .*\*:8080->80/tcp .*sh -c trap exit' \
		"$r: ps shows its command"
	is "$(find "$RUNTIME" -name config.json -o -name state)" '' \
		"$r: nobody else sees the runtime's files"
	verb exec web -- sh -c 'id -u; pwd; cat /proc/1/comm; exit 9'
	is "$STATUS|$OUT|$ERR" $'9|0\n/\nsh|' "$r: exec"
	verb exec -u 5:6 -w /tmp -e A=1 web -- sh -c 'echo $A; id -u
		id -g; pwd'
	is "$STATUS|$OUT|$ERR" $'0|1\n5\n6\n/tmp|' "$r: exec's options"
	spawn lost "${AS_USER[@]}" "$PODSPLICE" exec web -- sleep 4321
	asleep()
	{
		as_user "$PODSPLICE" exec web -- ps -o args | grep -q '^sleep 4321'
	}
	wait_for 20 asleep || not_ok "$r: exec in the background"
	kill -KILL "$PID"
	reap "$PID"
	check "$r: what exec started goes with exec" wait_for 20 eval '! asleep'
	verb exec web -- nosuch
	unlike "$STATUS" '^0$' "$r: exec of what isn't there fails"
	verb rm -f web
	is "$STATUS $(as_user "$PODSPLICE" ps -aq)" '0 ' "$r: rm -f"

	# Its end, by itself, by stop, by force; and again
	run -d --name term --bundle "$B" -- sh -c 'trap "echo told; exit 3" TERM
		echo ready; echo wrong >&2; while :; do sleep 0.1; done'
	wait_for 20 logged term ready
	verb stop term
	check "$r: stop" container_is term "('exited', 3)"
	check "$r: its log" eval 'logged term told && logged term wrong'
	verb start term
	is "$STATUS" 0 "$r: start"
	check "$r: it runs again" container_is term "('running', None)"
	verb stop -t 0 term
	check "$r: stop -t 0" container_is term "('exited', 137)"
	verb rm term
	for sig in INT USR1 TERM; do
		pod "sig-$sig" --runtime "$r" --bundle "$B" -- sh -c \
			"trap 'echo got; exit 42' $sig; echo ready
			while :; do sleep 0.1; done"
		wait_for 20 grep -q ready "$T/sig-$sig.out"
		kill -"$sig" "$SUP"
		reap "$SUP"
		is "$STATUS $(tail -n 1 "$T/sig-$sig.out")" '42 got' \
			"$r: SIG$sig reaches the command"
	done
	run --bundle "$B" -- sh -c 'kill -KILL $(exec sh -c "echo \$PPID")'
	is "$STATUS" 0 "$r: its pid 1 is not ended by itself, as ever"
	pod killed --runtime "$r" --bundle "$B" -- sh -c 'sleep 1000 & setsid \
		sleep 1000 & echo ready; wait'
	wait_for 20 grep -q ready "$T/killed.out"
	ALL=$(family "$SUP")
	like "$(wc -w <<<"$ALL")" '^[89]|^1[0-9]' "$r: all its processes are known"
	kill -KILL "$SUP"
	reap "$SUP"
	# shellcheck disable=SC2086 # pids
	check "$r: with its supervisor killed all of them are gone" \
		wait_for 5 gone_all $ALL

	# A command that can't be started
	for c in '127 nosuch' '127 /etc/nosuch' '126 /etc' '126 /etc/issue'; do
		run --bundle "$B" -- "${c#* }"
		is "$STATUS" "${c% *}" "$r: the status of ${c#* }"
	done
	run -d --bundle "$B" -- nosuch
	is "$STATUS|$OUT" '125|' "$r: run -d of what isn't there"
	like "$ERR" "^podsplice: [^ ]*$r: .*nosuch" '... and why'

	# What the command line adds; a root that is to be written to
	edit more 'c["root"]["readonly"] = False
c["process"].update(args=["cat", "/given/note"], env=["PATH=/bin", "A=1", "B=2"])
c["mounts"].append(dict(destination="/given", type="bind", source="own", options=["bind"]))
c["hostname"] = "its-own"'
	mkdir -p "$WORK/more/own"
	install -d -o "$ACCOUNT_UID" "$WORK/vol"
	echo 'a note' >"$WORK/more/own/note"
	echo 'mine' >"$WORK/vol/file"
	run --bundle "$WORK/more"
	is "$STATUS|$OUT|$ERR" '0|a note|' \
		"$r: its own command, and a mount relative to the bundle"
	run --bundle "$WORK/more" -e A=3 -e C=4 -w /tmp -u 7:8 \
		-v "$WORK/vol:/vol:ro" -- sh -c 'echo $A$B$C; pwd; id -u; id -g
		cat /vol/file; hostname; echo >/vol/file'
	is "$STATUS|$OUT" $'1|324\n/tmp\n7\n8\nmine\nits-own' \
		"$r: -e, -w, -u and -v are added, its host name is the pod's"
	like "$ERR" 'Read-only' '... a volume read-only'
	run --hostname other --bundle "$WORK/more" -- sh -c 'hostname
		grep -c other /etc/hosts; cat /etc/resolv.conf'
	is "$OUT" $'other\n2\nnameserver '"$DNS4"$'\nnameserver '"$DNS6" \
		"$r: hosts and resolv.conf are the pod's"
	edit hosts 'c["mounts"].append(dict(destination="/etc/hosts", type="bind", source="own/note", options=["rbind"]))'
	ln -sfn ../more/own "$WORK/hosts/own"
	run --bundle "$WORK/hosts" -- cat /etc/hosts
	is "$OUT" 'a note' "$r: ... unless the bundle has its own"
	edit hook "c['hooks'] = dict(poststop=[dict(path='/bin/sh', args=['sh', '-c', 'id -u >$WORK/vol/hook-$r'])])"
	run --bundle "$WORK/hook" -- true
	is "$STATUS $(cat "$WORK/vol/hook-$r" 2>&1)" '0 0' "$r: hooks run"
	is "$(stat -c %u "$WORK/vol/hook-$r" 2>&1)" "$ACCOUNT_UID" '... as the user'

	# By root, whose pod has nearly all ids that there are
	guard "${IN_HOST[@]}" env -i PATH="$PATH" "$MARK" "$PODSPLICE" run \
		--runtime "$r" --bundle "$B" -- echo runs >"$T/root.out" 2>&1
	is "$?|$(cat "$T/root.out")" '0|runs' "$r: as the superuser"

	# On a terminal
	on_tty() # STEPS VERB ARGS...
	{
		local steps=$1
		shift
		guard "${AS_USER[@]}" "$PY" "$T/net.py" pty "$steps" \
			"$PODSPLICE" "$@" 2>&1
	}
	is_tty='size=30x90,wait=ready,send=tty; stty size\n,wait=30 90,send=sh -c "echo go""ing; exec sleep 1000"\n,wait=going,send=^C,send=exit 5\n,exit'
	like "$(on_tty "$is_tty" run --runtime "$r" -it --bundle "$B" -- \
		sh -c 'echo ready; exec sh')" '/dev/pts/0.*exited 5.*as before' \
		"$r: run -it"
	run -d --name x --bundle "$B" -- "${TOLD[@]}" sleep 1000
	like "$(on_tty "$is_tty" exec -it x sh -c 'echo ready; exec sh')" \
		'/dev/pts/.*exited 5.*as before' "$r: exec -it"
	verb rm -f x

	# In a pod, beside a container of ours
	verb pod create --name shop -p 8081:80
	verb run -d --pod shop --name stock --rootfs "$WORK/box" -- \
		busybox httpd -f -p 127.0.0.1:5000 -h /www
	run -d --pod shop --name front --bundle "$B" -- "${TOLD[@]}" busybox \
		httpd -f -p 80 -h /www
	is "$STATUS|$OUT|$ERR" '0|front|' "$r: in a pod"
	meets() # FROM PORT
	{
		as_user "$PODSPLICE" exec "$1" -- wget -qO- \
			"http://localhost:$2/cgi-bin/who" 2>&1 | grep -q '^served'
	}
	check "$r: it meets the other on localhost" wait_for 20 meets front 5000
	check "$r: ... and the other it" wait_for 20 meets stock 80
	inode()
	{
		as_user "$PODSPLICE" exec "$1" -- stat -Lc %i "/proc/self/ns/$2"
	}
	for ns in user net ipc uts; do
		is "$(inode front $ns)" "$(inode stock $ns)" "$r: $ns is shared"
	done
	for ns in mnt pid; do
		unlike "$(inode front $ns)" "^$(inode stock $ns)\$" "$r: $ns is not"
	done
	like "$(as_user "$PODSPLICE" exec front -- cat /etc/hosts | paste -sd' ')" \
		'shop.*stock.*front' "$r: its hosts has the others' names"
	as_user "$PODSPLICE" exec stock -- sh -c 'echo shared >/dev/shm/text'
	is "$(as_user "$PODSPLICE" exec front -- cat /dev/shm/text)" shared \
		"$r: /dev/shm is shared"
	run -d --pod shop --name brief --bundle "$B" -- true
	check "$r: ... and changes with them" wait_for 20 eval \
		'! as_user "$PODSPLICE" exec front -- grep -q brief /etc/hosts'
	run -d --pod shop --pid pod --name strays --bundle "$B" -- sh -c \
		'sleep 1000 & setsid sleep 1000 & echo ready; exec sleep 1000'
	wait_for 20 logged strays ready
	is "$(inode strays pid)" "$(about shop "j['pids'] and ''")$(stat -Lc %i \
		"/proc/$(pid_of shop infra)/ns/pid")" \
		"$r: --pid pod: the processes' namespace is the pod's"
	INIT=$(of_record strays pid)
	ALL=$(family "$INIT")
	kill -KILL "$(of_record strays supervisor)"
	# shellcheck disable=SC2086 # pids
	check "$r: ... and all of it is gone with its supervisor" \
		wait_for 5 gone_all $ALL
	verb kube generate shop
	like "$STATUS $OUT$ERR" '^125 podsplice: .*--bundle' \
		"$r: a file of Kubernetes' can't say what it is"
	verb pod rm -f shop
	is "$STATUS" 0 "$r: pod rm -f"
	run --pod new:fresh -p 8082:80 --rm -d --name one --bundle "$B" -- \
		"${TOLD[@]}" sleep 1000
	is "$STATUS $(about fresh '[c["name"] for c in j["containers"]]')" \
		"0 ['one']" "$r: in a new pod"
	verb pod rm -f fresh
done

# Whatever is wrong with a bundle: one line, 125
edit bad-ns 'c["linux"]["namespaces"][1]["path"] = "/proc/1/ns/net"'
edit bad-sysctl 'c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}'
edit bad-args 'c["process"]["args"] = []'
edit bad-type 'c["mounts"] = {}'
edit bad-version 'del c["ociVersion"]'
edit bad-root 'c["root"]["path"] = "nowhere"'
edit file-root 'c["root"]["path"] = "config.json"'
edit bad-int 'c["process"]["rlimits"][0]["hard"] = 2**64 - 1'
mkdir "$WORK/empty" "$WORK/garbage" "$WORK/huge" "$WORK/fifo" "$WORK/dir"
echo '{"ociVersion": ' >"$WORK/garbage/config.json"
truncate -s 5M "$WORK/huge/config.json"
mkfifo "$WORK/fifo/config.json"
mkdir "$WORK/dir/config.json"
while IFS='|' read -r args why; do
	# shellcheck disable=SC2086 # words
	case $args in
	*/*) verb run $args ;;
	*) verb run --bundle "$WORK"/$args ;;
	esac
	is "$STATUS|$OUT|$(wc -l <<<"$ERR")" '125||1' "$args: 125, one line"
	like "$ERR" "^podsplice: .*$why" "... $why"
done <<END
nowhere|bundle .*nowhere: No such file
empty|config.json: No such file
garbage|config.json: line [12]: 
huge|config.json: longer than 4 MiB
fifo|config.json: not a file
dir|config.json: not a file
bad-ns|namespaces: network: has a path
bad-sysctl|sysctl: net.ipv4.ip_forward: a container can.t set it
bad-args|process.args: names no command
bad-type|mounts: not a list
bad-version|ociVersion: is missing
bad-root|rootfs .*nowhere: No such file
file-root|rootfs .*config.json: Not a directory
bad-int|config.json: line [0-9]+: too big
--bundle $B --rootfs $WORK/box|--rootfs: not with --bundle
--bundle $B --read-only|--read-only: not with --bundle
--bundle $B --tmpfs /x|--tmpfs: not with --bundle
--bundle $B --cap-add net_raw|--cap-add: not with --bundle
--bundle $B --cap-drop all|--cap-drop: not with --bundle
--bundle $B -u nobody true|--user nobody: with --bundle only numbers
--bundle $B --runtime /nowhere|--runtime /nowhere: not a program
--bundle $B --runtime nosuch|--runtime nosuch: not on PATH
--runtime ./crun true|--runtime ./crun: of which bundle
END
edit limits 'c["linux"]["resources"] = dict(memory=dict(limit=1 << 20))'
verb run --bundle "$WORK/limits" -- echo runs
is "$STATUS|$OUT" '0|runs' 'limits are left out'
like "$ERR" '^podsplice: .*linux.resources: memory: not limited' '... and said'
guard "${AS_USER[@]}" PATH=/bin-of-none "$PODSPLICE" run --bundle "$B" -- \
	echo "found anyway" >"$T/fg.out" 2>&1
like "$?:$(cat "$T/fg.out")" '^(0:found anyway|125:.*neither crun nor runc is on PATH .apt-get install crun.)$' \
	'PATH without a runtime'
# One id is all there is: no group 5 for terminals
in_host sh -c "sed -i '/^$ACCOUNT:/d' /etc/subuid /etc/subgid"
for r in $RUNTIMES; do
	verb run --runtime "$r" --bundle "$B" -- sh -c 'wc -l </proc/self/uid_map
		ls -d /dev/pts/ptmx'
	is "$STATUS|$OUT|$ERR" $'0|1\n/dev/pts/ptmx|' \
		"$r: without subordinate ids"
done
check 'no config.json was changed' sha256sum --quiet -c "$T/sums"

stop_spawned
leftovers bundles
finish
