"""Everything a plugin may import of gr2 (beside `gr2.testing`), with a version of its own.

`API_VERSION` is an integer. gr2 loads plugins that say `gr2_api = API_VERSION` or the one before. Within a version
names are added, never removed or changed in meaning.

Names are imported when first used (PEP 562), so that `import gr2.api` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gr2.plugin.marker import hookimpl as hookimpl
from gr2.plugin.provider import API_VERSION as API_VERSION
from gr2.plugin.provider import Provider as Provider

if TYPE_CHECKING:
    from gr2.edges.clock import Clock as Clock
    from gr2.edges.clock import timestamp as timestamp
    from gr2.edges.files import make_private_directory as make_private_directory
    from gr2.edges.files import read_regular as read_regular
    from gr2.edges.files import write_whole as write_whole
    from gr2.edges.git import Git as Git
    from gr2.edges.git import GitError as GitError
    from gr2.edges.git import Place as Place
    from gr2.edges.locks import FileLock as FileLock
    from gr2.edges.locks import LockTimeout as LockTimeout
    from gr2.edges.process import Command as Command
    from gr2.edges.process import Completed as Completed
    from gr2.edges.process import Runner as Runner
    from gr2.errors import Blocked as Blocked
    from gr2.errors import Failed as Failed
    from gr2.errors import Gr2Error as Gr2Error
    from gr2.errors import Interrupted as Interrupted
    from gr2.errors import Invalid as Invalid
    from gr2.model.event import Event as Event
    from gr2.model.event.query import parse_time as parse_time
    from gr2.model.names import nearest as nearest
    from gr2.model.names import visible as visible
    from gr2.model.outcome import Issue as Issue
    from gr2.model.outcome import MutationResult as MutationResult
    from gr2.model.outcome import Operation as Operation
    from gr2.model.outcome import Result as Result
    from gr2.model.outcome import Status as Status
    from gr2.model.platform_error import AlreadyExists as AlreadyExists
    from gr2.model.platform_error import AuthFailed as AuthFailed
    from gr2.model.platform_error import Conflict as Conflict
    from gr2.model.platform_error import HeadMoved as HeadMoved
    from gr2.model.platform_error import NotFound as NotFound
    from gr2.model.platform_error import NotMergeable as NotMergeable
    from gr2.model.platform_error import OutcomeUnknown as OutcomeUnknown
    from gr2.model.platform_error import PlatformError as PlatformError
    from gr2.model.platform_error import ProtocolError as ProtocolError
    from gr2.model.platform_error import Queued as Queued
    from gr2.model.platform_error import RateLimited as RateLimited
    from gr2.model.platform_error import Transient as Transient
    from gr2.model.platform_error import Unsupported as Unsupported
    from gr2.model.pull_request import AuthStatus as AuthStatus
    from gr2.model.pull_request import Capabilities as Capabilities
    from gr2.model.pull_request import Check as Check
    from gr2.model.pull_request import CheckState as CheckState
    from gr2.model.pull_request import Demands as Demands
    from gr2.model.pull_request import Heads as Heads
    from gr2.model.pull_request import Mergeable as Mergeable
    from gr2.model.pull_request import Merged as Merged
    from gr2.model.pull_request import MergeMethod as MergeMethod
    from gr2.model.pull_request import NewPullRequest as NewPullRequest
    from gr2.model.pull_request import Overview as Overview
    from gr2.model.pull_request import PullRef as PullRef
    from gr2.model.pull_request import PullRequest as PullRequest
    from gr2.model.pull_request import PullState as PullState
    from gr2.model.pull_request import Review as Review
    from gr2.model.pull_request import Verdict as Verdict
    from gr2.model.spec import Repo as Repo
    from gr2.model.spec import Spec as Spec
    from gr2.model.spec import Unit as Unit
    from gr2.model.template import command_fault as command_fault
    from gr2.model.template import command_words as command_words
    from gr2.model.url import local_path as local_path
    from gr2.model.url import redact as redact
    from gr2.plugin.commands import Argument as Argument
    from gr2.plugin.commands import Change as Change
    from gr2.plugin.commands import Option as Option
    from gr2.plugin.commands import PluginCommand as PluginCommand
    from gr2.plugin.commands import PluginGroup as PluginGroup
    from gr2.plugin.commands import Screen as Screen
    from gr2.plugin.contexts import Block as Block
    from gr2.plugin.contexts import OperationContext as OperationContext
    from gr2.plugin.contexts import PluginContext as PluginContext
    from gr2.plugin.contexts import SpecContext as SpecContext
    from gr2.plugin.gates import GateRun as GateRun
    from gr2.plugin.gates import GatesRun as GatesRun
    from gr2.plugin.plugin_settings import plugin_settings as plugin_settings
    from gr2.plugin.protocols import CheckRow as CheckRow
    from gr2.plugin.protocols import Delivery as Delivery
    from gr2.plugin.protocols import DirtyCheckout as DirtyCheckout
    from gr2.plugin.protocols import DirtyStrategy as DirtyStrategy
    from gr2.plugin.protocols import DoctorCheck as DoctorCheck
    from gr2.plugin.protocols import EventSink as EventSink
    from gr2.plugin.protocols import HookOutcome as HookOutcome
    from gr2.plugin.protocols import HookRequest as HookRequest
    from gr2.plugin.protocols import HookRuntime as HookRuntime
    from gr2.plugin.protocols import PlatformAdapter as PlatformAdapter
    from gr2.plugin.protocols import PutAway as PutAway
    from gr2.session import Session as Session
    from gr2.store.cursors import check_cursor as check_cursor
    from gr2.store.cursors import read_cursor as read_cursor
    from gr2.store.layout import Layout as Layout
    from gr2.store.outbox_read import EventLog as EventLog
    from gr2.store.saved import Saved as Saved
    from gr2.store.saved_work import SavedWork as SavedWork
    from gr2.store.sink_state import dead_letters as dead_letters

_HOMES = {
    "gr2.edges.clock": "Clock timestamp",
    "gr2.edges.files": "make_private_directory read_regular write_whole",
    "gr2.edges.git": "Git GitError Place",
    "gr2.edges.locks": "FileLock LockTimeout",
    "gr2.edges.process": "Command Completed Runner",
    "gr2.errors": "Blocked Failed Gr2Error Interrupted Invalid",
    "gr2.model.event": "Event",
    "gr2.model.event.query": "parse_time",
    "gr2.model.names": "nearest visible",
    "gr2.model.outcome": "Issue MutationResult Operation Result Status",
    "gr2.model.platform_error": (
        "AlreadyExists AuthFailed Conflict HeadMoved NotFound NotMergeable OutcomeUnknown PlatformError ProtocolError "
        "Queued RateLimited Transient Unsupported"
    ),
    "gr2.model.pull_request": (
        "AuthStatus Capabilities Check CheckState Demands Heads Mergeable Merged MergeMethod NewPullRequest Overview "
        "PullRef PullRequest PullState Review Verdict"
    ),
    "gr2.model.spec": "Repo Spec Unit",
    "gr2.model.template": "command_fault command_words",
    "gr2.model.url": "local_path redact",
    "gr2.plugin.commands": "Argument Change Option PluginCommand PluginGroup Screen",
    "gr2.plugin.contexts": "Block OperationContext PluginContext SpecContext",
    "gr2.plugin.gates": "GateRun GatesRun",
    "gr2.plugin.plugin_settings": "plugin_settings",
    "gr2.plugin.protocols": (
        "CheckRow Delivery DirtyCheckout DirtyStrategy DoctorCheck EventSink HookOutcome HookRequest HookRuntime "
        "PlatformAdapter PutAway"
    ),
    "gr2.session": "Session",
    "gr2.store.cursors": "check_cursor read_cursor",
    "gr2.store.layout": "Layout",
    "gr2.store.outbox_read": "EventLog",
    "gr2.store.sink_state": "dead_letters",
    "gr2.store.saved": "Saved",
    "gr2.store.saved_work": "SavedWork",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = ["API_VERSION", "Provider", "hookimpl", *_HOME_OF]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gr2.api' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
