"""The plugins of one run, as a value: who provides what, made when used, and asked before something is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from gr2.errors import Blocked, Failed, Gr2Error, Invalid
from gr2.model.records import dataclass
from gr2.plugin.index import Plugin, Provided, build_index, listed, read_index
from gr2.plugin.isolation import Guarded, PluginFault, import_object, isolated
from gr2.plugin.provider import API_VERSION, FAMILIES, FAMILY_LABELS
from gr2.plugin.scan import canonical
from gr2.plugin.site import Site

if TYPE_CHECKING:
    from gr2.edges.clock import Clock
    from gr2.edges.process import Runner
    from gr2.model.outcome import Issue

BUILTIN = "gr2.builtin.plugin"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One thing of one family that can be used, and whose it is."""

    provided: Provided
    plugin: Plugin

    @property
    def name(self) -> str:
        return self.provided.name

    @property
    def is_builtin(self) -> bool:
        """Whether it is gr2's own."""
        return self.plugin.target == BUILTIN

    def load(self) -> Any:
        """The object its path names. Raises Failed `plugin_failed` when importing it fails in any way."""
        if self.is_builtin:
            return import_object(self.provided.path)
        try:
            return isolated(lambda: import_object(self.provided.path))
        except PluginFault as fault:
            raise self.failed(fault.cause) from fault

    def failed(self, cause: str) -> Failed:
        """The error for a plugin that was chosen and did not work."""
        return _failed(self.plugin, f"{FAMILY_LABELS[self.provided.family]} {self.name}: {cause}")


