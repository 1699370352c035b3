"""Which commands are struck by disasters. A case is one declaration; add yours to CASES."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gr2.plugin.protocols import DirtyCheckout
from gr2.store.saved import all_saved
from gr2.store.saved_work import SavedWork
from gr2.testing import World
from tests.faults import oracle
from tests.faults.harness import KINDS, Faulted


def _nothing(world: World) -> None:
    return


def _no_check(world: World, faulted: Faulted) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Case:
    """One command and what is expected of it, beyond what the oracle expects of all.

    arrange: makes the state before it. command: what is run in the workspace; "gr2" and "python" as first word are
    this interpreter's. struck: called after the disaster, with how the run ended. check: called after the plain second
    run. kinds: the disasters to try. ignore: workspace-relative paths that may differ from an undisturbed run.
    same_state: whether the second run must end in the state of an undisturbed run. side_by_side: the command runs
    beside others, so that the second run does not wait for what a killed first one left running. lets_go: the start of
    the refs that the command may remove.
    """

    name: str
    arrange: Callable[[World], None]
    command: Sequence[str]
    struck: Callable[[World, Faulted], None] = _no_check
    check: Callable[[World], None] = _nothing
    kinds: Sequence[str] = KINDS
    ignore: Sequence[str] = field(default=())
    same_state: bool = True
    side_by_side: bool = False
    lets_go: str = ""

    def argv(self) -> list[str]:
        """The command line to run."""
        first, *rest = self.command
        programs = {"gr2": [sys.executable, "-m", "gr2"], "python": [sys.executable]}
        return [*programs[first], *rest]


_EMIT = """
import sys
from gr2.edges.clock import Clock, Ids
from gr2.errors import Gr2Error
from gr2.model.event.base import Context
from gr2.model.event.lane import LaneArchived
from gr2.store.layout import Layout
from gr2.store.outbox import Outbox
outbox = Outbox(Layout("."), clock=Clock(), ids=Ids(), max_bytes=700)
context = Context(workspace="shop", actor="system")
try:
    for number in range(7):
        emitted = outbox.emit(LaneArchived(lane_name=f"lane-{number}", reason="r" * 40), context)
        sys.stdout.write(f"{emitted.seq}\\n")
        sys.stdout.flush()
    outbox.sync()
except Gr2Error as error:
    sys.exit(f"{error}")
