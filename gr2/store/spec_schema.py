"""The shape of the spec file as pydantic models: types, unknown keys, and what one value alone can get wrong.

What several values get wrong together is in `gr2.store.spec_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from gr2.model.names import LANE_KIND, NAME, fault_of_path, has_control, is_name, is_ref
from gr2.model.spec import MergeOrder, Repo, Spec, Unit, UnitConstraints, WorkspaceConstraints
from gr2.model.url import fault_of_url, has_credentials
from gr2.store.spec_rules import Fault

TEXT_LIMIT = 4096
_CREDENTIALS = "credentials_in_url"


def _rule(fault_of: Callable[[str], str | None]) -> AfterValidator:
    """A validator that refuses a text for the reason `fault_of` gives."""

    def check(text: str) -> str:
        reason = "is too long" if len(text) > TEXT_LIMIT else fault_of(text)
        if reason is not None:
            raise PydanticCustomError("unsafe", "{reason}", {"reason": reason})
        return text

    return AfterValidator(check)


def _name_fault(text: str) -> str | None:
    return (
        None
        if is_name(text)
        else "is not a name: letters, digits, dot, underscore and dash, at most 100, no dash first"
    )


def _path_fault(text: str) -> str | None:
    reason = fault_of_path(text)
    return None if reason is None else f"cannot be a path here: {reason}"


def _plain_fault(text: str) -> str | None:
    if not text.strip():
        return "must not be empty"
    return "must not hold control characters" if has_control(text) else None


def _branch_fault(text: str) -> str | None:
    return None if is_ref(text) else "is not a branch name"


def _revision_fault(text: str) -> str | None:
    return None if text == "" or is_ref(text) else "is neither a tag nor a full commit id"


def _filter_fault(text: str) -> str | None:
    if text.startswith("-"):
        return "must not begin with a dash"
    return "must not hold control characters or spaces" if has_control(text) or " " in text else None


def _kind_fault(text: str) -> str | None:
    return None if LANE_KIND.fullmatch(text) else "is not a lane kind: lower-case letters, digits, underscore and dash"


def _check_url(url: str) -> str:
    if has_credentials(url):
        raise PydanticCustomError(_CREDENTIALS, "holds a secret")
    reason = "it is too long" if len(url) > TEXT_LIMIT else fault_of_url(url)
    if reason is not None:
        raise PydanticCustomError("unsafe", "{reason}", {"reason": f"cannot be given to git: {reason}"})
    return url


Name = Annotated[str, _rule(_name_fault), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"})]
PlacePath = Annotated[str, _rule(_path_fault), WithJsonSchema({"type": "string", "minLength": 1, "pattern": "^[^/-]"})]
Plain = Annotated[str, _rule(_plain_fault), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TEXT_LIMIT})]
Branch = Annotated[str, _rule(_branch_fault), WithJsonSchema({"type": "string", "pattern": "^[^-]"})]
Revision = Annotated[str, _rule(_revision_fault), WithJsonSchema({"type": "string"})]
Filter = Annotated[str, _rule(_filter_fault), WithJsonSchema({"type": "string"})]
Kind = Annotated[str, _rule(_kind_fault), WithJsonSchema({"type": "string", "pattern": f"^{LANE_KIND.pattern}$"})]
Url = Annotated[str, AfterValidator(_check_url), WithJsonSchema({"type": "string", "minLength": 1})]
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title=None)


class RepoModel(_Model):
    """One `[[repos]]` table."""

    name: Name = Field(description="the repository's name, unique whatever the case")
    path: PlacePath = Field(description="its shared checkout, relative to the workspace")
    url: Url = Field(description="https, http, ssh, git, file: or a path; without any secret")
    default_branch: Branch | None = Field(None, description="the branch to check out; else the remote's HEAD")
    platform: Plain | None = Field(None, description="the code host; else the platform plugins are asked about the URL")
    reference: bool = Field(False, description="read-only context: never pushed, no pull request")
    revision: Revision = Field("", description="a tag or full commit id that the shared checkout is pinned to")
    filter: Filter = Field("", description='a partial clone filter, for example "blob:none"')
    groups: list[Plain] = Field(default_factory=list, description="names to select several repositories by")


class UnitConstraintsModel(_Model):
    """A `[units.constraints]` table."""

    lane_limit: Count | None = Field(None, description="how many lanes may be open at once")
    allowed_lane_kinds: list[Kind] | None = Field(None, description="the kinds of lane this unit may create; else all")
    channels_enabled: bool = True
    recall_enabled: bool = True


class UnitModel(_Model):
    """One `[[units]]` table."""

    name: Name = Field(description="the unit's name, unique whatever the case")
    path: PlacePath = Field(description="the unit's directory, relative to the workspace")
    agent_id: Plain | None = Field(None, description="an opaque id that events carry")
    repos: list[str] = Field(default_factory=list, description="the repositories this unit has checkouts of")
    constraints: UnitConstraintsModel = Field(default_factory=UnitConstraintsModel)


class MergeOrderModel(_Model):
    """The `[workspace_constraints.merge_order]` table."""

    strategy: Literal["declared", "explicit"] = "declared"
    order: list[str] = Field(default_factory=list, description="the others follow in declared order")


class WorkspaceConstraintsModel(_Model):
    """The `[workspace_constraints]` table."""

    max_concurrent_edit_leases_global: Count | None = None
    lane_naming_convention: Plain | None = Field(None, description='for example "<kind>-<scope>"')
    requires: list[Plain] = Field(default_factory=list, description="plugins without which nothing mutating runs")
    required_reviewers: dict[str, Count] = Field(
        default_factory=dict, description="reviews a pull request needs, by repo"
    )
    merge_order: MergeOrderModel = Field(default_factory=MergeOrderModel)


class SpecModel(_Model):
    """A workspace spec, `.grip/workspace_spec.toml`."""

    version: Annotated[int, Field(ge=1)] = 1
    workspace_name: Plain
    repos: list[RepoModel] = Field(default_factory=list)
    units: list[UnitModel] = Field(default_factory=list)
    workspace_constraints: WorkspaceConstraintsModel = Field(default_factory=WorkspaceConstraintsModel)
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict, description="each plugin's own settings")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the spec file's content."""
    found = SpecModel.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def shape_faults(data: dict[str, Any]) -> list[Fault]:
    """What is wrong with single values of `data`, in the order of the models."""
    try:
        SpecModel.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True, include_input=False)
        return [_fault(item) for item in found]
    return []


