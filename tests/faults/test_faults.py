"""Every mutating command survives every disaster at every state-changing call.

`make test` takes a sample of the calls, `make faults` (GR2_FAULTS=full) all of them. GR2_FAULTS=KIND:K tries one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

import pytest

from gr2.testing import World
from tests.faults import oracle
from tests.faults.cases import CASES, Case
from tests.faults.harness import Faulted, Mechanism, chosen, run_with_fault
from tests.faults.hook_cases import HOOK_CASES
from tests.faults.lane_cases import LANE_CASES
from tests.faults.pr_cases import PR_CASES

pytestmark = pytest.mark.faults

FAULTS = os.environ.get("GR2_FAULTS", "")
BUDGET = {"tree": 3, "child": 1, "gr2": 1, "enospc": 2}
SHARDS = 2 if FAULTS == "full" else 1
ENOUGH = 4
STRUCK = [
    pytest.param(case, kind, shard, id=f"{case.name}-{kind}" + (f"-{shard}" if SHARDS > 1 else ""))
    for case in (*CASES, *HOOK_CASES, *LANE_CASES, *PR_CASES)
    for kind in case.kinds
    for shard in range(SHARDS)
]


class Stage:
    """A case in its world, which can be put back to how it was arranged, at the same path."""

    def __init__(self, case: Case, world: World, mechanism: Mechanism) -> None:
        self.case = case
        self.world = world
        self._mechanism = mechanism
        self._copy = f"{world.base}.arranged"
        case.arrange(world)
        os.chdir(os.path.dirname(world.base))
        subprocess.run(["cp", "-a", world.base, self._copy], check=True)
        self._had, self._places = oracle.belongings(world, but=case.lets_go), oracle.checkouts(world.root)
        self.counted = self.run()
        ended = f"undisturbed: {self.counted.exit_code}\n{self.counted.stdout}\n{self.counted.stderr}"
        assert self.counted.exit_code == 0, ended
        self.undisturbed = oracle.state_of(world, ignore=case.ignore)
        case.check(world)

    def reset(self) -> None:
        """Put everything back."""
        subprocess.run(["chmod", "-R", "u+rwX", self.world.base], check=True)
        shutil.rmtree(self.world.base)
        subprocess.run(["cp", "-a", self._copy, self.world.base], check=True)

    def run(self, kind: str = "tree", at: int = 0) -> Faulted:
        """Run the case's command, with a disaster unless `at` is 0."""
        argv, env, cwd = self.case.argv(), self.world.env, self.world.root
        wait = self.case.side_by_side
        return run_with_fault(argv, env=env, cwd=cwd, mechanism=self._mechanism, kind=kind, at=at, wait_for_all=wait)

    def _run_plainly(self) -> tuple[int, str, str]:
        program, *args = self.case.command
        if program == "gr2":  # in this process: it need not import gr2 again
            ran = self.world.call(*args)
            return ran.exit_code, ran.stdout, ran.stderr
        return oracle.run_plain(self.case.argv(), cwd=self.world.root, env=self.world.env)

    def strike(self, kind: str, at: int) -> None:
        """From the arranged state: run with the disaster, look, run again plainly, look again."""
        self.reset()
        world = self.world
        had, places = self._had, self._places
        faulted = self.run(kind, at)
        _assert_ended_well(faulted, kind)
        if kind != "gr2":  # there the children may still be at work
            oracle.assert_nothing_lost(had, world)
            oracle.assert_whole(world, places)
            oracle.assert_readable(world)
            self.case.struck(world, faulted)

        code, stdout, stderr = self._run_plainly()

        assert code == 0, f"the second run: {code}\n{stdout}\n{stderr}"
        oracle.assert_nothing_lost(had, world)
        oracle.assert_whole(world, places)
        oracle.assert_readable(world)
        oracle.assert_log_is_dense(world)
        oracle.assert_no_temporaries(world)
        if self.case.same_state:
            found = oracle.differences(self.undisturbed, oracle.state_of(world, ignore=self.case.ignore))
            assert not found, f"not the state of an undisturbed run (first run: {faulted.exit_code}):\n{found}"
        self.case.check(world)


