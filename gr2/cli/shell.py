"""`gr2 shell-init`: a shell function that lets `gr2 lane enter` change the shell's directory, and completion by click.
The names that are completed come from `gr2.cli.completion`."""

from __future__ import annotations

import click

from gr2.cli.command import Gr2Command

# gr2 writes the directory to go to into the file that GR2_CD_FILE names; only a shell can change its own directory.
_POSIX = """\
gr2() {
    local gr2_cd gr2_status
    gr2_cd="$(mktemp "${TMPDIR:-/tmp}/gr2-cd.XXXXXX" 2>/dev/null)" || { command gr2 "$@"; return; }
    GR2_CD_FILE="$gr2_cd" command gr2 "$@"
    gr2_status=$?
    if [ -s "$gr2_cd" ]; then
        builtin cd -- "$(cat "$gr2_cd")" || gr2_status=$?
    fi
    rm -f -- "$gr2_cd"
    return $gr2_status
}
"""
_BASH = _POSIX + 'eval "$(_GR2_COMPLETE=bash_source command gr2)"\n'
_ZSH = _POSIX + '(( $+functions[compdef] )) && eval "$(_GR2_COMPLETE=zsh_source command gr2)"\n'
_FISH = """\
function gr2
    set -l gr2_cd (set -q TMPDIR; and echo $TMPDIR; or echo /tmp)
    set gr2_cd (mktemp (string replace -r '/$' '' -- $gr2_cd)/gr2-cd.XXXXXX 2>/dev/null)
    or begin
        command gr2 $argv
        return
    end
    GR2_CD_FILE=$gr2_cd command gr2 $argv
    set -l gr2_status $status
    if test -s $gr2_cd
        builtin cd -- (cat $gr2_cd); or set gr2_status $status
    end
    command rm -f -- $gr2_cd
    return $gr2_status
end
_GR2_COMPLETE=fish_source command gr2 | source
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@click.command("shell-init", cls=Gr2Command)
@click.argument("shell", type=click.Choice(sorted(SCRIPTS)))
@click.pass_context
def shell_init(ctx: click.Context, shell: str) -> object:
    """Print what a shell's start-up file evaluates: eval "$(gr2 shell-init bash)".

    It lets `gr2 lane enter` change directory, and Tab complete commands, options and names.
    """
    from gr2.ops.shell import shell_script

    return shell_script(SCRIPTS[shell])
