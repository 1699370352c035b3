"""Remote URLs: which are allowed, what in them is secret, and when two mean the same repository.

Transports and the scp-like form follow git-fetch(1), section "GIT URLS"; the parts of a URL follow RFC 3986.
"""

from __future__ import annotations

import re

TRANSPORTS = ("https", "http", "ssh", "git", "file")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_SCP = re.compile(r"(?:([^/@]+)@)?(\[[^\]/]+\]|[^/:@]+):(?!//)(.*)", re.DOTALL)
_SECRET_KEY = re.compile(r"(?i)(?:^|[_.-])(?:token|password|passwd|pwd|secret|key|auth|sig|signature|credential)s?$")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)([^/?#\s'\"]*)@")
_QUERY_SECRET = re.compile(r"(?i)([?&][^=&#\s]*(?:token|password|passwd|secret|key|auth|sig|credential)[^=&#\s]*=)[^&#\s'\"]+")


def scheme_of(url: str) -> str | None:
    """The transport of `url` in lower case; "ssh" for the scp-like form, None for a path."""
    match = _SCHEME.match(url)
    if match:
        return match.group(1).lower()
    return "ssh" if _scp(url) else None


def _scp(url: str) -> re.Match[str] | None:
    # git: a path with a colon is local when a slash stands before the first colon.
    if url.startswith((".", "/")):
        return None
    return _SCP.fullmatch(url)


def fault_of_url(url: str) -> str | None:
    """Why git must not be given `url`, or None if it may (credentials are a fault of their own)."""
    if not url:
        return "it is empty"
    if url.startswith("-"):
        return "it begins with a dash"
    if re.search(r"[\x00-\x1f\x7f]", url):
        return "it holds control characters"
    if _HELPER.match(url):
        return f"the transport {url.split('::', 1)[0]}:: is not allowed"
    scheme = scheme_of(url)
    if scheme is not None and scheme not in TRANSPORTS:
        return f"the transport {scheme} is not allowed (use https, http, ssh, git, file or a path)"
    match = _SCHEME.match(url)
    host = match.group(2).split("/", 1)[0].rpartition("@")[2] if match else ""
    scp = _scp(url) if match is None else None
    if scp:
        host = scp.group(2)
    user = (match.group(2).split("/", 1)[0].rpartition("@")[0] if match else "") or (scp.group(1) or "" if scp else "")
    if host.startswith("-") or user.startswith("-"):
        return "its host or user begins with a dash"
    if scheme in {"https", "http", "ssh", "git"} and not host:
        return "it names no host"
    return None


def has_credentials(url: str) -> bool:
    """Whether `url` carries a secret: any password, any userinfo on http(s), or a query key such as `token`."""
    match = _SCHEME.match(url)
    if match is None:
        scp = _scp(url)
        return scp is not None and ":" in (scp.group(1) or "")
    scheme = match.group(1).lower()
    authority, _, rest = match.group(2).partition("/")
    userinfo = authority.rpartition("@")[0]
    if userinfo and (":" in userinfo or scheme in {"http", "https"}):
        return True
    query = (authority + rest).partition("?")[2].partition("#")[0]
    return any(_SECRET_KEY.search(pair.partition("=")[0]) for pair in re.split("[&;]", query) if pair)


def redact(text: str) -> str:
    """`text` with every secret that a URL in it carries replaced by `***`."""

    def userinfo(match: re.Match[str]) -> str:
        scheme, info = match.group(1), match.group(2)
        if ":" in info or scheme.lower() in {"http://", "https://"}:
            name, colon, _ = info.partition(":")
            keep = f"{name}:***" if colon and scheme.lower() not in {"http://", "https://"} else "***"
            return f"{scheme}{keep}@"
        return match.group()

    return _QUERY_SECRET.sub(r"\1***", _USERINFO.sub(userinfo, text))


def canonical(url: str, *, base: str = "") -> str:
    """One spelling for all URLs that mean the same repository: host in lower case, no user, no default port,
    no trailing slash or `.git`. A relative path is taken from `base`."""
    match = _SCHEME.match(url)
    if match and match.group(1).lower() == "file":
        return canonical(match.group(2) if match.group(2).startswith("/") else "/" + match.group(2).partition("/")[2])
    if match:
        scheme = match.group(1).lower()
        authority, _, path = match.group(2).partition("/")
        host = authority.rpartition("@")[2].lower()
        default = {"https": ":443", "http": ":80", "ssh": ":22", "git": ":9418"}.get(scheme, "")
        host = host.removesuffix(default) if default else host
        return f"{scheme}://{host}/{_trim(path)}"
    scp = _scp(url)
    if scp:
        return f"ssh://{scp.group(2).lower()}/{_trim(scp.group(3).lstrip('/'))}"
    import os.path

    path = os.path.normpath(os.path.join(base, url))
    return path.removesuffix("/.git").removesuffix(".git") or "/"


def _trim(path: str) -> str:
    return path.rstrip("/").removesuffix(".git").rstrip("/")


def host_of(url: str) -> str:
    """The host of `url` in lower case, "" for a path or `file:` URL."""
    match = _SCHEME.match(url)
    if match:
        if match.group(1).lower() == "file":
            return ""
        authority = match.group(2).split("/", 1)[0].rpartition("@")[2]
        return re.sub(r":\d+$", "", authority).lower()
    scp = _scp(url)
    return scp.group(2).lower() if scp else ""


def local_path(url: str, *, base: str) -> str | None:
    """The absolute directory that a path or `file:` URL names (a relative path is taken from `base`), else None."""
    import os.path
    from urllib.parse import unquote

    scheme = scheme_of(url)
    if scheme == "file":
        rest = url.split("://", 1)[1]
        return os.path.normpath(unquote("/" + rest.partition("/")[2]))
    if scheme is None:
        return os.path.normpath(os.path.join(base, url))
    return None
