#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `meson install` into a folder: what is there, that it runs there, and that
# bash, zsh and fish complete with it.
. "$(dirname "$0")/lib.sh"

# as who built, so that meson's own log stays theirs
BUILD=$TOP/build
OWNER=$(stat -c %u "$BUILD")
install -d -o "$OWNER" "$T/dest"
setpriv "--reuid=$OWNER" "--regid=$(stat -c %g "$BUILD")" --clear-groups \
	meson install -C "$BUILD" --no-rebuild --destdir "$T/dest" \
	>"$T/install.out" 2>"$T/install.err" || bail 'meson install'
chown -R 0:0 "$T/dest" # as sudo would; zsh trusts no third user's files
PREFIX=$T/dest/usr/local
# readme.py is for README.md of the sources
is "$(cd "$PREFIX" && find . ! -type d | sort)" "./bin/podsplice
./libexec/podsplice/rootlessport
./libexec/podsplice/slirp4netns
./share/bash-completion/completions/podsplice
./share/doc/podsplice/LICENSE
./share/doc/podsplice/README.md
./share/doc/podsplice/SECURITY.md
./share/doc/podsplice/examples/podman4.conf
./share/doc/podsplice/examples/podman5.conf
./share/fish/vendor_completions.d/podsplice.fish
./share/man/man1/podsplice.1
./share/man/man5/podsplice.5
$(cd "$TOP" && printf './share/podsplice/%s\n' bench/*.py | grep -v /readme.py)
./share/zsh/site-functions/_podsplice" 'everything is where it belongs'
is "$(readelf -d "$PREFIX/bin/podsplice" | grep -E 'RPATH|RUNPATH')" '' \
	'the program looks for libraries where the system has them'
PODSPLICE=$PREFIX/bin/podsplice
run_user -- echo 'a pod'
is "$STATUS $OUT$ERR" '0 a pod' '... and an ordinary user runs it'
like "$(guard "${IN_HOST[@]}" unshare -m -- sh -c '
	mount --bind "$1" /usr/local && shift && exec setpriv "$@"' sh "$PREFIX" \
	"--reuid=$ACCOUNT_UID" "--regid=$ACCOUNT_GID" --init-groups -- \
	"${CLEAN_ENV[@]}" podsplice bench --list 2>&1)" 'rows:.*peers: native' \
	'... with the programs that measure'

# The names engines call: they lead to what is installed, and to no other

for name in "$PREFIX"/libexec/podsplice/*; do
	is "$(readlink "$name")" /usr/local/bin/podsplice \
		"${name##*/} is the program"
done
for conf in "$PREFIX"/share/doc/podsplice/examples/*.conf; do
	while read -r path; do
		check "${conf##*/}: $path is there" test -d "$T/dest$path" \
			-o -h "$T/dest$path"
	done < <(sed -n 's/.*"\(.*podsplice[^"]*\)".*/\1/p' "$conf")
	unlike "$(cat "$conf")" '@' "... and has no blanks to fill in"
done

# Completions, each by a shell of its own that finds them in their folder

mkdir "$WORK/files" "$WORK/files/directory"
: >"$WORK/files/file"
pod one --name tit-for-tat -- sleep 1000 || bail 'the pod did not start'

# asked CMDLINE: what fish offers for it
asked()
{
	as_user env "PATH=$PREFIX/bin:/usr/bin:/bin" \
		"XDG_DATA_DIRS=$PREFIX/share:/usr/share" \
		fish -c "complete -C '$1'" </dev/null 2>&1 |
		cut -f 1 | paste -sd' '
}

if as_user which fish >/dev/null; then
	is "$(asked 'podsplice ru')" 'run' 'fish: a verb'
	is "$(asked 'podsplice run --datap')" '--datapath' 'fish: an option'
	is "$(asked 'podsplice run --datapath s')" 'slirp splice' \
		'fish: its values'
	is "$(asked 'podsplice run --datapath=s')" \
		'--datapath=slirp --datapath=splice' 'fish: ... behind a ='
	is "$(asked "podsplice run --control=$WORK/files/f")" \
		"--control=$WORK/files/file" 'fish: a file'
	is "$(asked "podsplice run --rootfs $WORK/files/")" \
		"$WORK/files/directory/" 'fish: a folder'
	is "$(asked 'podsplice run -p 80:80 nsente')" nsenter 'fish: a command'
	is "$(asked "podsplice run -- cat $WORK/files/f")" "$WORK/files/file" \
		'fish: a word of a command'
	is "$(asked 'podsplice stop tit')" tit-for-tat 'fish: a container'
else
	skip 'fish' 'it is not there'
fi

# In the other screen from the start, which is the one screen.py looks at
cat >"$WORK/bashrc" <<'END'
. /usr/share/bash-completion/bash_completion
bind 'set bell-style none' 'set show-all-if-ambiguous on'
END
cat >"$WORK/.zshrc" <<END
fpath=($PREFIX/share/zsh/site-functions \$fpath)
autoload -Uz compinit
compinit -D
setopt no_beep
END
tee -a "$WORK/bashrc" >>"$WORK/.zshrc" <<'END'
PS1='ready> '
printf '\033[?1049h'
END

# typed SHELL...: as a person would, with a tab after the beginning of words
typed()
{
	guard "$PY" "$LIB/screen.py" 120 24 'see ready>' \
		'type podsplice ru' 'type ^I' 'see podsplice run ' \
		'type --datap' 'type ^I' 'see run --datapath ' \
		'type ^I' 'see auto' 'see slirp' \
		'type sp' 'type ^I' 'see --datapath splice ' \
		"type --control=$WORK/files/fi" 'type ^I' "see files/file " \
		'type --cap-add=net_r' 'type ^I' 'see --cap-add=net_raw ' \
		"type -itv $WORK/files/d" 'type ^I' 'see files/directory' \
		'type ^U' 'type podsplice run -p 8080:80 -- nsente' 'type ^I' \
		'see -- nsenter ' \
		'type ^U' 'type podsplice stats --pro' 'type ^I' \
		'see stats --prometheus ' \
		'type ^U' 'type podsplice stop tit' 'type ^I' \
		'see stop tit-for-tat ' \
		'type ^U' 'type exit' 'type ^M' end -- "${AS_USER[@]}" env \
		"PATH=$PREFIX/bin:/usr/bin:/bin" \
		"XDG_DATA_DIRS=$PREFIX/share:/usr/share" "$@" 2>&1
}

if [ -e /usr/share/bash-completion/bash_completion ]; then
	like "$(typed bash --noprofile --rcfile "$WORK/bashrc" -i)" \
		'end 0,' 'bash completes'
else
	skip 'bash' 'its package of completions is not there'
fi
if as_user which zsh >/dev/null; then
	like "$(typed zsh -d -i)" 'end 0,' 'zsh completes'
else
	skip 'zsh' 'it is not there'
fi
pod_end

finish
