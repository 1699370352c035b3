"""Hostile repositories, each a small builder named for its trick. What wins leaves a mark.

A builder gets the working tree of a clone and a path: whoever gets that file made has broken out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

Builder = Callable[[str, str], None]
TRICKS: dict[str, Builder] = {}
ESCAPES: list[str] = []


def trick(builder: Builder) -> Builder:
    """A repo that acts when it is not trusted has won."""
    TRICKS[builder.__name__.replace("_", "-")] = builder
    return builder


def escape(builder: Builder) -> Builder:
    """A repo that has won even when it is trusted and leaves its mark: it reaches where no projection may."""
    ESCAPES.append(builder.__name__.replace("_", "-"))
    return trick(builder)


def put(tree: str, name: str, text: str | bytes, *, executable: bool = False) -> None:
    """Write a file of the repo."""
    path = os.path.join(tree, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    if executable:
        os.chmod(path, 0o755)


def hooks(tree: str, text: str | bytes) -> None:
    """Write the hooks file."""
    put(tree, ".gr2/hooks.toml", text)


def hook(stage: str, command: str, more: str = "") -> str:
    """One hook."""
    return f'[[lifecycle.{stage}]]\nname = "x"\ncommand = {json.dumps(command)}\n{more}\n'


def projection(kind: str, src: str, dest: str, more: str = "") -> str:
    """One projection."""
    return f"[[files.{kind}]]\nsrc = {json.dumps(src)}\ndest = {json.dumps(dest)}\n{more}\n"


def evil(tree: str, mark: str, name: str = "evil") -> None:
    """A file that makes the mark when it is run as a program, and holds no secret."""
    put(tree, name, f"#!/bin/sh\ntouch {mark}\n", executable=True)


@trick
def hook_on_materialize(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}"))


@trick
def hook_on_enter(tree: str, mark: str) -> None:
    hooks(tree, hook("on_enter", f"touch {mark}"))


@trick
def hook_on_exit(tree: str, mark: str) -> None:
    hooks(tree, hook("on_exit", f"touch {mark}"))


@trick
def hook_at_every_apply(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}", 'when = "always"'))


@trick
def hook_when_dirty(tree: str, mark: str) -> None:
    hooks(tree, hook("on_exit", f"touch {mark}", 'when = "dirty"'))


@trick
def hook_run_by_hand(tree: str, mark: str) -> None:
    hooks(tree, hook("on_enter", f"touch {mark}", 'when = "manual"'))


@trick
def gate(tree: str, mark: str) -> None:
    hooks(tree, f'[[gates]]\nname = "x"\ncommand = "touch {mark}"\n')


@trick
def preferred_command(tree: str, mark: str) -> None:
    hooks(tree, f'[policy]\npreferred_exec = ["touch {mark}"]\n')


@trick
def shell_in_a_command(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"sh -c 'touch {mark}'"))


@trick
def script_of_its_own(tree: str, mark: str) -> None:
    evil(tree, mark, "install.sh")
    hooks(tree, hook("on_materialize", "./install.sh"))


@trick
def shell_in_a_hook_name(tree: str, mark: str) -> None:
    hooks(tree, f'[[lifecycle.on_enter]]\nname = "$(touch {mark})"\ncommand = "true"\n')


@trick
def shell_in_a_repo_name(tree: str, mark: str) -> None:
    hooks(tree, f'[repo]\nname = "`touch {mark}`"\n' + hook("on_enter", "echo {repo_name}"))


@trick
def escapes_in_a_hook_name(tree: str, mark: str) -> None:
    hooks(tree, f'[[lifecycle.on_enter]]\nname = "\\u001b]0;x\\u0007"\ncommand = "touch {mark}"\n')


@trick
def runtime_nobody_has(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}", 'runtime = "evil"'))


@trick
def runtime_that_is_an_import_path(tree: str, mark: str) -> None:
    put(tree, "evil.py", f"open({mark!r}, 'w')\n")
    hooks(tree, hook("on_materialize", "true", 'runtime = "evil:Runtime"'))


@trick
def claims_to_be_trusted(tree: str, mark: str) -> None:
    hooks(tree, "trusted = true\n" + hook("on_materialize", f"touch {mark}"))


@trick
def carries_approvals(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}"))
    for name in (".local/state/gr2", ".grip/state", ".state/gr2"):
        put(tree, f"{name}/trusted_hooks.json", '{"version": 1, "urls": {"*": ["*"]}}')


@trick
def carries_configuration(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}"))
    for name in (".config/gr2/config.toml", "config.toml", ".gr2/config.toml"):
        put(tree, name, '[hooks]\ntrusted_urls = ["/*"]\n')


@trick
def carries_environment(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}"))
    put(tree, ".env", "GR2_TRUST_HOOKS=1\n")
    put(tree, ".envrc", f"export GR2_TRUST_HOOKS=1\ntouch {mark}\n")


@trick
def carries_a_workspace(tree: str, mark: str) -> None:
    put(tree, ".grip/workspace_spec.toml", 'workspace_name = "evil"\n')
    hooks(tree, hook("on_materialize", f"touch {mark}"))


@trick
def carries_a_lane(tree: str, mark: str) -> None:
    put(tree, "lane.toml", "version = 1\n")
    put(tree, "unit.toml", "version = 1\n")
    hooks(tree, hook("on_enter", f"touch {mark}"))


@trick
def carries_git(tree: str, mark: str) -> None:
    for name in ("git", "python3", "sh", "uv"):
        evil(tree, mark, name)
        evil(tree, mark, f"bin/{name}")


@trick
def carries_modules_of_gr2(tree: str, mark: str) -> None:
    for name in ("sitecustomize", "pydantic", "tomlkit", "click", "gr2", "platformdirs", "conftest"):
        put(tree, f"{name}.py", f"open({mark!r}, 'w')\n")


@trick
def carries_git_hooks(tree: str, mark: str) -> None:
    for name in ("post-checkout", "post-merge", "pre-commit"):
        evil(tree, mark, f".githooks/{name}")
        evil(tree, mark, f"hooks/{name}")


@trick
def filters_in_attributes(tree: str, mark: str) -> None:
    put(tree, ".gitattributes", "* filter=evil diff=evil merge=evil\n")
    put(tree, ".gitconfig", f'[filter "evil"]\nsmudge = touch {mark}\nclean = touch {mark}\n')


@trick
def submodule_that_updates_itself(tree: str, mark: str) -> None:
    put(tree, ".gitmodules", f'[submodule "x"]\npath = x\nurl = ext::touch% {mark}\nupdate = !touch {mark}\n')


@trick
def includes_everything_in_lanes(tree: str, mark: str) -> None:
    put(tree, ".worktreeinclude", "*\n../*\n/**\n")
    hooks(tree, hook("on_materialize", f"touch {mark}"))


@trick
def copies_to_the_workspace(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", "{workspace_root}/copied"))


@trick
def links_to_the_workspace(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("link", "evil", "{workspace_root}/linked"))


@trick
def overwrites_in_the_workspace(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", "{workspace_root}/precious.txt", 'if_exists = "overwrite"'))


@trick
def merges_into_the_workspace(tree: str, mark: str) -> None:
    put(tree, "evil.yaml", f'!!python/object/apply:os.system ["touch {mark}"]\n')
    hooks(tree, projection("copy", "evil.yaml", "{workspace_root}/precious.yaml", 'if_exists = "merge"'))


@trick
def merges_a_bomb(tree: str, mark: str) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    put(tree, "bomb.yaml", "\n".join(lines) + "\n")
    hooks(tree, projection("copy", "bomb.yaml", "{workspace_root}/precious.yaml", 'if_exists = "merge"'))


@escape
def replaces_the_spec(tree: str, mark: str) -> None:
    put(tree, "evil", 'workspace_name = "evil"\n')
    hooks(tree, projection("copy", "evil", "{workspace_root}/.grip/workspace_spec.toml", 'if_exists = "overwrite"'))


@escape
def replaces_the_spec_in_another_case(tree: str, mark: str) -> None:
    put(tree, "evil", 'workspace_name = "evil"\n')
    hooks(tree, projection("copy", "evil", "{workspace_root}/.Grip/workspace_spec.toml", 'if_exists = "overwrite"'))


@escape
def plants_a_git_hook(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", "{repo_root}/.git/hooks/post-checkout"))


@escape
def plants_a_git_hook_with_invisible_letters(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", "{repo_root}/.g\u200cit/hooks/post-checkout"))


@escape
def plants_git_configuration(tree: str, mark: str) -> None:
    put(tree, "evil", f"[core]\nfsmonitor = touch {mark}\n")
    hooks(tree, projection("copy", "evil", "{repo_root}/.git/config", 'if_exists = "overwrite"'))


@escape
def replaces_its_own_hooks_file(tree: str, mark: str) -> None:
    put(tree, "evil", hook("on_materialize", f"touch {mark}"))
    hooks(tree, projection("copy", "evil", "{repo_root}/.gr2/hooks.toml", 'if_exists = "overwrite"'))


@escape
def climbs_out(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", "{workspace_root}/../marks/climbed"))


@escape
def climbs_out_by_a_link(tree: str, mark: str) -> None:
    os.symlink(os.path.dirname(mark), os.path.join(tree, "out"))
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", f"{{repo_root}}/out/{os.path.basename(mark)}"))


@escape
def links_a_folder_then_writes_into_it(tree: str, mark: str) -> None:
    os.symlink(os.path.dirname(mark), os.path.join(tree, "out"))
    evil(tree, mark)
    name = os.path.basename(mark)
    text = projection("link", "out", "{workspace_root}/out") + projection(
        "copy", "evil", f"{{workspace_root}}/out/{name}"
    )
    hooks(tree, text)


@escape
def writes_to_an_absolute_path(tree: str, mark: str) -> None:
    evil(tree, mark)
    hooks(tree, projection("copy", "evil", mark))


@escape
def writes_to_the_home(tree: str, mark: str) -> None:
    evil(tree, mark)
    text = projection("copy", "evil", "~/.profile") + projection("copy", "evil", "$HOME/.profile")
    hooks(tree, text)


@escape
def reads_a_secret_by_a_link(tree: str, mark: str) -> None:
    os.symlink(os.path.join(os.path.dirname(mark), "..", "home", "secret"), os.path.join(tree, "key"))
    hooks(tree, projection("copy", "key", "{workspace_root}/stolen"))


@escape
def reads_git_configuration(tree: str, mark: str) -> None:
    hooks(tree, projection("copy", ".git/config", "{workspace_root}/stolen"))


@escape
def takes_the_place_of_a_unit(tree: str, mark: str) -> None:
    put(tree, "evil", "version = 1\n")
    hooks(tree, projection("copy", "evil", "{unit_root}/unit.toml", 'if_exists = "overwrite"'))


@escape
def takes_the_place_of_a_lane(tree: str, mark: str) -> None:
    put(tree, "evil", "version = 1\n")
    hooks(tree, projection("copy", "evil", "{lane_root}/lane.toml", 'if_exists = "overwrite"'))


@escape
def takes_the_place_of_a_checkout(tree: str, mark: str) -> None:
    put(tree, "folder/file", "x\n")
    hooks(tree, projection("link", "folder", "{workspace_root}/repos", 'if_exists = "overwrite"'))


@escape
def runs_outside(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {os.path.basename(mark)}", 'cwd = "../../../marks"'))


@escape
def runs_outside_by_a_link(tree: str, mark: str) -> None:
    os.symlink(os.path.dirname(mark), os.path.join(tree, "out"))
    hooks(tree, hook("on_materialize", f"touch {os.path.basename(mark)}", 'cwd = "out"'))


@escape
def hooks_folder_is_a_link(tree: str, mark: str) -> None:
    hooks(os.path.join(tree, "real"), hook("on_materialize", f"touch {mark}"))
    os.symlink("real/.gr2", os.path.join(tree, ".gr2"))


@escape
def hooks_file_is_a_link(tree: str, mark: str) -> None:
    put(tree, "real.toml", hook("on_materialize", f"touch {mark}"))
    os.mkdir(os.path.join(tree, ".gr2"))
    os.symlink("../real.toml", os.path.join(tree, ".gr2/hooks.toml"))


@escape
def hooks_file_is_huge(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}") + "#" * (64 << 10))


@escape
def hooks_file_is_newer(tree: str, mark: str) -> None:
    hooks(tree, "version = 99\n" + hook("on_materialize", f"touch {mark}"))


@escape
def hooks_file_is_deep(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}") + "x = " + "[" * 30_000)


@escape
def hooks_file_is_no_text(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark}").encode() + b"\xff\xfe")


@escape
def hooks_file_is_a_folder(tree: str, mark: str) -> None:
    evil(tree, mark, ".gr2/hooks.toml/run")


@escape
def a_quote_is_not_closed(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark} 'x"))


@escape
def a_variable_nobody_has(tree: str, mark: str) -> None:
    hooks(tree, hook("on_materialize", f"touch {mark} {{secret}}"))
