"""A light dataclass is what the standard library's is, only cheaper to define."""

from __future__ import annotations

import dataclasses
import inspect
import threading
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from typing import Any, ClassVar, no_type_check

import pytest

from gr2.model.records import dataclass


@no_type_check
def _declare(dataclass: Any) -> tuple[Any, Any, Any]:
    """A class, one that inherits from it, and one with positions, made by this `dataclass`."""

    @dataclass(frozen=True, kw_only=True)
    class Point:
        """Two numbers and what is said of them."""

        ORIGIN: ClassVar[int] = 0
        x: int
        y: int = 0
        notes: list[str] = field(default_factory=list)

        @property
        def total(self) -> int:
            return self.x + self.y

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError(self.x)

    @dataclass(frozen=True, kw_only=True)
    class Named(Point):
        """A point with a name."""

        name: str
        y: int = 7

    @dataclass(frozen=True)
    class Pair:
        """Two, in order."""

        first: str
        second: str = "b"

    return Point, Named, Pair


LIGHT, ORIGINAL = _declare(dataclass), _declare(dataclasses.dataclass)
NAMED: Any = LIGHT[1]
CALLS: dict[str, Any] = {
    "defaults": lambda Point, Named, Pair: [vars(Point(x=1)), vars(Named(x=1, name="a")), vars(Pair("a"))],
    "equal": lambda Point, Named, Pair: [
        Named(x=1, name="a") == Named(x=1, name="a"),
        Named(x=1, name="a") == Named(x=2, name="a"),
        Point(x=1) == Named(x=1, name="a"),
        Pair("a") == "a",
    ],
    "shown": lambda Point, Named, Pair: repr([Named(x=1, name="a"), Pair("a", "c")]),
    "hashed": lambda Point, Named, Pair: len({Pair("a"), Pair("a", "b"), Pair("b")}),
    "unhashable": lambda Point, Named, Pair: hash(Point(x=1)),
    "changed": lambda Point, Named, Pair: setattr(Point(x=1), "x", 2),
    "added": lambda Point, Named, Pair: setattr(Pair("a"), "other", 2),
    "deleted": lambda Point, Named, Pair: delattr(Point(x=1), "x"),
    "missing": lambda Point, Named, Pair: Point(),
    "unknown": lambda Point, Named, Pair: Point(x=1, z=2),
    "positional": lambda Point, Named, Pair: Point(1),
    "too many": lambda Point, Named, Pair: Pair("a", "b", "c"),
    "refused": lambda Point, Named, Pair: Point(x=-1),
    "fields": lambda Point, Named, Pair: [
        [(each.name, each.type, each.default, each.default_factory, each.init, each.kw_only) for each in fields(kind)]
        for kind in (Point, Named, Pair)
    ],
    "is one": lambda Point, Named, Pair: [is_dataclass(Named), Pair.__match_args__, Point.__match_args__],
    "replaced": lambda Point, Named, Pair: vars(replace(Named(x=1, name="a"), x=3)),
    "asdict": lambda Point, Named, Pair: asdict(Named(x=1, name="a", notes=["b"])),
    "signature": lambda Point, Named, Pair: (Pair("a"), str(inspect.signature(Pair)).replace("'", ""))[1].count("="),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_behaves_as_the_standard_librarys(call: Any) -> None:
    def outcome(kinds: tuple[Any, Any, Any]) -> object:
        try:
            return call(*kinds)
        except (TypeError, ValueError, FrozenInstanceError) as error:
            return type(error), str(error)

    assert outcome(LIGHT) == outcome(ORIGINAL)


def test_it_is_light_only_where_it_can_be() -> None:
    @dataclass
    class Changing:
        x: int = 0

    @dataclass(frozen=True)
    class Hidden:
        x: int = field(default=0, compare=False)

    @dataclass(frozen=True, kw_only=True)
    class Shouting(NAMED):
        def __repr__(self) -> str:
            return "!"

    changing = Changing()
    changing.x = 3

    assert changing == Changing(x=3)
    assert Hidden(x=1) == Hidden(x=2)
    assert repr(Shouting(x=1, name="a")) == "!"


def test_a_dataclass_of_the_standard_library_may_inherit_from_a_light_one() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Coloured(NAMED):
        colour: str

    @dataclass(frozen=True, kw_only=True)
    class Again(Coloured):
        size: int

    made = Again(x=1, name="a", colour="red", size=2)

    assert asdict(made) == {"x": 1, "y": 7, "notes": [], "name": "a", "colour": "red", "size": 2}
    assert replace(made, colour="blue") != made
    with pytest.raises(FrozenInstanceError):
        made.x = 2


def test_threads_may_make_the_first_one_at_once() -> None:
    for _ in range(20):

        @dataclass(frozen=True, kw_only=True)
        class Base:
            x: int

        @dataclass(frozen=True, kw_only=True)
        class Fresh(Base):
            y: int

        start, made = threading.Barrier(4), list[object]()

        def make(start: threading.Barrier = start, made: list[object] = made, kind: type[Fresh] = Fresh) -> None:
            start.wait()
            made.append(kind(x=1, y=2))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert made == [Fresh(x=1, y=2)] * 4
