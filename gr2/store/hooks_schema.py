"""The shape of `.gr2/hooks.toml` as pydantic models: types, unknown keys, and what one value alone can get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from gr2.model.hooks import (
    COLLISIONS,
    DEFAULT_TIMEOUT,
    ON_FAILURES,
    ROOTS,
    VARIABLES,
    WHENS,
    Gate,
    Hook,
    HooksFile,
    Policy,
    Projection,
    fault_of_below,
)
from gr2.model.names import LANE_KIND, has_control
from gr2.model.template import command_fault, unknown_variable
from gr2.store.spec_rules import Fault

COMMAND_LIMIT = 8192
_UNKNOWN_VARIABLE = "unknown_variable"
_ROOT_NAMES = ", ".join(f"{{{name}}}/" for name in ROOTS)


def _rule(fault_of: Callable[[str], str | None], *, limit: int = 1024) -> AfterValidator:
    def check(text: str) -> str:
        reason = f"is over {limit} characters" if len(text) > limit else fault_of(text)
        if reason is not None:
            raise PydanticCustomError("unsafe", "{reason}", {"reason": reason})
        return text

    return AfterValidator(check)


def _known_variables(text: str) -> str:
    name = unknown_variable(text, VARIABLES)
    if name is not None:
        raise PydanticCustomError(_UNKNOWN_VARIABLE, "{name}", {"name": name})
    return text


def _name_fault(text: str) -> str | None:
    if not text.strip():
        return "must not be empty"
    return "must not hold control characters" if has_control(text) else None


def _command_fault(text: str) -> str | None:
    reason = command_fault(text)
    return None if reason is None else f"is no command: {reason}"


def _source_fault(text: str) -> str | None:
    if "{" in text or "}" in text:
        return "is a plain path inside the repo: variables have no meaning here"
    reason = fault_of_below(text)
    return None if reason is None else f"cannot be projected: {reason}"


def _dest_fault(text: str) -> str | None:
    for root in ROOTS:
        start = f"{{{root}}}/"
        if text.startswith(start):
            below = text[len(start) :]
            if any(f"{{{name}}}" in below for name in ROOTS):
                return "has a root in its middle"
            reason = fault_of_below(below)
            return None if reason is None else f"cannot be a destination: {reason}"
    return f"must begin with one of {_ROOT_NAMES}"


def _cwd_fault(text: str) -> str | None:
    if not text or "\0" in text or has_control(text):
        return "is no directory"
    if ".." in text.split("/"):
        return "leaves the checkout"
    return "must be inside the checkout" if text.startswith("/") else None


def _kind_fault(text: str) -> str | None:
    return None if LANE_KIND.fullmatch(text) else "is not a lane kind: lower-case letters, digits, underscore and dash"


_KNOWN = AfterValidator(_known_variables)
Name = Annotated[str, _rule(_name_fault, limit=100), WithJsonSchema({"type": "string", "minLength": 1})]
CommandLine = Annotated[str, _rule(_command_fault, limit=COMMAND_LIMIT), _KNOWN]
Source = Annotated[str, _rule(_source_fault), WithJsonSchema({"type": "string", "pattern": "^[^/{}]"})]
_ROOT_PATTERN = "|".join(ROOTS)
Destination = Annotated[
    str, _rule(_dest_fault), _KNOWN, WithJsonSchema({"type": "string", "pattern": rf"^\{{({_ROOT_PATTERN})\}}/."})
]
Directory = Annotated[str, _rule(_cwd_fault), _KNOWN]
Kind = Annotated[str, _rule(_kind_fault), WithJsonSchema({"type": "string", "pattern": f"^{LANE_KIND.pattern}$"})]
Collision = Literal["error", "skip", "overwrite", "merge"]
OnFailure = Literal["block", "warn", "skip"]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title=None)


class RepoModel(_Model):
    """The `[repo]` table."""

    name: Name = Field(description="what the repository calls itself; the spec's name is what counts")


class LinkModel(_Model):
    """One `[[files.link]]` table."""

    src: Source = Field(description="a file or directory inside the repo")
    dest: Destination = Field(description="where the link goes; begins with a root variable")
    if_exists: Literal["error", "skip", "overwrite"] = Field("error", description="when something else is there")


class CopyModel(_Model):
    """One `[[files.copy]]` table."""

    src: Source = Field(description="a file inside the repo")
    dest: Destination = Field(description="where the copy goes; begins with a root variable")
    if_exists: Collision = Field("error", description="when something else is there")


class FilesModel(_Model):
    """The `[files]` table."""

    link: list[LinkModel] = Field(default_factory=list)
    copy_: list[CopyModel] = Field(default_factory=list, alias="copy")


class _HookModel(_Model):
    name: Name = Field(description="unique in its stage")
    command: CommandLine = Field(description="split like a shell would, run without a shell")
    cwd: Directory = Field("{repo_root}", description="inside the checkout")
    runtime: Name = Field("command", description="a hook runtime plugin")
    timeout_seconds: Seconds = Field(DEFAULT_TIMEOUT, description="after it the whole process group ends")


class MaterializeModel(_HookModel):
    """One `[[lifecycle.on_materialize]]` table."""

    when: Literal["first_materialize", "always", "manual"] = "first_materialize"
    on_failure: OnFailure = "block"


class EnterExitModel(_HookModel):
    """One `[[lifecycle.on_enter]]` or `[[lifecycle.on_exit]]` table."""

    when: Literal["always", "dirty", "manual"] = "always"
    on_failure: OnFailure = "warn"


class LifecycleModel(_Model):
    """The `[lifecycle]` table."""

    on_materialize: list[MaterializeModel] = Field(default_factory=list)
    on_enter: list[EnterExitModel] = Field(default_factory=list)
    on_exit: list[EnterExitModel] = Field(default_factory=list)


class GateModel(_Model):
    """One `[[gates]]` table."""

    name: Name
    command: CommandLine


class PolicyModel(_Model):
    """The `[policy]` table."""

    required_reviewers: Annotated[int, Field(ge=0)] | None = None
    allow_lane_kinds: list[Kind] | None = None
    preferred_exec: list[CommandLine] = Field(default_factory=list)


class HooksModel(_Model):
    """A repository's lifecycle hooks, `.gr2/hooks.toml`."""

    version: Annotated[int, Field(ge=1)] = 1
    repo: RepoModel | None = None
    files: FilesModel = Field(default_factory=FilesModel)
    lifecycle: LifecycleModel = Field(default_factory=LifecycleModel)
    gates: list[GateModel] = Field(default_factory=list)
    policy: PolicyModel = Field(default_factory=PolicyModel)

    @model_validator(mode="after")
    def _names_are_unique(self) -> HooksModel:
        stages = vars(self.lifecycle)
        for where, tables in (*((("lifecycle", stage), stages[stage]) for stage in stages), (("gates",), self.gates)):
            seen: set[str] = set()
            for number, table in enumerate(tables):
                if table.name in seen:
                    place = {"where": (*where, number, "name")}
                    raise PydanticCustomError("twice", "is used twice", place)
                seen.add(table.name)
        return self


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the hooks file's content."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **HooksModel.model_json_schema()}


