"""Merges a projected file into one that is there: mappings deep, text by missing lines; what is there wins.

The result is read back and compared before anybody writes it, so that no formatting of a library can lose a value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from gr2.model.records import dataclass

MERGE_LIMIT = 1 << 20
_KINDS = (bool, int, float, str)


class Unmergeable(Exception):
    """One of the two cannot be read, or the result could not be written. The text says why, in lower case."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The merged bytes, and the key paths where both had a value and that of the target stayed."""

    data: bytes
    conflicts: tuple[str, ...] = ()


class _Written(float):
    """A number that also knows how it is written: a float alone rounds it. Raises InvalidOperation, ValueError."""

    text: str
    exact: Decimal

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.text, made.exact = text, Decimal(text)
        return made


def merge(name: str, target: bytes, source: bytes) -> Merged:
    """`target` with what `source` has and it lacks. `name` is the target's, whose suffix tells the format.

    Lists are values: they are not joined. Raises Unmergeable.
    """
    suffix = name.rpartition(".")[2].casefold() if "." in name else ""
    mergers = {"toml": _merge_toml, "json": _merge_json, "yaml": _merge_yaml, "yml": _merge_yaml}
    old, new = _text(target, "what is there"), _text(source, "the projected file")
    if suffix not in mergers:
        return Merged(data=merge_lines(old, new).encode())
    try:
        return mergers[suffix](old, new)
    except RecursionError:
        raise Unmergeable("it is nested too deeply") from None


def _text(data: bytes, whose: str) -> str:
    if len(data) > MERGE_LIMIT:
        raise Unmergeable(f"{whose} is over {MERGE_LIMIT >> 20} MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Unmergeable(f"{whose} is not UTF-8") from None
    if "\0" in text:
        raise Unmergeable(f"{whose} is not a text")
    return text


def merge_lines(target: str, source: str) -> str:
    """`target` with the lines of `source` that it lacks at its end, in their order. Blank lines come along only
    between added lines."""
    end = "\r\n" if "\r\n" in target else "\n"
    have = {line.rstrip("\r") for line in target.split("\n")}
    added: list[str] = []
    gap = False
    for line in (line.rstrip("\r") for line in source.split("\n")):
        if not line.strip():
            gap = bool(added)
        elif line not in have:
            added += ["", line] if gap else [line]
            have.add(line)
            gap = False
    if not added:
        return target
    before = target if not target or target.endswith("\n") else target + end
    return before + "".join(line + end for line in added)


def fill_in(
    target: MutableMapping[Any, Any],
    source: Mapping[Any, Any],
    *,
    path: str = "",
    add: Callable[[Any], Any] = lambda value: value,
) -> tuple[list[str], bool]:
    """Put what `source` has and `target` lacks into `target`, mappings deep. Gives the conflicts and whether anything
    was put in. `add` turns a value into what the target's library takes."""
    conflicts: list[str] = []
    changed = False
    for key, value in source.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in target:
            target[key] = add(value)
            changed = True
            continue
        mine = target[key]
        if isinstance(mine, MutableMapping) and isinstance(value, Mapping):
            deeper, grew = fill_in(mine, value, path=here, add=add)
            conflicts += deeper
            changed = changed or grew
        elif not same(mine, value):
            conflicts.append(here)
    return conflicts, changed


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, a boolean or an integer not being equal to a number of another kind."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, _Written) and isinstance(other, _Written):
        return one.exact == other.exact
    kinds = [
        next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None) for value in (one, other)
    ]
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return kinds[0] is kinds[1] and bool(one == other)


