"""Invalid specs, each a file named for its fault; its first line says which code and which key path are expected."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.model.spec import Spec
from gr2.store.spec_file import SpecInvalid, parse_spec

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hostile", "specs")
NAMES = sorted(name.removesuffix(".toml") for name in os.listdir(FOLDER) if name.endswith(".toml"))


def _read(name: str) -> bytes:
    with open(os.path.join(FOLDER, f"{name}.toml"), "rb") as file:
        return file.read()


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_with_one_fault_has_one_issue_that_names_it(name: str, tmp_path: os.PathLike[str]) -> None:
    data = _read(name)
    code, subject = data.split(b"\n", 1)[0].decode().removeprefix("# expect: ").split(" ", 1)
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(data, os.fspath(tmp_path))
    assert [(issue.code, issue.subject) for issue in caught.value.issues] == [(code, subject)]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("url-") and b"sekrit" in _read(name)])
def test_no_issue_repeats_a_secret(name: str, tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(_read(name), os.fspath(tmp_path))
    assert "sekrit" not in repr(caught.value.issues) + str(caught.value)


def test_there_is_a_file_for_every_kind_of_fault() -> None:
    assert len(NAMES) >= 90


def _answers(data: bytes) -> None:
    """The one promise for arbitrary bytes: a spec, or issues."""
    try:
        found = parse_spec(data, "/nonexistent/workspace")
    except SpecInvalid as error:
        assert error.issues
        assert all(issue.message and issue.code in {"invalid_spec", "credentials_in_url"} for issue in error.issues)
    else:
        assert isinstance(found, Spec)


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    _answers(data)


FRAGMENTS = st.sampled_from(
    ["[[repos]]\n", "[[units]]\n", "[repos]\n", "[units.constraints]\n", "[plugins.a.b]\n", "name = ", "path=", "url =",
     "repos = ", "version = ", "\n", "\r\n", "#",
     "workspace_name = ", '"a"', "'b'", '"""', "'''", "[", "]", "{", "}", ",",
     "=", ".", "1", "-1", "true", "nan", "inf", "1979-05-27T07:32:00Z", "07:32:00", '"\\u0000"', '"\\ud800"', '"\\x1b"',
     "\x00", "\ufeff", "é", '"https://u:p@h/x"', '"../.."', "order=",
     "[workspace_constraints.merge_order]\n", "strategy="]
)  # fmt: skip


@given(st.lists(FRAGMENTS | st.text(max_size=5), max_size=40).map("".join))
def test_any_text_that_looks_like_a_spec_gets_an_answer(text: str) -> None:
    _answers(text.encode(errors="surrogatepass"))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["app", "repos/app"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["name", "path", "url", "repos", "constraints", "version", "groups", "agent_id", "x"])
TABLES = st.lists(st.dictionaries(KEYS, VALUES, max_size=5) | VALUES, max_size=4)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "version": VALUES | st.integers(1, 3),
            "workspace_name": VALUES,
            "repos": TABLES | VALUES,
            "units": TABLES | VALUES,
            "workspace_constraints": VALUES,
            "plugins": VALUES,
            "more": VALUES,
        },
    )
)
def test_any_parsed_tables_get_a_spec_or_faults(data: dict[str, object]) -> None:
    from gr2.store.spec_check import check

    spec, faults = check(data, "/nonexistent/workspace")
    assert (spec is None) == bool(faults)


HUGE = {
    "one byte too many": b"#" * ((1 << 20) + 1),
    "many unknown keys": b"".join(b"k%06d=1\n" % number for number in range(100_000)),
    "many empty repos": b"[[repos]]\n" * 104_000,
    "many nameless repos": b"[[repos]]\nx=1\n" * 70_000,
    "many equal repos": b'[[repos]]\nname="a"\npath="a"\nurl="/a"\n' * 25_000,
    "many long dotted keys": b"".join(b"a%d%s=1\n" % (number, b".a" * 30) for number in range(15_000)),
    "one long dotted key": b"a" + b".a" * 500_000 + b"=1",
    "a long dotted key in an inline table": b"x={a" + b".a" * 500_000 + b"=1}",
    "brackets": b"a=" + b"[" * 500_000,
    "many arrays": b"a=[" + b"[]," * 300_000 + b"]",
    "many unknown repos": b'workspace_name="a"\n[[units]]\nname="u"\npath="u"\nrepos=[' + b'"ab",' * 200_000 + b"]",
    "digits": b"version=" + b"9" * 1_000_000,
    "hexadecimal digits": b"version=0x" + b"9" * 1_000_000,
    "an unclosed string": b'a="""' + b'\\"""' * 200_000,
    "not UTF-8": b'workspace_name="\xff"',
    "UTF-16": 'workspace_name="a"'.encode("utf-16"),
}


@pytest.mark.parametrize("name", list(HUGE))
def test_a_spec_beyond_its_limits_is_refused(name: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(HUGE[name][: (1 << 20) + 1], "/nonexistent/workspace")
    assert 1 <= len(caught.value.issues) <= 101
    assert {issue.code for issue in caught.value.issues} == {"invalid_spec"}