"""


def _every_event_that_was_reported_is_there(world: World, faulted: Faulted) -> None:
    events = oracle.assert_log_is_dense(world, torn_tail=True)
    reported = [int(line) for line in faulted.stdout.split()]
    assert reported == [event["seq"] for event in events][: len(reported)]


def _the_log_was_rotated_and_goes_on(world: World) -> None:
    events = oracle.assert_log_is_dense(world)
    assert len(events) >= 7
    assert len(list(Path(world.path(".grip/events")).glob("outbox.2*.jsonl"))) >= 2
    assert [event["lane_name"] for event in events[-7:]] == [f"lane-{number}" for number in range(7)]


def _spec(world: World) -> None:
    world.write_spec(units=("alpha",))


def _materialized(world: World) -> None:
    world.write_spec()
    ran = world.gr2("apply")
    assert ran.exit_code == 0, ran.stderr
    # What only the user has: a change, an untracked file, a staged one, a commit, a stash.
    world.write("agents/alpha/repos/app/run.sh", "changed, and only here\n")
    world.write("agents/alpha/repos/app/notes.txt", "untracked, and only here\n")
    world.write("repos/api/staged.txt", "staged, and only here\n")
    world.git("repos/api", "add", "staged.txt")
    world.write("repos/api/staged.txt", "changed again, and only here\n")
    world.commit("agents/beta/repos/app", {"mine.txt": "committed, and only here\n"})
    world.write("agents/beta/repos/api/README.md", "stashed, and only here\n")
    world.git("agents/beta/repos/api", "stash", "push", "--quiet")


def _lane(world: World) -> None:
    _materialized(world)
    ran = world.gr2("lane", "create", "feat", "--unit", "alpha")
    assert ran.exit_code == 0, ran.stderr


def _told_once(*types: str) -> Callable[[World], None]:
    """Each of the event types is in the log exactly once."""

    def check(world: World) -> None:
        told = [event["type"] for event in oracle.assert_log_is_dense(world)]
        assert {name: told.count(name) for name in types} == dict.fromkeys(types, 1), told

    return check


def _everything_was_told(world: World) -> None:
    """Every repo is told of as materialized."""
    told = [event for event in oracle.assert_log_is_dense(world) if event["type"] == "workspace.materialized"]
    assert sorted({repo["repo"] for event in told for repo in event["repos"]}) == ["api", "app"], told


def _exec_was_told(world: World) -> None:
    events = oracle.assert_log_is_dense(world)
    assert events[-1]["type"] in {"exec.completed", "lease.released"}
    for place in ("agents/alpha/lanes/feat/repos/app", "agents/alpha/lanes/feat/repos/api"):
        assert "made" in world.read(f"{place}/made.txt")


def _behind(*, dirty: str) -> Callable[[World], None]:
    """A workspace whose two remotes moved, with uncommitted work in the checkout of `dirty`."""

    def arrange(world: World) -> None:
        world.write_spec(units=())
        ran = world.gr2("apply")
        assert ran.exit_code == 0, ran.stderr
        world.write(f"repos/{dirty}/README.md", "changed\r\n")
        world.write(f"repos/{dirty}/staged.txt", "staged\n")
        world.git(f"repos/{dirty}", "add", "staged.txt")
        world.write(f"repos/{dirty}/staged.txt", "and changed\n")
        world.write(f"repos/{dirty}/new/file", "new\n")
        world.commit("app", {"src/app.txt": "app 3\n", "more.txt": "more\n", "run.sh": None})

    return arrange


_DISCARDED = ("README.md", "new/file", "staged.txt")


def _is_synced(*changes: str, discarded: Sequence[str] = ()) -> Callable[[World], None]:
    """The remote's commit is there, with these changes on top, and every run that began was ended once."""

    def check(world: World) -> None:
        remote = world.git(world.remote("app"), "rev-parse", "main")
        assert world.git("repos/app", "rev-parse", "HEAD", "origin/main").split() == [remote, remote]
        assert world.git("repos/app", "status", "--porcelain").splitlines() == list(changes)
        assert world.git("repos/app", "stash", "list") == ""
        assert not os.path.exists(world.path("repos/app/.git/gr2"))
        events = oracle.assert_log_is_dense(world)
        ended = [event["operation_id"] for event in events if event["type"] == "sync.completed"]
        begun = [event["operation_id"] for event in events if event["type"] == "sync.started"]
        assert len(ended) == len(set(ended))
        assert set(begun) <= set(ended)
        updated = [event["new_sha"] for event in events if event["type"] == "sync.repo_updated"]
        assert updated == [remote], updated
        gone = [event["discarded_files"] for event in events if event.get("reason") == "dirty_discarded"]
        assert gone == ([[*discarded]] if discarded else [])

    return check


def _clones_with_work(world: World) -> None:
    world.git(world.base, "clone", "--quiet", world.remote("app"), world.path("src/app"))
    world.write("src/app/README.md", "changed\n")
    world.write("src/app/new.txt", "untracked\n")


def _the_spec_is_sound(world: World) -> None:
    assert world.call("spec", "validate").exit_code == 0


