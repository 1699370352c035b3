"""Remote URLs: what is refused, what is secret, what is the same."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gr2.model.url import canonical, fault_of_url, has_credentials, host_of, local_path, redact, scheme_of

GOOD = [
    "https://example.org/shop/app.git",
    "http://example.org:8080/app",
    "ssh://git@example.org:2222/app.git",
    "git@example.org:shop/app.git",
    "example.org:app.git",
    "git@[::1]:app.git",
    "ssh://git@[::1]:22/app",
    "git://example.org/app.git",
    "file:///srv/app.git",
    "file://localhost/srv/app.git",
    "/srv/app.git",
    "../remotes/app.git",
    "remotes/app.git",
    "./a:b",
    "dir/a::b",
    "https://example.org/@scope/app",
    "https://example.org:8443/@scope/app",
    "ssh://example.org/~user/app.git",
]

BAD = [
    "",
    "  ",
    "-x",
    "--upload-pack=touch /tmp/x",
    "ext::sh -c true",
    "fd::17",
    "file::/srv/app",
    "ftp://example.org/app",
    "git+ssh://example.org/app",
    "javascript://example.org",
    "HTTPS://example.org/app",
    "EXT://x",
    "https:///app",
    "ssh://-oProxyCommand=x/app",
    "ssh://%2DoProxyCommand=x/app",
    "ssh://-l@example.org/app",
    "-oProxyCommand=x:app",
    "git@-oProxyCommand=x:app",
    "git@[-oProxyCommand=x]:app",
    "[-oProxyCommand=x:22]:app",
    "example.org:-x",
    ":app",
    "git@:app",
    "file:/srv/app",
    "https:/example.org/app",
    "file://example.org/srv/app",
    "https://example.org:port/app",
    "https://exa mple.org/app",
    "https://example.org/a%0ab",
    "https://example.org/a\nb",
    "/srv/\x1b[31m",
    "/srv/\udcff",
    "https://example.org/" + "a" * 5000,
]

SECRETS = [
    "https://token@example.org/app",
    "https://user:pw@example.org/app",
    "http://user@example.org/app",
    "ssh://git:pw@example.org/app",
    "ssh://git%3Apw@example.org/app",
    "git://user:pw@example.org/app",
    "git:pw@example.org:app",
    "ftp://user:pw@example.org/app",
    "https://user:p/w@example.org/app",
    "https://user:p#w@example.org/app",
    "https://to?ken@example.org/app",
    "https://example.org/app?token=x",
    "https://example.org/app?a=1&access_token=x",
    "https://example.org/app?a=1;private_token=x",
    "https://example.org/app?%74oken=x",
    "https://example.org/app?apikey=x",
    "https://example.org/app?X-Amz-Signature=x",
    "https://example.org/app#token=x",
    "https://example.org?key=x",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_usual_url_has_no_fault_and_no_secret(url: str) -> None:
    assert fault_of_url(url) is None
    assert not has_credentials(url)
    assert redact(url) == url


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_git_must_not_get_has_a_fault(url: str) -> None:
    assert fault_of_url(url)


@pytest.mark.parametrize("url", SECRETS)
def test_a_url_with_a_secret_is_known_and_its_redacted_form_differs(url: str) -> None:
    assert has_credentials(url)
    assert redact(url) != url


def test_a_user_on_ssh_is_no_secret() -> None:
    assert not has_credentials("ssh://git@example.org/app")
    assert not has_credentials("git@example.org:app")


def test_redacting_keeps_the_text_around_the_url() -> None:
    text = "fatal: unable to access 'https://u:pw@example.org/app.git/': 403, see 'https://example.org' and a@b"
    assert (
        redact(text)
        == "fatal: unable to access 'https://***@example.org/app.git/': 403, see 'https://example.org' and a@b"
    )


def test_redacting_keeps_the_user_of_ssh() -> None:
    assert redact("ssh://git:hunter22@example.org:22/app") == "ssh://git:***@example.org:22/app"
    assert redact("git:hunter22@example.org:app") == "git:***@example.org:app"


PASSWORDS = st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + "äß", min_size=6, max_size=30)


@given(st.sampled_from(["https", "http", "ssh", "git", "ftp"]), PASSWORDS, st.sampled_from(["", "user"]))
def test_no_encoded_password_survives_redacting(scheme: str, password: str, user: str) -> None:
    secret = "Zz" + quote(password, safe="")
    url = f"{scheme}://{user}:{secret}@example.org/app.git"
    assert has_credentials(url)
    assert secret not in redact(f"cannot read '{url}': no such host")


@given(st.sampled_from(["https", "ssh"]), PASSWORDS.filter(lambda text: not ("@" in text and "/" in text)))
def test_no_raw_password_survives_redacting(scheme: str, password: str) -> None:
    secret = "Zz" + password
    url = f"{scheme}://user:{secret}@example.org/app.git"
    assert has_credentials(url)
    assert secret not in redact(f"cannot read {url} now")


@given(st.sampled_from(["token", "access_token", "password", "api_key", "sig", "%74oken"]), PASSWORDS)
def test_no_secret_in_a_query_survives_redacting(key: str, password: str) -> None:
    secret = "Zz" + quote(password, safe="'\";:@")
    url = f"https://example.org/app?a=1;b=2&{key}={secret}&c=3"
    assert has_credentials(url)
    assert secret not in redact(f"cannot read {url} now")


@given(st.text() | st.from_regex(r"(?s)[a-z]{0,8}:{0,2}/{0,2}.{0,20}[@:?#\[\]]?.{0,20}"))
def test_every_text_gets_an_answer(text: str) -> None:
    assert fault_of_url(text) is None or isinstance(fault_of_url(text), str)
    assert has_credentials(text) in {True, False}
    scheme_of(text)
    host_of(text)
    canonical(text, base="/w")
    local_path(text, base="/w")
    redact(text)


@given(st.text(alphabet="ab:/@?#=.-[]'\" %3A", max_size=60))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    "text", ["a.b-" * 200_000, "a://b:c/" * 100_000, "?a=" * 200_000, "a:" * 300_000 + "@", "'" * 500_000]
)
def test_redacting_a_huge_text_ends(text: str) -> None:
    assert len(redact(text + "@")) > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/app.git", "https://EXAMPLE.org:443/app/"),
        ("git@example.org:shop/app.git", "ssh://example.org/shop/app"),
        ("ssh://git@example.org:22/app", "ssh://example.org/app.git"),
        ("file:///srv/a%20b.git", "/srv/a b"),
        ("/srv/app.git/", "/srv//app"),
        ("../app", "/app.git"),
        ("git@[::1]:app", "ssh://[::1]/app"),
        ("/srv/app/.git", "/srv/app"),
    ],
)
def test_two_spellings_of_one_repository_are_the_same(one: str, other: str) -> None:
    assert canonical(one, base="/w") == canonical(other, base="/w")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/app", "https://example.org/api"),
        ("https://example.org/app", "https://example.org:8443/app"),
        ("https://example.org/app", "ssh://example.org/app"),
        ("/srv/app", "/srv/App"),
    ],
)
def test_two_repositories_stay_two(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_a_path_is_taken_from_the_base() -> None:
    assert local_path("../x.git", base="/w/shop") == "/w/x.git"
    assert local_path("file:///srv/a%20b", base="/w") == "/srv/a b"
    assert local_path("git@example.org:x", base="/w") is None
