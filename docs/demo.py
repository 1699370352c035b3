"""The demo: a whole workspace in a temporary place, no account, no network. Run it with `make demo`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

SERVICES = {
    "app": {"README.md": "# app\n\nThe web shop.\n", "shop/cart.py": "def total(prices):\n    return sum(prices)\n"},
    "api": {"README.md": "# api\n\nWhat the shop asks.\n", "openapi.yaml": "openapi: 3.1.0\npaths: {}\n"},
    "docs": {"README.md": "# docs\n\nFor customers.\n", "guide.md": "Put things in the cart.\n"},
}


class Demo:
    """A place of its own, with a home that has no configuration but an author."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.shop = os.path.join(folder, "shop")
        home = os.path.join(folder, "home")
        os.makedirs(home)
        with open(os.path.join(home, ".gitconfig"), "w", encoding="utf-8") as file:
            file.write("[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "GR2_"))}
        self.env = {**kept, "HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "XDG_CACHE_HOME": f"{home}/.cache"}
        self.env |= {"XDG_STATE_HOME": f"{home}/.state", "GR2_ACTOR": "human:ada"}

    def say(self, text: str) -> None:
        """A line between the commands."""
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)

    def run(self, command: str, *, quietly: bool = False, **env: str) -> None:
        """Show a command and run it in the workspace; the demo ends when it fails."""
        if not quietly:
            print(f"$ {command}", flush=True)
        target = subprocess.DEVNULL if quietly else None
        cwd = self.shop if os.path.isdir(self.shop) else self.folder
        done = subprocess.run(command, shell=True, cwd=cwd, env={**self.env, **env}, stdout=target, check=False)
        if done.returncode:
            sys.exit(f"the demo stopped: {command!r} ended with {done.returncode}")

    def write(self, path: str, text: str) -> None:
        """Add `text` to a file."""
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)

    def remotes(self) -> None:
        """Three bare repositories with two commits each."""
        for name, files in SERVICES.items():
            seed = os.path.join(self.folder, "seed", name)
            for path, content in files.items():
                os.makedirs(os.path.dirname(os.path.join(seed, path)), exist_ok=True)
                self.write(os.path.join(seed, path), content)
                self.run(f"cd '{seed}' && git init -q . && git add . && git commit -q -m 'add {path}'", quietly=True)
            self.run(f"git clone -q --bare '{seed}' '{self.folder}/remotes/{name}.git'", quietly=True)


def main() -> None:
    """Spec, plan, apply, a lane for each of two units, a change over two repositories, merged as one group."""
    with tempfile.TemporaryDirectory(prefix="gr2-demo-") as made:
        demo = Demo(os.path.realpath(made))
        demo.say("Three repositories, two units: a person and an agent")
        demo.remotes()
        os.makedirs(demo.shop)
        repos = " ".join(f"--repo {name}=../remotes/{name}.git" for name in SERVICES)
        demo.run(f"gr2 workspace init --name shop {repos} --unit ada --unit robot")
        demo.run("gr2 plan")
        demo.run("gr2 apply -q")
        demo.say("Each task gets a lane: its own checkouts, on a branch of its own")
        demo.run("gr2 lane create feat/cart --unit ada --repos app,api -q")
        demo.run("gr2 lane create feat/guide --unit robot --repos docs -q", GR2_ACTOR="agent:robot")
        demo.say("Commands run in every repository of a lane")
        lane = os.path.join(demo.shop, "agents/ada/lanes/feat/cart/repos")
        demo.write(f"{lane}/app/shop/cart.py", "VAT = 0.19\n")
        demo.write(f"{lane}/api/openapi.yaml", "  /cart: {}\n")
        demo.run("gr2 exec run --lane ada/feat/cart -- git commit --quiet --all --message 'A cart'")
        demo.run("gr2 exec run --lane ada/feat/cart -- git log --oneline -1")
        demo.run("gr2 status")
        demo.say("One change over two repositories is one group of linked pull requests")
        demo.run("gr2 pr create --lane ada/feat/cart --title 'A cart'")
        demo.run("gr2 local-platform check app 1 tests success")
        demo.run("gr2 local-platform review api 1 grace approved")
        demo.run("gr2 pr status --lane ada/feat/cart")
        demo.run("gr2 pr merge --lane ada/feat/cart")
        demo.say("What happened, for people and for other tools")
        demo.run("gr2 events list --type 'pr.*' --limit 5")
        demo.say("That was gr2. Next, in a directory of your own:")
        for command in (
            "gr2 workspace init --name NAME --repo app=https://... --unit me",
            "gr2 apply",
            "gr2 lane create my-task",
            'eval "$(gr2 shell-init bash)" && gr2 lane enter my-task',
        ):
            print(f"  {command}")


if __name__ == "__main__":
    main()