def _assert_ended_well(faulted: Faulted, kind: str) -> None:
    """A gr2 that was not killed itself says what is wrong; it does not crash."""
    if kind in {"child", "enospc"}:
        assert faulted.exit_code in {0, 1, 3, 4}, f"ended with {faulted.exit_code}:\n{faulted.stdout}\n{faulted.stderr}"
    assert "Traceback" not in faulted.stderr, faulted.stderr


def strike_all(stage: Stage, kind: str, numbers: Iterable[int]) -> None:
    """Let `kind` happen at each of the calls; the error says how to repeat the first few that go wrong."""
    wrong: list[str] = []
    for number in numbers:
        try:
            stage.strike(kind, number)
        except Exception as error:
            what = stage.counted.trace[number - 1 : number] if kind != "child" else "child"
            again = f"GR2_FAULTS={kind}:{number} pytest tests/faults -k {stage.case.name}-{kind}"
            wrong.append(f"{kind} at call {number} ({what}); again: {again}\n{error}")
            if len(wrong) == ENOUGH:
                break
    assert not wrong, "\n\n".join(wrong)


def _numbers(counted: Faulted, kind: str, shard: int) -> list[int]:
    named, _, number = FAULTS.partition(":")
    if number:
        return [int(number)] if named == kind else []
    return chosen(counted, kind, None if FAULTS == "full" else BUDGET[kind])[shard::SHARDS]


@pytest.mark.parametrize(("case", "kind", "shard"), STRUCK)
def test_a_disaster_loses_nothing_and_a_second_run_finishes(
    case: Case, kind: str, shard: int, world: World, best_mechanism: Mechanism
) -> None:
    stage = Stage(case, world, best_mechanism)

    strike_all(stage, kind, _numbers(stage.counted, kind, shard))


@pytest.mark.parametrize("kind", ["tree", "gr2", "enospc"])
def test_a_machine_without_a_compiler_tests_it_too(kind: str, world: World) -> None:
    case = next(case for case in CASES if case.name == "workspace-init")
    stage = Stage(case, world, Mechanism(None))

    strike_all(stage, kind, chosen(stage.counted, kind, 3))


def _with_checkout(world: World) -> None:
    world.git("", "clone", "--quiet", world.remote("app"), "repos/app")
    world.write("repos/app/notes.txt", "untracked, and only here\n")
    world.write("repos/app/run.sh", "changed, and only here\n")


_EVENT = '{"version":1,"event_id":"0123456789abcdef","seq":1,"timestamp":"t","type":"x"}'


@pytest.mark.parametrize(
    ("program", "finding"),
    [
        ("open('repos/app/notes.txt', 'w').write('new')", "lost: .*worktree notes.txt"),
        ("os.mkdir('repos/api'); os.rmdir('repos/api')", "half-made: .*repos/api"),
        ("name = f'.grip/tmp/{os.getpid()}'; os.makedirs(name); os.rmdir(name)", "left behind"),
        ("name = f'repos/app/.git/{os.getpid()}.lock'; os.mkdir(name); os.rmdir(name)", "left behind"),
        ("open('.grip/state.json', 'w').write('{}')", "Expecting value"),
        ("os.mkdir('once'); os.chmod('once', 0o700)", "the second run: 1"),
        ("open('.grip/state.txt', 'a').write('more'); os.chmod('.grip', 0o700)", "not the state of an undisturbed run"),
        (
            "os.path.exists('.grip/events') or os.mkdir('.grip/events');"
            f"open('.grip/events/outbox.jsonl', 'ab', 0).write(b'{_EVENT}\\n')",
            "Extra data|Expecting",
        ),
    ],
)
def test_the_oracle_notices(world: World, mechanism: Mechanism, program: str, finding: str) -> None:
    def arrange(world: World) -> None:
        _with_checkout(world)
        world.write_spec(repos=("app", "api"), units=())

    case = Case(name="bad", arrange=arrange, command=["python", "-c", f"import os; {program}"])

    with pytest.raises(AssertionError, match=f"(?s)tree at call .*{finding}"):
        stage = Stage(case, world, mechanism)
        strike_all(stage, "tree", range(1, stage.counted.total + 1))