class Plugins:
    """What is installed and enabled.

    installed: gives the installed plugins, from the index where it can; called when first needed. prefer: the user's
    `[plugins] prefer`. config: the user's whole configuration. warn: takes one line per broken plugin and run.
    site: where it all is installed. disabled: the names the user switched off; none_wanted: `--no-plugins`.
    """

    def __init__(
        self,
        *,
        installed: Callable[[], Sequence[Plugin]],
        prefer: Mapping[str, str],
        config: Mapping[str, Any],
        warn: Callable[[str], object],
        site: Site | None = None,
        disabled: Sequence[str] = (),
        none_wanted: bool = False,
    ) -> None:
        self._installed = installed
        self._prefer = prefer
        self.config = config
        self._warn = warn
        self._warned: set[str] = set()
        self._known: tuple[Plugin, ...] | None = None
        self._builtin: Plugin | None = None
        self.site = site
        self.disabled = tuple(disabled)
        self.none_wanted = none_wanted

    @property
    def builtin(self) -> Plugin:
        """gr2's own plugin, read without pluggy."""
        if self._builtin is None:
            self._builtin = _builtin()
        return self._builtin

    @property
    def installed(self) -> tuple[Plugin, ...]:
        """The installed plugins, sorted by name; says once per run which of them are broken."""
        if self._known is None:
            self._known = tuple(sorted(self._installed(), key=lambda plugin: (plugin.name, plugin.distribution)))
            for plugin in self._known:
                if plugin.state in {"failed", "conflict", "incompatible"}:
                    self.complain(plugin, plugin.error or plugin.state)
        return self._known

    def complain(self, plugin: Plugin, cause: str) -> None:
        """Say in one line, once per run, that `plugin` is broken."""
        if plugin.name not in self._warned:
            self._warned.add(plugin.name)
            self._warn(f"plugin {plugin.origin} failed: {cause}; see gr2 plugins show {plugin.name}")

    def offers(self, family: str) -> tuple[Offer, ...]:
        """Everything of a family, sorted by name and plugin, names that several plugins offer included."""
        found = [
            Offer(provided=provided, plugin=plugin)
            for plugin in (self.builtin, *self.installed)
            if plugin.state == "ok"
            for provided in plugin.provides
            if provided.family == family
        ]
        return tuple(sorted(found, key=lambda offer: (offer.name, offer.plugin.name)))

    def names(self, family: str) -> tuple[str, ...]:
        """The names of a family, sorted."""
        return tuple(dict.fromkeys(offer.name for offer in self.offers(family)))

    def find(self, family: str, name: str) -> Offer:
        """The thing called `name`.

        Raises Invalid `unknown_plugin`, Blocked `plugin_conflict` when several distributions offer it and the user has
        not said which, Failed `plugin_failed` when it can only be a broken plugin's.
        """
        found = [offer for offer in self.offers(family) if offer.name == name]
        if not found:
            raise self._unknown(family, name)
        if len(found) == 1:
            return found[0]
        wanted = self._prefer.get(f"{family}.{name}", "")
        for offer in found:
            if wanted and (canonical(offer.plugin.distribution) == canonical(wanted) or offer.plugin.name == wanted):
                return offer
        owners = [offer.plugin.distribution for offer in found]
        raise Blocked(
            "plugin_conflict",
            f"{' and '.join(owners)} both provide the {FAMILY_LABELS[family]} {name}",
            scope="plugin",
            subject=name,
            hint=f'in {self._config_name}: [plugins] prefer = {{"{family}.{name}" = "{owners[-1]}"}}',
            details={"family": family, "distributions": owners},
        )

    def prefers(self, family: str, name: str) -> bool:
        """Whether the user has said whose `name` to take."""
        return f"{family}.{name}" in self._prefer

    @property
    def _config_name(self) -> str:
        return self.site.config if self.site else "the user configuration"

    def _unknown(self, family: str, name: str) -> Gr2Error:
        from gr2.model.names import nearest

        known = self.names(family)
        near = nearest(name, known)
        broken = [plugin for plugin in self.installed if plugin.state not in {"ok", "disabled"}]
        label = FAMILY_LABELS[family]
        if broken and near is None:
            # Nobody knows what a broken plugin would have provided: it may be this.
            causes = "; ".join(f"{plugin.origin}: {plugin.error or plugin.state}" for plugin in broken)
            return Failed(
                "plugin_failed",
                f"there is no {label} called {name}, and these plugins are broken: {causes}",
                scope="plugin",
                subject=name,
                hint=f"gr2 plugins show {broken[0].name}",
                details={"family": family, "plugins": [plugin.name for plugin in broken]},
            )
        off = [plugin.name for plugin in self.installed if plugin.state == "disabled"]
        hint = f"did you mean {near}" if near else f"one of {', '.join(known)}" if known else "gr2 plugins list"
        return Invalid(
            "unknown_plugin",
            f"there is no {label} called {name}" + (f" (disabled: {', '.join(off)})" if off else ""),
            scope="plugin",
            subject=name,
            hint=hint,
            details={"family": family, "known": list(known), **({"suggestion": near} if near else {})},
        )

    def make(self, family: str, name: str, session: Any) -> Any:
        """A new object of the thing called `name`, as the family's protocol has it.

        Whatever a plugin's object raises later, other than Gr2Error children, comes out as Failed `plugin_failed`.
        Raises what `find` raises; Invalid `invalid_config` for its settings.
        """
        return self.made(self.find(family, name), session)

    def made(self, offer: Offer, session: Any) -> Any:
        """A new object of `offer`; see `make`."""
        from gr2.plugin.contexts import PluginContext
        from gr2.plugin.plugin_settings import is_configured, settings_of

        factory = offer.load()
        tables = session.spec.plugins if session is not None else {}
        plugin, config = offer.plugin, self.config
        context = PluginContext(
            name=offer.name,
            session=session,
            load_settings=lambda: settings_of(plugin, offer.name, config, tables),
            configured=is_configured(plugin, offer.name, config, tables),
        )
        if context.configured:
            # What somebody wrote is checked at once; defaults need not be, and cost a validation library to load.
            _ = context.settings
        if offer.is_builtin:
            return factory(context)
        try:
            return Guarded(isolated(lambda: factory(context)), offer.failed)
        except PluginFault as fault:
            raise offer.failed(fault.cause) from fault

    def command(self, name: str) -> Any:
        """The command called `name`: a PluginCommand or PluginGroup. Raises what `find` raises."""
        from gr2.plugin.commands import PluginCommand, PluginGroup

        offer = self.find("command", name)
        found = offer.load()
        if not isinstance(found, (PluginCommand, PluginGroup)):
            raise offer.failed(f"{offer.provided.path} is {type(found).__name__}, not a PluginCommand or PluginGroup")
        return found

    def check_operation(
        self,
        session: Any,
        *,
        command: str,
        unit: str = "",
        lane: str = "",
        repos: tuple[str, ...] = (),
        lane_type: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Ask every plugin whether the mutating operation `command` may happen.

        Raises Blocked: what a plugin said, or `constraint_unavailable` when one the spec requires cannot say. The
        error's `issues` are all reasons, sorted by plugin.
        """
        spec = session.spec
        requires = spec.workspace_constraints.requires
        askable = [plugin for plugin in self.installed if plugin.is_asked("gr2_check_operation", requires)]
        if not askable and not requires:
            return
        from gr2.plugin.asking import ask_operation, unavailable

        issues = unavailable(self, spec)
        if askable:
            from gr2.plugin.contexts import OperationContext

            context = OperationContext(
                operation=command,
                root=session.root,
                spec=spec,
                actor=session.actor,
                agent_id=session.agent_id(unit),
                claimed_agent_id=session.asked.environ.get("GR2_AGENT_ID", ""),
                unit=unit,
                lane=lane,
                lane_type=lane_type,
                repos=tuple(repos),
                options=dict(options or {}),
            )
            issues += ask_operation(self, askable, context)
        if issues:
            raise _blocked(issues)

    def unavailable(self, spec: Any) -> tuple[Issue, ...]:
        """One blocking issue for each plugin that the spec requires and that cannot be asked. Imports none of them."""
        from gr2.plugin.asking import unavailable

        return tuple(unavailable(self, spec))

    def validate_spec(self, spec: Any, root: str) -> tuple[Issue, ...]:
        """What plugins find wrong with a spec that is valid otherwise: required plugins that are missing, settings
        that are wrong or nobody's, and what `gr2_validate_spec` says. Sorted by plugin."""
        from gr2.plugin.asking import ask_about_spec, unavailable
        from gr2.plugin.plugin_settings import issues_of_settings

        return (*unavailable(self, spec), *issues_of_settings(self, spec), *ask_about_spec(self, spec, root))


def _failed(plugin: Plugin, cause: str) -> Failed:
    return Failed(
        "plugin_failed",
        f"plugin {plugin.origin} failed: {cause}",
        scope="plugin",
        subject=plugin.name,
        hint=f"gr2 plugins show {plugin.name}",
        details={"distribution": plugin.distribution, "version": plugin.version},
    )


def _blocked(issues: Sequence[Issue]) -> Blocked:
    first = issues[0]
    error = Blocked(
        first.code, first.message, scope=first.scope, subject=first.subject, hint=first.hint, details=first.details
    )
    error.__dict__["issues"] = tuple(issues)
    return error


def _builtin() -> Plugin:
    from gr2 import __version__

    module = import_object(BUILTIN)
    provides = [
        Provided(family=family, **vars(provider))
        for hook, family in FAMILIES.items()
        for provider in getattr(module, hook, tuple)()
    ]
    return Plugin(
        name="builtin",
        target=BUILTIN,
        distribution="gr2",
        version=__version__,
        state="ok",
        provides=tuple(sorted(provides, key=lambda provided: (provided.family, provided.name))),
        settings=module.gr2_settings,
        api=module.gr2_api,
    )


class Choices(Protocol):
    """What of the user's settings is about plugins; `gr2.store.settings.Settings` has it."""

    @property
    def disabled_plugins(self) -> tuple[str, ...]: ...
    @property
    def prefer(self) -> Mapping[str, str]: ...
    @property
    def config(self) -> Mapping[str, Any]: ...


def open_plugins(
    settings: Choices,
    environ: Mapping[str, str],
    *,
    disabled: bool = False,
    warn: Callable[[str], object] = lambda line: None,
    runner: Runner | None = None,
    clock: Clock | None = None,
) -> Plugins:
    """The plugins of this environment. Reads nothing until asked.

    disabled: `--no-plugins`: the built-ins only. runner: examines plugins that the
    index does not know; its cancellation ends that.
    """
    site = Site.current(environ)
    off = settings.disabled_plugins

    def installed() -> Iterable[Plugin]:
        if disabled:
            return [replace(plugin, state="disabled", error=None) for plugin in listed(site, off)]
        from gr2.edges.clock import Clock

        now = (clock or Clock()).now().timestamp()
        found = read_index(site, now=now)
        if found is None:
            from gr2.edges.process import Runner

            found = build_index(site, off, runner or Runner(), now=now, api=API_VERSION)
        return found

    return Plugins(
        installed=lambda: tuple(installed()),
        prefer=settings.prefer,
        config=settings.config,
        warn=warn,
        site=site,
        disabled=off,
        none_wanted=disabled,
    )
