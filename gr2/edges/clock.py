"""Time and identifiers. Everything that needs them takes them from here, so that tests can decide both."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from gr2.model.records import dataclass


class Clock:
    """Wall time, and a monotonic time that no change of the wall clock moves."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment of this boot, sleep included where the system can tell."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def boot_id(self) -> str:
        """A text that differs between boots; "" where the system has none."""
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return ""

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def timestamp(moment: datetime) -> str:
    """RFC 3339 with microseconds and UTC offset."""
    return moment.isoformat(timespec="microseconds")


class Ids:
    """Random identifiers in lower-case hexadecimal."""

    def hex(self, digits: int) -> str:
        """`digits` random hexadecimal digits."""
        return os.urandom((digits + 1) // 2).hex()[:digits]

    def operation(self) -> str:
        """A new operation id: `op_` and 12 digits."""
        return f"op_{self.hex(12)}"

    def saved(self) -> str:
        """A new id for saved work: `sv_` and 12 digits."""
        return f"sv_{self.hex(12)}"

    def event(self) -> str:
        """A new event id: 16 digits."""
        return self.hex(16)


@dataclass(frozen=True)
class Login:
    """Who the operating system says is running this process."""

    name: str

    @classmethod
    def current(cls) -> Login:
        """The user's login name, "unknown" when the system has none."""
        import pwd

        try:
            return cls(pwd.getpwuid(os.getuid()).pw_name)
        except KeyError:
            return cls(os.environ.get("LOGNAME") or "unknown")
