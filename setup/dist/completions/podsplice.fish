# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of podsplice for fish: the program is asked what may come.

function __podsplice_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # as it was typed, so that the shell has not yet read its tilde
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l answer ($program complete $words $current 2>/dev/null)
    # of --option=VALUE fish wants the whole
    set -l option (string match -r -- '^--[^=]*=' $current; or echo)
    set -l value (string replace -r -- '^--[^=]*=' '' $current)
    switch "$answer[1]"
        case files
            string join \n -- "$option"(__fish_complete_path $value)
        case dirs
            string join \n -- "$option"(__fish_complete_directories $value)
        case 'command *'
            set -l before (string replace 'command ' '' -- $answer[1])
            for i in (seq $before)
                set -e words[1]
            end
            complete -C (string join ' ' -- (string escape -- $words) $current)
    end
    set -e answer[1]
    string join \n -- "$option"$answer
end

complete -c podsplice -f -a '(__podsplice_complete)'
