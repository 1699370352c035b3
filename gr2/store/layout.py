"""Where everything in a workspace is (contract, page 2, "Files"). Absolute paths from one root."""

from __future__ import annotations

import os

from gr2.model.records import dataclass

SPEC_FILE = ".grip/workspace_spec.toml"


@dataclass(frozen=True)
class Layout:
    """The paths of the workspace at the absolute, normalised directory `root`."""

    root: str

    def at(self, relative: str) -> str:
        """The absolute path of a workspace-relative one."""
        return os.path.join(self.root, relative) if relative else self.root

    def relative(self, path: str) -> str:
        """The workspace-relative path of an absolute one below the root."""
        return os.path.relpath(path, self.root)

    @property
    def grip(self) -> str:
        return self.at(".grip")

    @property
    def spec(self) -> str:
        return self.at(SPEC_FILE)

    @property
    def compiled_spec(self) -> str:
        return self.at(".grip/state/spec.json")

    @property
    def mirrors(self) -> str:
        return self.at(".grip/cache/repos")

    def mirror(self, repo: str) -> str:
        """The bare mirror of the repo called `repo`."""
        return self.at(f".grip/cache/repos/{repo}.git")

    @property
    def events(self) -> str:
        return self.at(".grip/events")

    @property
    def outbox(self) -> str:
        return self.at(".grip/events/outbox.jsonl")

    @property
    def state(self) -> str:
        return self.at(".grip/state")

    @property
    def failures(self) -> str:
        return self.at(".grip/state/failures")

    @property
    def leases(self) -> str:
        return self.at(".grip/state/leases")

    def lease_file(self, unit: str, lane: str) -> str:
        """The state file of a lane's leases. No component of a lane's name begins with a dot: it is in nobody's way."""
        return self.at(f".grip/state/leases/{unit}/{lane}/.leases.json")

    @property
    def saved(self) -> str:
        return self.at(".grip/state/saved")

    @property
    def trash(self) -> str:
        return self.at(".grip/trash")

    @property
    def temporary(self) -> str:
        return self.at(".grip/tmp")

    @property
    def pr_groups(self) -> str:
        return self.at(".grip/pr_groups")

    def lock(self, name: str) -> str:
        """The lock file called `name`."""
        return self.at(f".grip/state/locks/{name}.lock")

    def shared_checkout(self, repo_path: str) -> str:
        """The shared checkout of a repo, from the `path` of its spec entry."""
        return self.at(repo_path)

    def unit_checkout(self, unit_path: str, repo: str) -> str:
        """The checkout of `repo` that belongs to a unit, from the unit's `path`."""
        return self.at(f"{unit_path}/repos/{repo}")

    def lanes(self, unit_path: str) -> str:
        """The directory that holds a unit's lanes."""
        return self.at(f"{unit_path}/lanes")

    def lane(self, unit_path: str, lane: str) -> str:
        """The root of a lane."""
        return self.at(f"{unit_path}/lanes/{lane}")

    def lane_checkout(self, unit_path: str, lane: str, repo: str) -> str:
        """The checkout of `repo` in a lane."""
        return self.at(f"{unit_path}/lanes/{lane}/repos/{repo}")
