"""Merging a projected file into a person's: theirs wins, comments stay, and a second merge changes nothing."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.store.merging import Unmergeable, merge, merge_lines


@pytest.mark.parametrize(
    ("name", "target", "source", "result", "conflicts"),
    [
        ("a.md", "a\nb\n", "b\nc\n", "a\nb\nc\n", ()),
        ("a.md", "a", "b", "a\nb\n", ()),
        ("a.md", "a\r\n", "b\n", "a\r\nb\r\n", ()),
        ("a.md", "", "# x\n\ny\n", "# x\n\ny\n", ()),
        ("a.md", "# ours\n\nx\n", "# theirs\n\nx\n\ny\n", "# ours\n\nx\n# theirs\n\ny\n", ()),
        (".gitignore", "*.o\n", "*.o\n*.so\n", "*.o\n*.so\n", ()),
        ("a.json", '{"a": 1}', '{"b": 2}', '{"a": 1, "b": 2}', ()),
        ("a.json", '{\n  "a": {"x": [1]}\n}\n', '{"a": {"x": [2]}}', '{\n  "a": {"x": [1]}\n}\n', ("a.x",)),
        ("a.json", '{"a": true}', '{"a": 1}', '{"a": true}', ("a",)),
        ("a.json", '{\n\t"a": 1\n}\n', '{"b": {"c": null}}', '{\n\t"a": 1,\n\t"b": {\n\t\t"c": null\n\t}\n}\n', ()),
        (
            "a.json",
            '{"price": 12345678901234567890.12, "r": 1e5, "z": -0, "l": [1.10]}',
            '{"b": 0.10000000000000000001, "r": 100000.0, "price": 12345678901234567890.13}',
            '{"price": 12345678901234567890.12, "r": 1e5, "z": -0, "l": [1.10], "b": 0.10000000000000000001}',
            ("price",),
        ),
        (
            "a.json",
            '{\n  "a": [],\n  "l": [\n    {},\n    "\u00e9"\n  ]\n}',
            '{"b": {"c": [1]}}',
            '{\n  "a": [],\n  "l": [\n    {},\n    "\u00e9"\n  ],\n  "b": {\n    "c": [\n      1\n    ]\n  }\n}',
            (),
        ),
        ("a.toml", "a = 1.10 # one\n", "b = 2e5\n", "a = 1.10 # one\nb = 200000.0\n", ()),
        ("a.yaml", "a: 1.10\nl: [1e5, .inf]\n", "b: [2e5, .5]\n", "a: 1.10\nl: [1e5, .inf]\nb:\n- 2e5\n- .5\n", ()),
        ("a.yaml", "b: &x {c: 1}\nd: *x\n", "e: {f: 2}\n", "b: &x {c: 1}\nd: *x\ne:\n  f: 2\n", ()),
        ("a.toml", "a = 1 # one\n", "a = 2\n", "a = 1 # one\n", ("a",)),
        (
            "a.toml",
            "# top\n[t]\n# in\nx = 1\n",
            "[t]\ny = 2\n[u]\nz = 3\n",
            "# top\n[t]\n# in\nx = 1\ny = 2\n\n[u]\nz = 3\n",
            (),
        ),
        ("a.toml", "[t]\nl = [1]\n", "[t]\nl = [2]\n", "[t]\nl = [1]\n", ("t.l",)),
        ("a.toml", "", "[a.b]\nc = 1\n", "[a.b]\nc = 1\n", ()),
        ("a.yaml", "# top\na: 1 # one\n", "b: 2\n", "# top\na: 1 # one\nb: 2\n", ()),
        ("a.yaml", "l:\n  - x # first\nm:\n  k: v\n", "m: {n: w}\n", "l:\n  - x # first\nm:\n  k: v\n  n: w\n", ()),
        ("a.yml", "a: [1]\n", "a: [2]\n", "a: [1]\n", ("a",)),
        ("a.yml", "# only words\n", "a: 1\n", "# only words\na: 1\n", ()),
        ("A.YAML", "", "a: 1\n", "a: 1\n", ()),
    ],
)
def test_what_is_missing_is_added(name: str, target: str, source: str, result: str, conflicts: tuple[str, ...]) -> None:
    merged = merge(name, target.encode(), source.encode())

    assert merged.data.decode() == result
    assert merged.conflicts == conflicts
    assert merge(name, merged.data, source.encode()).data == merged.data


@pytest.mark.parametrize(
    ("name", "target", "source"),
    [
        ("a.json", b"{} // comment", b"{}"),
        ("a.json", b"[1]", b"{}"),
        ("a.json", b'{"a": 1, "a": 2}', b'{"b": 1}'),
        ("a.json", b'{"a": 1e999}', b'{"b": 1}'),
        ("a.json", b'{"a": NaN}', b'{"b": 1}'),
        ("a.json", b'{"a":' * 5000, b"{}"),
        ("a.json", b"{}", b"nothing"),
        ("a.toml", b"a = ", b"b = 1"),
        ("a.toml", b"a = 1\na = 2\n", b"b = 1"),
        ("a.yaml", b"a: 1\na: 2\n", b"b: 1\n"),
        ("a.yaml", b"a: [", b"b: 1\n"),
        ("a.yaml", b"--- 1\n--- 2\n", b"b: 1\n"),
        ("a.yaml", b"- a\n", b"b: 1\n"),
        ("a.yaml", b"a: 1\n", b"a: &x {b: *x}\n"),
        ("a.yaml", b"a: 1\n", b"b: !!python/object/apply:os.getcwd []\n"),
        ("a.yaml", b"b: &x {c: 1}\nd: *x\n", b"b: {e: 2}\n"),
        ("a.yaml", b"b: &x {n: {c: 1}}\nd: {<<: *x}\n", b"d: {n: {e: 2}}\n"),
        ("a.yaml", b"price: 12345678901234567890.12\n", b"b: 1\n"),
        ("a.json", b'{"a": 1}', b'{"b": "\\ud83d"}'),
        ("a.json", b'{"\\udc00": 1}', b'{"b": 1}'),
        ("a.json", b'{"a": 1e-9999999999999999999999}', b'{"b": 1}'),
        ("a.toml", b"a = 1\n", b'b = "\\ud83d"\n'),
        ("a.yaml", b"a: 1\n", b'b: "\\ud83d"\n'),
        ("a.yaml", b"a: 1\n", b'? ["\\ud83d"]\n: 1\n'),
        ("a.txt", b"\xed\xa0\xbd", b"a"),
        ("a.txt", b"\xff", b"a"),
        ("a.txt", b"a\0b", b"a"),
        ("a.txt", b"x" * (2 << 20), b"a"),
    ],
)
def test_what_cannot_be_read_is_not_touched(name: str, target: bytes, source: bytes) -> None:
    with pytest.raises(Unmergeable) as caught:
        merge(name, target, source)

    assert str(caught.value)[0].islower()


_KEYS = st.text("xyz", min_size=1, max_size=2)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
_TABLES = st.dictionaries(st.text("xyz", min_size=1, max_size=2), _VALUES, max_size=4)


@given(_TABLES, _TABLES)
def test_the_target_keeps_every_value_it_had(target: dict[str, object], source: dict[str, object]) -> None:
    found = json.loads(merge("a.json", json.dumps(target).encode(), json.dumps(source).encode()).data)

    _assert_within(target, found)
    assert set(found) == {*target, *source}


def _assert_within(part: object, whole: object) -> None:
    if isinstance(part, dict):
        assert isinstance(whole, dict)
        for key, value in part.items():
            _assert_within(value, whole[key])
    else:
        assert part == whole


@given(st.text("ab\n \r"), st.text("ab\n \r"))
def test_lines_are_only_added_at_the_end(target: str, source: str) -> None:
    merged = merge_lines(target, source)

    assert merged.startswith(target)
    assert merge_lines(merged, source) == merged
    assert {line.rstrip("\r") for line in source.split("\n") if line.strip()} <= {
        line.rstrip("\r") for line in merged.split("\n")
    }


def test_dates_and_nested_tables_of_toml_come_along() -> None:
    source = b"d = 2026-01-02T03:04:05Z\n[a.b.c]\nl = [{x = 1}]\n"

    merged = merge("a.toml", b"[a]\nk = 1\n", source)

    assert tomllib.loads(merged.data.decode()) == {
        "a": {"k": 1, **tomllib.loads(source.decode())["a"]},
        **{"d": tomllib.loads(source.decode())["d"]},
    }
