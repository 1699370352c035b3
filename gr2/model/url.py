"""Remote URLs: which are allowed, what in them is secret, and when two mean the same repository.

Transports and the scp-like form follow git-fetch(1), section "GIT URLS"; the parts of a URL follow RFC 3986.
"""

from __future__ import annotations

import os.path
import re

TRANSPORTS = ("https", "http", "ssh", "git", "file")
LENGTH_LIMIT = 4096

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# git takes everything of this form for the name of a program (gitremote-helpers(7)).
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_SCP = re.compile(r"(?:([^/@]+)@)?(\[[^\]/]*\]|[^/:@]*):(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_PORTS = {"https": "443", "http": "80", "ssh": "22", "git": "9418"}

_SECRET_KEY = re.compile(
    r"(?i)token|passw|passphrase|secret|api_?key|credential|signature|(?:^|[_.-])(?:key|pwd|auth|sig|jwt|pat)s?$"
)
# Bounded repetitions keep the time linear in the text, whatever a remote prints.
_INFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)([^\s/]*)@")
_INFO_WITH_SLASH = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)([^\s/?#@:]{0,256}):(?!\d{0,5}/)([^\s@/]{0,512}/[^\s@]{0,512})@"
)
_SCP_SECRET = re.compile(r"(?<![\w/.@-])([\w.-]{1,64}):([^\s/@:]{1,512})@(?=[\w.-]{1,255}:)")
_QUERY_KEY = re.compile(r"[?&;#]([^=&;#?\s]{1,256})=")
_QUERY_VALUE = re.compile(r"[^&#\s]*?(?=['\"][,;:.)\]}]{0,3}(?:\s|$)|[&#\s]|$)")


class _Parts:
    """A URL taken apart. `rest` is all after the host and port, its first slash left out."""

    # Not a dataclass: every command imports this module, and making one takes time.
    __slots__ = ("host", "port", "rest", "scheme", "user")

    def __init__(self, scheme: str, user: str, host: str, port: str, rest: str) -> None:
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.rest = rest


def _split(url: str) -> _Parts | None:
    """The parts of a URL, of the scp-like form too (scheme "ssh"); None for a path."""
    match = _SCHEME.match(url)
    if match is not None:
        end = re.search(r"[/?#]", match.group(2))
        cut = end.start() if end else len(match.group(2))
        authority, rest = match.group(2)[:cut], match.group(2)[cut:]
        user, _, place = authority.rpartition("@")
        host, port = _host_and_port(place)
        return _Parts(match.group(1).lower(), user, host, port, rest.removeprefix("/"))
    # git: a path with a colon is local when a slash stands before the first colon.
    scp = _SCP.fullmatch(url)
    if scp is None or "/" in url.partition(":")[0]:
        return None
    user, place = scp.group(1) or "", scp.group(2)
    port = ""
    if place.startswith("["):
        place = place[1:-1]
        if "@" in place:
            user, _, place = place.rpartition("@")
        if place.count(":") == 1:
            place, port = _host_and_port(place)
    return _Parts("ssh", user, place.lower(), port, scp.group(3))


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, after = place[1:].partition("]")
        return host.lower(), after.removeprefix(":")
    host, _, port = place.partition(":")
    return host.lower(), port


def scheme_of(url: str) -> str | None:
    """The transport of `url` in lower case; "ssh" for the scp-like form, None for a path."""
    parts = _split(url)
    return parts.scheme if parts else None


def fault_of_url(url: str) -> str | None:
    """Why git must not be given `url`, or None if it may (credentials are a fault of their own).

    No answer repeats any part of the URL that could be secret.
    """
    if not url.strip():
        return "it is empty"
    if url.startswith("-"):
        return "it begins with a dash"
    if len(url) > LENGTH_LIMIT:
        return "it is too long"
    if _CONTROL.search(url):
        return "it holds control characters"
    helper = _HELPER.match(url)
    if helper is not None:
        return f"the transport {helper.group()} is not allowed"
    parts = _split(url)
    return None if parts is None else _fault_of_parts(url, parts)


def _fault_of_parts(url: str, parts: _Parts) -> str | None:
    from urllib.parse import unquote

    plain = _SCHEME.match(url)
    # git decodes a URL before it starts ssh.
    handed_on = [unquote(parts.user), unquote(parts.host), parts.rest if plain is None else ""]
    remote = parts.scheme != "file"
    unknown = f"the transport {parts.scheme} is not allowed (use https, http, ssh, git, file or a path)"
    faults = (
        (parts.scheme not in TRANSPORTS, unknown),
        (plain is not None and not plain.group(1).islower(), "its transport must be written in lower case"),
        (_ENCODED_CONTROL.search(url), "it holds encoded control characters"),
        (any(text.startswith("-") for text in handed_on), "its user, host or path begins with a dash"),
        (plain is None and parts.host in TRANSPORTS, f"it must begin with {parts.host}://"),
        (not remote and parts.host not in {"", "localhost"}, "a file URL names no host: write file:///path"),
        (remote and not parts.host, "it names no host"),
        (remote and not re.fullmatch(r"\d{0,5}", parts.port, re.ASCII), "its port is no number"),
        (remote and re.search(r"\s", parts.host), "its host holds spaces"),
    )
    return next((reason for found, reason in faults if found), None)


def has_credentials(url: str) -> bool:
    """Whether `url` carries a secret: any password, any userinfo on http(s), or a query key such as `token`."""
    from urllib.parse import unquote

    parts = _split(url)
    if parts is None:
        return False
    if parts.user and (":" in unquote(parts.user) or parts.scheme in {"http", "https"}):
        return True
    if _SCHEME.match(url):
        # A password that was not encoded as it should be: its slash ended the host too early.
        early = url.split("://", 1)[1]
        if re.match(r"[^/@]*[?#][^/]*@", early) or re.match(r"[^/?#@:]*:(?!\d{0,5}[/?#])[^@/?#]*[/?#].*@", early):
            return True
    return any(is_secret_key(key) for key in _QUERY_KEY.findall(url))


def is_secret_key(key: str) -> bool:
    """Whether what is called `key`, in a query or in settings, is probably a secret."""
    from urllib.parse import unquote

    return _SECRET_KEY.search(unquote(key)) is not None


def redact(text: str) -> str:
    """`text` with every secret that a URL in it carries replaced by `***`.

    A secret is found up to the next white space; one that holds both a raw `/` and a raw `@` may be found in part only.
    """
    if "@" in text:
        text = _SCP_SECRET.sub(r"\1:***@", _INFO_WITH_SLASH.sub(_without_info, _INFO.sub(_without_info, text)))
    return _without_query_secrets(text) if "=" in text else text


def _without_info(match: re.Match[str]) -> str:
    from urllib.parse import unquote

    scheme, name = match.group(1), match.group(2)
    if scheme.lower() in {"http://", "https://"}:
        return f"{scheme}***@" if name else match.group()
    if match.re is _INFO and ":" not in unquote(name):
        return match.group()
    return f"{scheme}{re.split(':|%3[Aa]', name, maxsplit=1)[0]}:***@"


def _without_query_secrets(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for match in _QUERY_KEY.finditer(text):
        if match.start() < done or not is_secret_key(match.group(1)):
            continue
        value = _QUERY_VALUE.match(text, match.end())
        assert value is not None
        pieces += [text[done : match.end()], "***"]
        done = value.end()
    return "".join([*pieces, text[done:]])


def canonical(url: str, *, base: str = "") -> str:
    """One spelling for all URLs that mean the same repository: host in lower case, no user, no default port,
    no trailing slash or `.git`. A relative path is taken from `base`."""
    parts = _split(url)
    if parts is None or parts.scheme == "file":
        path = local_path(url, base=base) or ""
        return path.removesuffix("/.git").removesuffix(".git") or "/"
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    port = f":{parts.port}" if parts.port not in {"", _PORTS.get(parts.scheme, "")} else ""
    return f"{parts.scheme}://{host}{port}/{_trim(parts.rest.lstrip('/'))}"


def _trim(path: str) -> str:
    return path.rstrip("/").removesuffix(".git").rstrip("/")


def host_of(url: str) -> str:
    """The host of `url` in lower case, "" for a path or `file:` URL."""
    parts = _split(url)
    return "" if parts is None or parts.scheme == "file" else parts.host


def local_path(url: str, *, base: str) -> str | None:
    """The absolute directory that a path or `file:` URL names (a relative path is taken from `base`), else None."""
    from urllib.parse import unquote

    match = _SCHEME.match(url)
    if match is not None and match.group(1).lower() == "file":
        return _normal("/" + unquote(match.group(2).partition("/")[2]))
    return _normal(os.path.join(base, url)) if _split(url) is None else None


def _normal(path: str) -> str:
    # POSIX lets two leading slashes mean something else; git and Linux do not.
    return re.sub(r"^//", "/", os.path.normpath(path))
