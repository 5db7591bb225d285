"""`[dialog.flow]`: which flow, and the addresses that it may ask."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from actors.errors import described
from actors.settings import Section
from ingress.dialogs.flow.document import FlowError, Problem, nearest
from ingress.dialogs.flow.library import flow_of
from ingress.dialogs.lookups import LookupSettings


class FlowSettings(Section):
    """The `flow` dialog's own settings; `file` is checked with those before it."""

    digest: str | None = None
    """Of the flow as it was checked. The server sets it, so that a change is noticed."""
    lookups: dict[str, LookupSettings] = Field(default_factory=dict)
    """HTTP look-ups that the flow may use, by name."""
    file: str = Field(min_length=1, max_length=4_096)
    """The flow, a YAML file (docs/flows.md). Read again by `raymal reload`; running calls keep theirs."""

    @field_validator("file")
    @classmethod
    def _checked_flow(cls, file: str, info: ValidationInfo) -> str:
        if info.data.get("digest") is not None:
            return file  # it was checked when that was set
        lookups = info.data.get("lookups", {})
        try:
            missing = [lookup for lookup in flow_of(file).lookups if lookup.name not in lookups]
            if missing and "lookups" in info.data:
                raise FlowError(
                    Problem(
                        lookup.place,
                        f"there is no look-up {lookup.name!r} in [dialog.flow.lookups]; "
                        f"{nearest(lookup.name, lookups)}",
                    )
                    for lookup in missing
                )
        except FlowError as error:
            raise ValueError(f"this flow cannot be used:\n{described(error)}") from None
        return file