_SESSION = """
import os, sys
from gr2.edges.git import Git
from gr2.edges.process import Runner
from gr2.errors import Gr2Error
from gr2.plugin.protocols import DirtyCheckout
from gr2.session import Asked, Session
from gr2.store.saved import all_saved
from gr2.store.saved_work import SavedWork
from gr2.store.settings import load_settings
runner, root, env = Runner(), os.getcwd(), dict(os.environ)
settings = load_settings(env)
git, asked = Git(runner, env), Asked(cwd=root, environ=env)
session = Session(root=root, actor="system", asked=asked, settings=settings, runner=runner, git=git)
"""
_PUT_AWAY = (
    _SESSION
    + """
from gr2.ops.mutation import mutation
try:
    with mutation(session, "sync.run") as run:
        checkout = DirtyCheckout(path=root + "/repos/app", scope="shared", repo="app", message="gr2 auto-stash: faults")
        SavedWork(run.session).put_away(checkout, sys.argv[1])
except Gr2Error as error:
    sys.exit(f"{error}")
"""
)
_RESTORE = (
    _SESSION
    + """
from gr2.cli.main import main
sys.exit(main(["saved", sys.argv[1], all_saved(session.layout)[0][0].id]))
"""
)


def _dirty(world: World) -> None:
    world.write_spec(repos=("app",))
    world.git("", "clone", "--quiet", world.remote("app"), "repos/app")
    world.write("repos/app/README.md", b"changed\r\n")
    world.write("repos/app/staged.txt", "staged\n")
    world.git("repos/app", "add", "staged.txt")
    world.write("repos/app/staged.txt", "and changed\n")
    world.write("repos/app/new/file \u00e9", b"new\x00")
    world.git("repos/app", "rm", "--quiet", "src/app.txt")
    Path(world.path("repos/app/run.sh")).chmod(0o644)


def _put_away(kind: Literal["stash", "discard"]) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        _dirty(world)
        place = DirtyCheckout(
            path=world.path("repos/app"), scope="shared", repo="app", message="gr2 auto-stash: faults"
        )
        assert SavedWork(world.session()).put_away(place, kind) is not None

    return arrange


def _is_put_away(kind: str) -> Callable[[World], None]:
    def check(world: World) -> None:
        assert world.git("repos/app", "status", "--porcelain") == ""
        found, broken = all_saved(world.session().layout)
        assert not broken
        assert [(saved.kind, saved.state) for saved in found] == [(kind, "kept")]
        assert len(world.git("repos/app", "stash", "list").splitlines()) == (kind == "stash")
        assert not os.path.exists(world.path("repos/app/.git/gr2"))

    return check


def _is_back(world: World) -> None:
    assert world.git("repos/app", "status", "--porcelain") == "\n".join(
        [" M README.md", " M run.sh", "D  src/app.txt", "AM staged.txt", "?? new/"]
    )
    assert Path(world.path("repos/app/README.md")).read_bytes() == b"changed\r\n"
    assert world.git("repos/app", "stash", "list") == ""
    assert not os.path.exists(world.path("repos/app/.git/gr2"))


def _left_over(world: World) -> None:
    """A stash that waits, what was put back long ago, old logs, and what a killed gr2 left."""
    _put_away("stash")(world)
    world.write("repos/app/README.md", "discarded, and put back\n")
    place = DirtyCheckout(path=world.path("repos/app"), scope="shared", repo="app", message="gr2 auto-stash: faults")
    saved = SavedWork(world.session()).put_away(place, "discard")
    assert saved is not None
    assert world.call("saved", "restore", saved.id).exit_code == 0
    (record,) = Path(world.path(".grip/state/saved")).glob(f"**/{saved.id}.json")
    entry = json.loads(record.read_text())
    record.write_text(json.dumps({**entry, "ended_at": "2020-01-01T00:00:00.000000Z"}))
    for name in (".grip/state/logs/old.log", ".grip/events/hook_output/old.out"):
        world.write(name, "old\n")
        os.utime(world.path(name), (0, 0))
    world.write(".grip/tmp/op_0123456789ab/half-made/file", "half\n")


