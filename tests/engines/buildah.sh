#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds: what `buildah run` and the steps of `podman build` reach. These look
# for slirp4netns in PATH, and ask for no more than a device.
# shellcheck source=tests/ns/lib.sh
. "$(dirname "$0")/../ns/lib.sh"
# shellcheck source=tests/engines/engine_lib.sh
. "$(dirname "$0")/engine_lib.sh"

needs buildah podman runc slirp4netns

# run_builds: in a container that buildah makes of nothing but files
run_builds()
{
	works 'from scratch' buildah from --name work scratch
	works 'add' buildah add -q work "$T/box.tar" / || return
	INSIDE=(buildah run --runtime runc "${VOLUMES[@]}" work --)
	outgoing run
	figures run
	rm -f "$T/end"
	spawn "run-$WORLD" "${AS_USER[@]}" "${INSIDE[@]}" sh -c \
		"until [ -e $T/end ]; do sleep 0.1; done"
	wait_for "$GUARD" listens helpers_here
	is "$(helpers_here)" "$HELPER" "$WORLD: run: who serves it"
	touch "$T/end"
	reap "$PID"
	is "$STATUS" 0 "$WORLD: run: it ends"
	deserted run
	works 'rm' buildah rm work
}

# file_build: the same by a file, of an image
file_build()
{
	box
	cat >"$T/Containerfile" <<-END
		FROM box
		RUN ip addr show tap0 && echo who | nc far.example 9000 >/seen
		CMD cat /seen
	END
	works 'build' podman build --runtime runc -q -t built \
		-f "$T/Containerfile" "$WORK" || return
	deserted build
	works 'the image' podman run --rm --network none built
	like "$OUT" "^$HOST4 [0-9]+\$" "$WORLD: ... was built with a network"
}

for w in $WORLDS; do
	world "$w"
	HELPER=$(by_world /usr/bin/slirp4netns "$PODSPLICE")
	box_tar
	run_builds
	file_build
	world_end
done
finish