def to_spec(data: dict[str, Any]) -> Spec:
    """The value of a `data` without faults."""
    model = SpecModel.model_validate(data)
    limits = model.workspace_constraints
    return Spec(
        workspace_name=model.workspace_name,
        version=model.version,
        repos=tuple(_repo(repo) for repo in model.repos),
        units=tuple(_unit(unit) for unit in model.units),
        workspace_constraints=WorkspaceConstraints(
            max_concurrent_edit_leases_global=limits.max_concurrent_edit_leases_global,
            lane_naming_convention=limits.lane_naming_convention,
            requires=tuple(limits.requires),
            required_reviewers=dict(limits.required_reviewers),
            merge_order=MergeOrder(strategy=limits.merge_order.strategy, order=tuple(limits.merge_order.order)),
        ),
        plugins={name: dict(_settings(table)) for name, table in model.plugins.items()},
    )


def _repo(model: RepoModel) -> Repo:
    return Repo(
        name=model.name,
        path=_normal(model.path),
        url=model.url,
        default_branch=model.default_branch,
        platform=model.platform,
        reference=model.reference,
        revision=model.revision,
        filter=model.filter,
        groups=tuple(model.groups),
    )


def _unit(model: UnitModel) -> Unit:
    limits = model.constraints
    kinds = limits.allowed_lane_kinds
    return Unit(
        name=model.name,
        path=_normal(model.path),
        agent_id=model.agent_id,
        repos=tuple(model.repos),
        constraints=UnitConstraints(
            lane_limit=limits.lane_limit,
            allowed_lane_kinds=None if kinds is None else tuple(kinds),
            channels_enabled=limits.channels_enabled,
            recall_enabled=limits.recall_enabled,
        ),
    )


def _normal(path: str) -> str:
    from gr2.model.names import normal_path

    return normal_path(path)


def _settings(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A plugin's settings with what JSON has no word for as text: dates as RFC 3339, nan and inf by name."""
    for key, value in table.items():
        yield key, _portable(value)


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


_PLAIN_FAULTS = {
    "missing": "is required",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def _fault(error: Any) -> Fault:
    """One of pydantic's errors in our words."""
    kind, where, context = error["type"], tuple(error["loc"]), error.get("ctx", {})
    if kind == "extra_forbidden":
        return Fault(where, "is not a key of the spec", known=_keys_beside(where))
    if kind == "literal_error":
        return Fault(where, f"must be {context.get('expected')}", known=("declared", "explicit"))
    if kind == _CREDENTIALS:
        return Fault(
            where, "holds a secret", code=_CREDENTIALS, hint="remove it and use git's credential helper, or ssh"
        )
    if kind == "greater_than_equal":
        return Fault(where, f"must be at least {context.get('ge')}")
    return Fault(where, str(context["reason"]) if kind == "unsafe" else _PLAIN_FAULTS.get(kind, "is not allowed here"))


def _keys_beside(where: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that would have been allowed where an unknown one stands."""
    table = tuple(part for part in where[:-1] if isinstance(part, str))
    models: dict[tuple[str, ...], type[BaseModel]] = {
        (): SpecModel,
        ("repos",): RepoModel,
        ("units",): UnitModel,
        ("units", "constraints"): UnitConstraintsModel,
        ("workspace_constraints",): WorkspaceConstraintsModel,
        ("workspace_constraints", "merge_order"): MergeOrderModel,
    }
    model = models.get(table)
    return tuple(model.model_fields) if model else ()
