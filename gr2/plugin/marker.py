"""`hookimpl`, without importing pluggy: plugins are imported on paths where its start-up time would show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

# What pluggy.HookimplMarker("gr2") leaves on a function (pluggy 1.x, `HookimplOpts`).
_MARK = "gr2_impl"


@overload
def hookimpl(function: F, /) -> F: ...
@overload
def hookimpl(*, specname: str | None = None) -> Callable[[F], F]: ...
def hookimpl(function: F | None = None, /, *, specname: str | None = None) -> F | Callable[[F], F]:
    """Mark a function as the implementation of the hookspec it is named after, or of `specname`.

    Order never carries meaning between plugins, so pluggy's ordering options and wrappers do not exist here.
    """

    def mark(target: F) -> F:
        options = {
            "wrapper": False,
            "hookwrapper": False,
            "optionalhook": False,
            "tryfirst": False,
            "trylast": False,
            "specname": specname,
        }
        setattr(target, _MARK, options)
        return target

    return mark if function is None else mark(function)


def mark_of(function: object) -> dict[str, Any] | None:
    """The options of a marked function, None for anything else."""
    found = getattr(function, _MARK, None)
    return found if isinstance(found, dict) else None
