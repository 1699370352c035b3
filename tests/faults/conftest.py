"""The mechanisms of the fault harness."""

from __future__ import annotations

import pytest

from tests.faults.harness import Mechanism


@pytest.fixture(scope="session")
def best_mechanism(tmp_path_factory: pytest.TempPathFactory) -> Mechanism:
    """The most thorough mechanism of this machine."""
    return Mechanism.best(tmp_path_factory.mktemp("shim"))


@pytest.fixture(params=["best", "python"])
def mechanism(request: pytest.FixtureRequest, best_mechanism: Mechanism) -> Mechanism:
    """Each mechanism in turn: the best one, and the one that works everywhere."""
    return best_mechanism if request.param == "best" else Mechanism(None)
