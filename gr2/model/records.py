"""`dataclass`: the standard library's, except that frozen ones cost next to nothing to define.

`dataclasses` compiles six functions for each frozen class, about half a millisecond; a command imports eighty classes
and makes instances of a few. Here comparing, hashing, showing and refusing are shared by all of them, and `__init__` is
compiled when the first instance is made. What it makes behaves as the original in all that `dataclasses` documents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, field, make_dataclass
from inspect import get_annotations
from threading import RLock
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, **options):
        """As `dataclasses.dataclass`."""

        def decorate(cls):
            kw_only = options.get("kw_only", False)
            if options not in ({"frozen": True, "kw_only": True}, {"frozen": True}) or not _is_plain(cls, kw_only):
                return dataclasses.dataclass(**options)(cls)
            return _light(cls, kw_only)

        return decorate if cls is None else decorate(cls)


__all__ = ["dataclass"]

_DEFINING = RLock()


def _is_plain(cls: type, kw_only: bool) -> bool:
    """Whether the class uses nothing but fields with defaults, and inherits only from such classes."""
    for base in cls.__mro__[1:]:
        if "__dataclass_params__" in base.__dict__ and base.__dict__.get("__gr2_kw_only__") is not kw_only:
            return False
    if any(name in cls.__dict__ for name in ("__init__", "__eq__", "__hash__", "__repr__", "__setattr__")):
        return False
    return all(
        found.init and found.repr and found.compare and not found.metadata and found.kw_only is MISSING
        for found in cls.__dict__.values()
        if isinstance(found, Field)
    )


def _light(cls: Any, kw_only: bool) -> Any:
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__[1:]):
        members.update(base.__dict__.get("__gr2_fields__", {}))
    for name, annotation in get_annotations(cls).items():
        if not str(annotation).removeprefix("typing.").startswith("ClassVar"):
            members[name] = _default(cls, name)
    cls.__gr2_fields__ = members
    cls.__gr2_kw_only__ = kw_only
    cls.__init__ = _until_used(cls)
    cls.__repr__, cls.__eq__, cls.__hash__ = _repr, _eq, _hash
    cls.__setattr__, cls.__delattr__ = _refuse, _refuse
    cls.__dataclass_params__ = _Parameters()
    cls.__dataclass_fields__ = _Fields()
    setattr(cls, "__match_args__", () if kw_only else tuple(members))  # noqa: B010 (mypy takes it for its own)
    return cls


def _default(cls: type, name: str) -> object:
    """The field's default: a value, a Field with a factory, or MISSING. The class keeps only values."""
    found = cls.__dict__.get(name, MISSING)
    if not isinstance(found, Field):
        return found
    if found.default is not MISSING:
        setattr(cls, name, found.default)
        return found.default
    delattr(cls, name)
    return MISSING if found.default_factory is MISSING else found


def _until_used(kind: Any) -> Callable[..., None]:
    """What stands where `__init__` will be."""

    def __init__(self: object, *values: object, **named: object) -> None:
        with _DEFINING:
            if kind.__init__ is __init__:
                kind.__init__ = _compiled_init(kind)
        kind.__init__(self, *values, **named)

    return __init__


def _compiled_init(kind: Any) -> Callable[..., None]:
    known: dict[str, Any] = {"_made": MISSING}
    heading, lines = ["self", *(["*"] if kind.__gr2_kw_only__ and kind.__gr2_fields__ else [])], []
    for name, default in kind.__gr2_fields__.items():
        given = name
        if default is MISSING:
            heading.append(name)
        elif isinstance(default, Field):
            known[f"_of_{name}"] = default.default_factory
            heading.append(f"{name}=_made")
            given = f"_of_{name}() if {name} is _made else {name}"
        else:
            known[f"_of_{name}"] = default
            heading.append(f"{name}=_of_{name}")
        lines.append(f" _own[{name!r}] = {given}\n")
    after = " self.__post_init__()\n" if hasattr(kind, "__post_init__") else ""
    # As `dataclasses` does it: the text holds names of fields, which are identifiers, and nothing else.
    exec(f"def __init__({', '.join(heading)}):\n _own = self.__dict__\n{''.join(lines)}{after}", known)  # noqa: S102
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    return made


class _Parameters:
    """`__dataclass_params__`, made when somebody asks."""

    def __get__(self, instance: object, kind: Any) -> object:
        twin: Any = make_dataclass(kind.__name__, (), frozen=True, kw_only=kind.__gr2_kw_only__)
        return twin.__dataclass_params__


class _Fields:
    """`__dataclass_fields__`, made when somebody asks."""

    def __get__(self, instance: object, kind: Any) -> dict[str, Field[Any]]:
        hints: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            hints.update(get_annotations(base))
        members = [(name, hints[name], _field(default)) for name, default in kind.__gr2_fields__.items()]
        options: dict[str, Any] = {"init": False, "repr": False, "eq": False, "kw_only": kind.__gr2_kw_only__}
        twin: Any = make_dataclass(kind.__name__, members, **options)
        kind.__dataclass_fields__ = found = cast("dict[str, Field[Any]]", twin.__dataclass_fields__)
        return found


def _field(default: object) -> Any:
    if isinstance(default, Field):
        return field(default_factory=default.default_factory)
    return field(default=default)


def _refuse(self: object, name: str, *content: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot {'assign to' if content else 'delete'} field {name!r}")


def _content(self: Any) -> tuple[object, ...]:
    own = self.__dict__
    return tuple([own[name] for name in self.__gr2_fields__])


def _eq(self: object, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _content(self) == _content(other)


def _hash(self: object) -> int:
    return hash(_content(self))


def _repr(self: Any) -> str:
    said = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__gr2_fields__)
    return f"{type(self).__qualname__}({said})"
