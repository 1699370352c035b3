"""Settings: `[plugins.channel]` of the user's configuration or the spec."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator


class ChannelSettings(BaseModel):
    """channel: its name, the workspace's unless given. templates: texts by event type, "" for none. slack_url: where
    messages are posted as well. timeout_seconds: for one post."""

    channel: str = ""
    templates: dict[str, str] = Field(default_factory=dict)
    slack_url: str = ""
    timeout_seconds: float = Field(default=10.0, gt=0, le=300)

    @field_validator("slack_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if value and not value.lower().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value
