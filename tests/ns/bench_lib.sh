# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# `podsplice bench` for an account that can't read the checkout: the binary and
# its programs, as they are in a build directory.
install -d "$T/built/setup" "$T/built/bench"
install -m 755 "$BINARY" "$T/built/setup/podsplice"
install -m 644 "$TOP"/build/bench/*.py "$T/built/bench"
# shellcheck disable=SC2034 # lib.sh runs it
PODSPLICE=$T/built/setup/podsplice
