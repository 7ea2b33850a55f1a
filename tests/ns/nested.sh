#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Callers other than an ordinary user with subordinate ids: root, somebody in
# a user namespace already, somebody with a single id.
. "$(dirname "$0")/lib.sh"

PORTS_BEFORE=$(ports_of_host)
serve_peer 9000 || bail 'no server on the other host'

# whole NAME CALLER...: a pod with a published port, egress, an end
whole()
{
	local name=$1
	shift
	spawn "$name" "$@" "$PODSPLICE" run -p 8080:80 -- "$PY" "$T/net.py" \
		serve 80
	SUP=$PID
	pod_waits "$name" || {
		not_ok "$name: the pod starts"
		kill -KILL "$SUP" 2>/dev/null
		return
	}
	wait_port pod 80
	is "$(peer_net who "$HOST4" 8080)" "$PEER4 same-port" \
		"$name: published, IPv4"
	is "$(peer_net who "$HOST6" 8080)" "$PEER6 same-port" \
		"$name: published, IPv6"
	is "$(pod_net put "$FAR4" 9000 3000000)" OK "$name: egress, IPv4"
	is "$(pod_net put "$FAR6" 9000 3000000)" OK "$name: egress, IPv6"
	pod_end
	is "$STATUS" 143 "$name: it ends"
	leftovers "$name"
}
CLEAN_AS_ROOT=("${CLEAN_ENV[@]}" "XDG_RUNTIME_DIR=$T/root-run")
install -d -m 700 "$T/root-run"

whole 'root' "${IN_HOST[@]}" "${CLEAN_AS_ROOT[@]}"
timeout "$GUARD" "${IN_HOST[@]}" "${CLEAN_AS_ROOT[@]}" "$PODSPLICE" run -- \
	sh -c 'id -u; grep CapEff /proc/self/status' >"$T/out" 2>"$T/err"
like "$(cat "$T/out" "$T/err")" '^0' 'root: the command runs'
check 'root: the command has no more power than podman would give' [ \
	$((0x$(awk '/CapEff/ { print $2 }' "$T/out") & ~0x800405fb)) = 0 ]
timeout "$GUARD" "${IN_HOST[@]}" "${CLEAN_AS_ROOT[@]}" "$PODSPLICE" run -- \
	readlink /proc/self/ns/user >"$T/out" 2>&1
unlike "$(cat "$T/out")" "$(readlink /proc/self/ns/user | tr -dc 0-9)" \
	"root: the command is in a user namespace of its own"

# A user namespace of one id, and one of many, as rootless engines have
whole 'one id in a user namespace' "${AS_USER[@]}" unshare --user \
	--map-root-user
whole 'in a user and mount namespace' "${AS_USER[@]}" unshare --user \
	--map-root-user --mount
whole 'not root in a user namespace' "${AS_USER[@]}" unshare --user \
	--map-current-user
whole 'many ids in a user namespace' "${AS_USER[@]}" unshare --user \
	--map-auto --map-root-user

# No subordinate ids
in_host sh -c "sed -i '/^$ACCOUNT:/d' /etc/subuid /etc/subgid"
whole 'no subordinate ids' "${AS_USER[@]}"
run_user -- sh -c 'id -u; wc -l </proc/self/uid_map; cat /proc/self/setgroups'
is "$OUT" $'0\n1\ndeny' 'no subordinate ids: root, and nobody else'
like "$ERR" '^(podsplice: [^[:cntrl:]]*)?$' '... with one line at most'
# ... and no newuidmap
in_host cp /etc/subuid /etc/subuid.old
in_host sh -c "echo $ACCOUNT:700000:65536 | tee -a /etc/subuid >>/etc/subgid"
timeout "$GUARD" "${IN_HOST[@]}" unshare --mount --propagation private sh -c '
	for f in $(command -v newuidmap newgidmap); do
		mount --bind /dev/null "$f"
	done
	exec "$@"' sh "${AS_USER[@]:4}" "$PODSPLICE" run --log-level info -- sh -c \
	'wc -l </proc/self/uid_map' >"$T/out" 2>"$T/err" </dev/null
is "$? $(cat "$T/out")" '0 1' 'newuidmap is not there: a single id'
like "$(cat "$T/err")" '^podsplice: [^[:cntrl:]]*newuidmap[^[:cntrl:]]*$' \
	'... and one line that says so'

stop_spawned
leftovers nested
finish
