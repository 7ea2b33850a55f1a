# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of podsplice for bash, with the bash-completion package: the
# program is asked what may come.

_podsplice()
{
	# shellcheck disable=SC2034 # prev, words, split: set by the helper
	local cur prev words cword split answer line n=0 joined
	_init_completion -s -n : || return
	# as it was typed, so that the shell has not yet read its tilde
	mapfile -t answer < <("${1/#\~\//$HOME/}" complete \
		"${words[@]:1:cword}" 2>/dev/null)
	case ${answer[0]-} in
	files) _filedir ;;
	dirs) _filedir -d ;;
	command*)
		# readline has words cut at colons: how many of its own is that?
		for line in "${words[@]:0:${answer[0]#* }+1}"; do
			joined=
			while [[ $joined != "$line" ]]; do
				joined+=${COMP_WORDS[n++]}
			done
		done
		_command_offset "$n"
		return
		;;
	esac
	for line in "${answer[@]:1}"; do
		line=${line%%$'\t'*}
		[[ $line != "$cur"* ]] || COMPREPLY+=("$line")
	done
	__ltrim_colon_completions "$cur"
} && complete -F _podsplice podsplice