def _expected(target: dict[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    from copy import deepcopy

    plain = deepcopy(target)
    fill_in(plain, source)
    return plain


def _merge_json(old: str, new: str) -> Merged:
    target, source = _json(old, "what is there"), _json(new, "the projected file")
    conflicts, changed = fill_in(target, source)
    if not changed:
        return Merged(data=old.encode(), conflicts=tuple(conflicts))
    text = _json_text(target, _indent_of(old))
    _check(same(_json(text, "the result"), target))
    end = "\n" if old.endswith("\n") or not old.strip() else ""
    return Merged(data=(text + end).encode(), conflicts=tuple(conflicts))


def _json(text: str, whose: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key is there twice")
        return found

    def finite(word: str) -> float:
        try:
            number = _Written(word)
        except InvalidOperation:
            raise ValueError("a number is too small") from None
        if not math.isfinite(number):
            raise ValueError("a number is too large")
        return number

    def whole(word: str) -> float:
        return _Written(word) if word == "-0" else int(word)

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is not JSON")

    try:
        found = json.loads(text, object_pairs_hook=once, parse_float=finite, parse_int=whole, parse_constant=refuse)
    except ValueError as error:
        raise Unmergeable(f"{whose} cannot be read as JSON: {error}") from None
    return _mapping(found, whose)


def _mapping(found: Any, whose: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Unmergeable(f"{whose} is not a mapping")
    try:
        "".join(_texts(found)).encode()
    except UnicodeEncodeError:
        raise Unmergeable(f"{whose} holds half a character") from None
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _json_text(value: Any, indent: str | None, end: str = "\n") -> str:
    """What `json.dumps` gives, but for numbers, which stay as they were written. `end` ends a line at this depth."""
    if isinstance(value, _Written):
        return value.text
    if not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    inner = end + (indent or "")
    if isinstance(value, dict):
        marks = "{}"
        items = [
            f"{json.dumps(key, ensure_ascii=False)}: {_json_text(item, indent, inner)}" for key, item in value.items()
        ]
    else:
        marks, items = "[]", [_json_text(item, indent, inner) for item in value]
    if indent is None:
        return marks[0] + ", ".join(items) + marks[1]
    return marks[0] + inner + f",{inner}".join(items) + end + marks[1]


def _indent_of(text: str) -> str | None:
    for line in text.split("\n")[1:]:
        blank = line[: len(line) - len(line.lstrip())]
        if blank and line.strip():
            return "\t" if blank.startswith("\t") else " " * len(blank)
    return "  " if "\n" in text.strip() or text.strip() in {"", "{}"} else None


def _merge_toml(old: str, new: str) -> Merged:
    import tomlkit

    target, source = _toml(old, "what is there"), _toml(new, "the projected file")
    expected = _expected(target, source)
    try:
        document = tomlkit.parse(old)
        conflicts, changed = fill_in(document, source, add=tomlkit.item)
        text = tomlkit.dumps(document) if changed else old
    except (tomlkit.exceptions.TOMLKitError, ValueError, TypeError) as error:
        raise Unmergeable(f"they cannot be joined: {error}") from None
    _check(same(_toml(text, "the result"), expected))
    return Merged(data=text.encode(), conflicts=tuple(conflicts))


def _toml(text: str, whose: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise Unmergeable(f"{whose} cannot be read as TOML: {error}") from None


def _merge_yaml(old: str, new: str) -> Merged:
    from ruamel.yaml.error import YAMLError

    target, source = _yaml(old, "what is there"), _yaml(new, "the projected file")
    expected = _expected(target, source)
    if same(target, expected):
        return Merged(data=old.encode(), conflicts=tuple(fill_in(target, source)[0]))
    try:
        conflicts, text = _write_yaml(old, source)
    except (YAMLError, ValueError, TypeError, AttributeError) as error:
        raise Unmergeable(f"they cannot be joined: {_first_line(error)}") from None
    _check(same(_yaml(text, "the result"), expected))
    return Merged(data=text.encode(), conflicts=tuple(conflicts))


def _write_yaml(old: str, source: Mapping[str, Any]) -> tuple[list[str], str]:
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Exact(RoundTripRepresenter):
        def represent_written(self, number: _Written) -> Any:
            return self.represent_scalar("tag:yaml.org,2002:float", number.text)

    Exact.add_representer(_Written, Exact.represent_written)
    writer = YAML(typ="rt", pure=True)
    writer.Representer = Exact
    writer.preserve_quotes = True
    writer.width = 1 << 20
    mapping, offset = _yaml_indents(old)
    writer.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    document = writer.load(old)
    out = StringIO()
    if document is None:
        # Nothing but comments, which the library has no place for.
        writer.dump(dict(source), out)
        return [], old + ("" if not old or old.endswith("\n") else "\n") + out.getvalue()
    conflicts, _ = fill_in(document, source)
    writer.dump(document, out)
    return conflicts, out.getvalue()


def _yaml_indents(text: str) -> tuple[int, int]:
    """How far mappings are indented, and how far the dashes of lists are, in what is there."""
    mapping, offset = 0, -1
    key: int | None = None
    for line in text.split("\n"):
        content = line.lstrip(" ")
        if not content or content.startswith("#"):
            continue
        depth = len(line) - len(content)
        if key is not None and content.startswith("- ") and depth >= key:
            offset = depth - key if offset < 0 else offset
        elif key is not None and depth > key:
            mapping = mapping or depth - key
        key = depth if content.rstrip().endswith(":") and not content.startswith("- ") else None
    return mapping or 2, max(offset, 0)


def _yaml(text: str, whose: str) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.error import YAMLError

    class Exact(SafeConstructor):
        def construct_yaml_float(self, node: Any) -> Any:
            number = super().construct_yaml_float(node)
            try:
                return _Written(node.value)
            except (InvalidOperation, ValueError):
                # As `.inf` is written.
                return number

    Exact.add_constructor("tag:yaml.org,2002:float", Exact.construct_yaml_float)
    loader = YAML(typ="safe", pure=True)
    loader.Constructor = Exact
    try:
        found = loader.load(text)
    except (YAMLError, ValueError, TypeError) as error:
        raise Unmergeable(f"{whose} cannot be read as YAML: {_first_line(error)}") from None
    return _mapping(_unfolded({} if found is None else found, (), [100_000]), whose)


def _unfolded(value: Any, above: tuple[int, ...], budget: list[int]) -> Any:
    """`value` with a copy for each alias, so that a change in one place is seen not to be one in another. Aliases may
    also make a value contain itself, or be a billion values."""
    budget[0] -= 1
    if id(value) in above or budget[0] < 0:
        raise Unmergeable("its aliases are not to be unfolded")
    inside = (*above, id(value))
    if isinstance(value, dict):
        return {key: _unfolded(item, inside, budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_unfolded(item, inside, budget) for item in value]
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check(is_right: bool) -> None:
    if not is_right:
        raise Unmergeable("they cannot be joined without changing a value")