def _only_what_waits_is_left(world: World) -> None:
    found, broken = all_saved(world.session().layout)
    assert not broken
    assert [(saved.kind, saved.state) for saved in found] == [("stash", "kept")]
    assert len(world.git("repos/app", "stash", "list").splitlines()) == 1
    assert world.read("repos/app/README.md") == "discarded, and put back\n"
    assert not Path(world.path(".grip/state/logs/old.log")).exists()
    assert not Path(world.path(".grip/events/hook_output/old.out")).exists()


def _out_of_order(world: World) -> None:
    _materialized(world)
    world.git(".grip/cache/repos/app.git", "config", "--unset", "extensions.preciousObjects")
    world.git(".grip/cache/repos/api.git", "config", "--unset", "extensions.preciousObjects")
    Path(world.path(".grip/state")).chmod(0o755)


def _is_in_order(world: World) -> None:
    ran = world.call("doctor", "--json")
    assert (ran.exit_code, ran.json["status"]) == (0, "ok"), ran.stdout
    for repo in ("app", "api"):
        assert world.git(f".grip/cache/repos/{repo}.git", "config", "extensions.preciousObjects") == "true"


CASES = [
    Case(
        name="gc", arrange=_left_over, command=["gr2", "gc"], lets_go="refs/gr2/saved/", check=_only_what_waits_is_left
    ),
    Case(name="doctor-fix", arrange=_out_of_order, command=["gr2", "doctor", "--fix"], check=_is_in_order),
    *(
        Case(
            name=f"put-away-{kind}",
            arrange=_dirty,
            command=["python", "-c", _PUT_AWAY, kind],
            check=_is_put_away(kind),
        )
        for kind in ("stash", "discard")
    ),
    Case(
        name="saved-restore-stash",
        arrange=_put_away("stash"),
        command=["python", "-c", _RESTORE, "restore"],
        check=_is_back,
    ),
    Case(
        name="saved-restore-discard",
        arrange=_put_away("discard"),
        command=["python", "-c", _RESTORE, "restore"],
        check=_is_back,
    ),
    Case(
        name="workspace-init-from-dirs",
        arrange=_clones_with_work,
        command=["gr2", "workspace", "init", "--name", "shop", "--from-dirs", "src"],
        check=_the_spec_is_sound,
    ),
    Case(
        name="emit-and-rotate",
        arrange=lambda world: world.write(".grip/.keep", "") and None,
        command=["python", "-c", _EMIT],
        struck=_every_event_that_was_reported_is_there,
        check=_the_log_was_rotated_and_goes_on,
        kinds=("tree", "enospc"),
    ),
    Case(
        name="workspace-init",
        arrange=_nothing,
        command=["gr2", "workspace", "init", "--name", "shop", "--unit", "alpha", "--repo", "app=../remotes/app.git"],
        check=_the_spec_is_sound,
    ),
    Case(name="apply", arrange=_spec, command=["gr2", "apply"], check=_everything_was_told),
    *(
        Case(name=f"sync-run-{name}", arrange=_behind(dirty=dirty), command=["gr2", "sync", "run", *args], check=check)
        for name, dirty, args, check in (
            ("stash", "app", (), _is_synced(" M README.md", "AM staged.txt", "?? new/")),
            ("discard", "app", ("--dirty", "discard", "--yes"), _is_synced(discarded=_DISCARDED)),
            ("block", "api", ("--dirty", "block"), _is_synced()),
            ("rebase", "api", ("--strategy", "rebase"), _is_synced()),
        )
    ),
    Case(
        name="lane-create",
        arrange=_materialized,
        command=["gr2", "lane", "create", "feat", "--unit", "alpha"],
        check=_told_once("lane.created"),
    ),
    Case(
        name="exec-run",
        arrange=_lane,
        command=["gr2", "exec", "run", "--lane", "alpha/feat", "--", "sh", "-c", "echo made >made.txt"],
        check=_exec_was_told,
        ignore=(".grip/state/leases",),
        side_by_side=True,
    ),
]
