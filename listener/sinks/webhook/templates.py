"""What a receiver is sent of an event: the event itself, or what ntfy, Slack and Discord take."""

import json
from collections.abc import Callable
from typing import Any, Literal

from listener import messages
from listener.base import text
from listener.messages import Event

Template = Literal["plain", "ntfy", "slack", "discord"]


def body(template: Template, event: Event, topic: str) -> bytes:
    """The JSON to send. `topic` is ntfy's, which wants it there."""
    if template == "plain":
        return messages.encode(event).rstrip(b"\n")
    made = TEMPLATES[template](event)
    return json.dumps(made | {"topic": topic} if template == "ntfy" else made, ensure_ascii=False).encode()


def _ntfy(event: Event) -> dict[str, Any]:
    """https://docs.ntfy.sh/publish/#publish-as-json"""
    return {"title": _title(event), "message": _details(event), "tags": [event.label]}


def _slack(event: Event) -> dict[str, Any]:
    """https://docs.slack.dev/messaging/formatting-message-text: three characters are to be escaped, and only those."""
    escaped = f"*{_title(event)}*: {_details(event)}"
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        escaped = escaped.replace(character, entity)
    return {"text": escaped}


def _discord(event: Event) -> dict[str, Any]:
    """https://docs.discord.com/developers/resources/webhook#execute-webhook: nobody is pinged by a label's name."""
    return {"content": f"**{_title(event)}**: {_details(event)}", "allowed_mentions": {"parse": []}}


TEMPLATES: dict[Template, Callable[[Event], dict[str, Any]]] = {"ntfy": _ntfy, "slack": _slack, "discord": _discord}


def _title(event: Event) -> str:
    """The label for a person: `Dog bark`, `Dog bark ended`."""
    name = event.label.replace("_", " ")
    return f"{name[:1].upper()}{name[1:]}{' ended' if event.phase == 'end' else ''}"


def _details(event: Event) -> str:
    """Where and when, in local time, and how sure; `kitchen, 14:38:56, score 0.93`."""
    when = text.moment(event.start, event.start_s).strip()
    if event.end_s is None:
        return f"{event.source}, {when}, score {event.peak:.2f}"
    return f"{event.source}, {when}, {text.duration(event.end_s - event.start_s)}, score {event.peak:.2f}"
