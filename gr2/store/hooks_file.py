"""Reads a repository's `.gr2/hooks.toml`, out of a checkout or as bytes from elsewhere.

A repository without one costs a single lstat, and nothing is imported for it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from gr2.model.hooks import HOOKS_FILE, HOOKS_FOLDER, HOOKS_LIMIT, HOOKS_VERSION, HooksFile
from gr2.model.records import dataclass

if TYPE_CHECKING:
    from gr2.store.spec_rules import Fault


@dataclass(frozen=True, kw_only=True)
class HooksFault:
    """One thing wrong with a hooks file. `key` is the key path, "" for the file as a whole."""

    key: str
    message: str
    suggestion: str = ""
    line: int | None = None


class HooksInvalid(Exception):
    """A hooks file breaks rules; `faults` are all that were found."""

    def __init__(self, *faults: HooksFault) -> None:
        super().__init__(faults[0].message)
        self.faults = faults


def read_hooks(checkout: str) -> HooksFile | None:
    """The hooks file of the checkout at the absolute path, None when it has none. Raises HooksInvalid."""
    data = read_hooks_bytes(checkout)
    return None if data is None else parse_hooks(data)


def read_hooks_bytes(checkout: str) -> bytes | None:
    """The bytes of the checkout's hooks file, None when it has none.

    Raises HooksInvalid when `.gr2` or the file is a link, no regular file, or over 64 KiB.
    """
    try:
        found = os.lstat(os.path.join(checkout, HOOKS_FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(error) from error
    if stat.S_ISLNK(found.st_mode):
        raise HooksInvalid(HooksFault(key="", message=f"{HOOKS_FOLDER} is a symbolic link"))
    if not stat.S_ISDIR(found.st_mode):
        return None
    try:
        return _read(os.path.join(checkout, HOOKS_FOLDER))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(error) from error


def _read(folder: str) -> bytes:
    # Opened step by step, so that nothing can turn into a link in between.
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        name = os.path.basename(HOOKS_FILE)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=top), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} is not a regular file"))
            return file.read(HOOKS_LIMIT + 1)
    finally:
        os.close(top)


def _unreadable(error: OSError) -> HooksInvalid:
    if error.errno in {errno.ELOOP, errno.EMLINK}:
        return HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} is a symbolic link"))
    reason = os.strerror(error.errno or errno.EIO).lower()
    return HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} cannot be read: {reason}"))


def hooks_blob(listed: bytes) -> str | HooksFault | None:
    """The blob of the hooks file in what `git ls-tree -z` listed of a commit's `.gr2` and `.gr2/hooks.toml`;
    a fault for a link."""
    for entry in listed.split(b"\0"):
        facts, _, path = entry.partition(b"\t")
        mode, _, rest = facts.partition(b" ")
        if mode == b"120000":
            return HooksFault(key="", message=f"{path.decode(errors='replace')} is a symbolic link")
        if path.decode(errors="replace") == HOOKS_FILE:
            if not rest.startswith(b"blob "):
                return HooksFault(key="", message=f"{HOOKS_FILE} is not a regular file")
            return rest[5:].decode()
    return None


def parse_hooks(data: bytes) -> HooksFile:
    """The hooks file that the bytes say. Raises HooksInvalid with every fault found, whatever the bytes are."""
    import hashlib

    from gr2.store.hooks_schema import parse_model

    table = parse_table(data)
    found, faults = parse_model(table, hashlib.sha256(data).hexdigest())
    if found is None:
        raise HooksInvalid(*(_shown(fault, data) for fault in faults))
    return found


def parse_table(data: bytes) -> dict[str, object]:
    """The TOML table that the bytes say, of a version this gr2 knows. Raises HooksInvalid."""
    import tomllib

    if len(data) > HOOKS_LIMIT:
        raise HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} is over {HOOKS_LIMIT >> 10} KiB"))
    try:
        table = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} is not UTF-8")) from None
    except RecursionError:
        raise HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} is nested too deeply")) from None
    except ValueError as error:
        raise HooksInvalid(HooksFault(key="", message=f"{HOOKS_FILE} is not TOML: {error}")) from None
    version = table.get("version")
    if type(version) is int and version > HOOKS_VERSION:
        message = f"is {version}, and this gr2 knows version {HOOKS_VERSION}"
        raise HooksInvalid(HooksFault(key="version", message=message))
    return table


def _shown(fault: Fault, data: bytes) -> HooksFault:
    from gr2.model.names import nearest
    from gr2.store.spec_rules import subject_of

    close = nearest(fault.word, fault.known) if fault.known and fault.word else None
    return HooksFault(
        key=subject_of(fault.where), message=fault.message, suggestion=close or "", line=_line(fault, data)
    )


def _line(fault: Fault, data: bytes) -> int | None:
    """The line of a key, where it can be told: of the n-th `[[table]]` and the key after it."""
    names = [part for part in fault.where if isinstance(part, str)]
    number = next((part for part in fault.where if isinstance(part, int)), None)
    if number is None or not names:
        return None
    header = f"[[{'.'.join(names[:-1])}]]".encode()
    lines = data.split(b"\n")
    heads = [at for at, line in enumerate(lines) if line.strip().startswith(header)]
    if number >= len(heads):
        return None
    for at in range(heads[number] + 1, len(lines)):
        if lines[at].lstrip().startswith(b"["):
            break
        if lines[at].partition(b"=")[0].strip().strip(b"\"'") == names[-1].encode():
            return at + 1
    return heads[number] + 1