def parse_model(data: dict[str, Any], digest: str) -> tuple[HooksFile | None, list[Fault]]:
    """The hooks file that `data` says, or None and every fault."""
    try:
        model = HooksModel.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True, include_input=True)
        return None, [_fault(item) for item in found]
    return _value(model, digest), []


def _value(model: HooksModel, digest: str) -> HooksFile:
    pairs: list[tuple[str, list[LinkModel] | list[CopyModel]]] = [
        ("link", model.files.link),
        ("copy", model.files.copy_),
    ]
    return HooksFile(
        digest=digest,
        version=model.version,
        repo_name=model.repo.name if model.repo else "",
        projections=tuple(
            Projection(kind=kind, key=f"files.{kind}[{number}]", **table.model_dump())
            for kind, tables in pairs
            for number, table in enumerate(tables)
        ),
        hooks=tuple(
            Hook(stage=stage, key=f"lifecycle.{stage}[{number}]", **table.model_dump())
            for stage, tables in vars(model.lifecycle).items()
            for number, table in enumerate(tables)
        ),
        gates=tuple(Gate(**table.model_dump()) for table in model.gates),
        policy=Policy(
            required_reviewers=model.policy.required_reviewers,
            allow_lane_kinds=_tuple(model.policy.allow_lane_kinds),
            preferred_exec=tuple(model.policy.preferred_exec),
        ),
    )


def _tuple(found: list[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(found)


_PLAIN_FAULTS = {
    "missing": "is required",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "finite_number": "must be a number",
}


def _fault(error: Any) -> Fault:
    """One of pydantic's errors in our words."""
    kind, where, context = error["type"], tuple(error["loc"]), error.get("ctx", {})
    if kind == "extra_forbidden":
        return Fault(where, "is not a key of a hooks file", known=_keys_beside(where), word=str(where[-1]))
    if kind == "literal_error":
        return _literal(where, str(error.get("input")))
    if kind == _UNKNOWN_VARIABLE:
        name = str(context["name"])
        return Fault(where, f"uses the unknown variable {{{name}}}", known=VARIABLES, word=name)
    if kind == "twice":
        return Fault(tuple(context["where"]), "is the name of another one, too")
    if kind in {"greater_than_equal", "greater_than", "less_than_equal"}:
        words = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}
        return Fault(where, f"must be {words[kind]} {next(iter(context.values())):g}")
    return Fault(where, str(context["reason"]) if kind == "unsafe" else _PLAIN_FAULTS.get(kind, "is not allowed here"))


def _literal(where: tuple[str | int, ...], word: str) -> Fault:
    stage = str(where[1]) if len(where) > 1 else ""
    known = {"when": WHENS.get(stage, ()), "on_failure": ON_FAILURES, "if_exists": COLLISIONS}.get(str(where[-1]), ())
    if where[-1] == "if_exists" and stage == "link":
        known = tuple(one for one in known if one != "merge")
    return Fault(where, f"must be {', '.join(known[:-1])} or {known[-1]}", known=tuple(known), word=word)


def _keys_beside(where: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that would have been allowed where an unknown one stands."""
    table = tuple(part for part in where[:-1] if isinstance(part, str))
    models: dict[tuple[str, ...], type[BaseModel]] = {
        (): HooksModel,
        ("repo",): RepoModel,
        ("files",): FilesModel,
        ("files", "link"): LinkModel,
        ("files", "copy"): CopyModel,
        ("lifecycle",): LifecycleModel,
        ("lifecycle", "on_materialize"): MaterializeModel,
        ("lifecycle", "on_enter"): EnterExitModel,
        ("lifecycle", "on_exit"): EnterExitModel,
        ("gates",): GateModel,
        ("policy",): PolicyModel,
    }
    model = models.get(table)
    return tuple(field.alias or name for name, field in model.model_fields.items()) if model else ()
