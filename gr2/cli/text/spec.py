"""What `gr2 spec ...` says."""

from __future__ import annotations

from gr2.cli.screen import Screen, text_for
from gr2.ops.spec import SpecDiffResult, SpecFreezeResult, SpecSchemaResult, SpecShowResult, SpecValidateResult


@text_for(SpecShowResult)
def show_spec(result: SpecShowResult, screen: Screen) -> None:
    """The spec as TOML."""
    from gr2.store.spec_text import spec_text

    screen.raw(spec_text(result.spec))


@text_for(SpecValidateResult)
def show_validation(result: SpecValidateResult, screen: Screen) -> None:
    """One line when all is well; the issues speak for themselves."""
    if not any(issue.blocking for issue in result.issues):
        spec = result.spec
        screen.line(f"the spec of {spec.workspace_name} is sound: {len(spec.repos)} repos, {len(spec.units)} units")


@text_for(SpecSchemaResult)
def show_schema(result: SpecSchemaResult, screen: Screen) -> None:
    """The schema, to be sent into a file."""
    import json

    screen.raw(json.dumps(result.json_schema, indent=2) + "\n")


@text_for(SpecFreezeResult)
def show_frozen(result: SpecFreezeResult, screen: Screen) -> None:
    """The pinned spec, or where it was written."""
    if result.output is None:
        screen.raw(result.text)
    else:
        screen.parts("pinned spec written: ", (result.output, "bold"))


@text_for(SpecDiffResult)
def show_differences(result: SpecDiffResult, screen: Screen) -> None:
    """A row for each difference."""
    if not result.differences:
        screen.line("the shared checkouts are as the spec says")
        return
    rows = [(item.repo, item.what, item.spec or "-", (item.found or "-", "warn")) for item in result.differences]
    screen.table(("repo", "what", "spec", "found"), rows)
