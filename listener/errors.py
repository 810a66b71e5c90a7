"""Errors that this program raises on purpose, in the words of the person who can act on them.

An error has three parts: a `code` that scripts, tests and the documentation refer to, a `message` that names the thing
and what is wrong with it, and a `remedy` that says what to do. Codes are written where the error is raised, as a
literal `code="area-what"`; docs/errors.md is generated from them.
"""

from collections.abc import Iterable


class ListenerError(Exception):
    """Base class of every error that this program raises on purpose.

    Args:
        message: What is wrong and where, without a final full stop.
        code: Identifies the kind of error, for example `source-device-missing`. Lower case, words joined by hyphens.
        remedy: What to do about it: one or more imperative sentences with full stops. Empty if nothing is known.
    """

    def __init__(self, message: str, *, code: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class ConfigError(ListenerError):
    """The configuration or a flag cannot be used.

    Args:
        message: As for `ListenerError`.
        code: As for `ListenerError`.
        remedy: As for `ListenerError`.
        key: Where the error is in the configuration: ("sink", 1, "path") is `path` of the second [[sink]].
    """

    def __init__(self, message: str, *, code: str = "", remedy: str = "", key: tuple[str | int, ...] = ()) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.key = key


class ConfigErrors(ConfigError):
    """Several errors of one configuration, one line each.

    Args:
        errors: At least one error. Groups are flattened.
    """

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors: list[ConfigError] = []
        for error in errors:
            self.errors.extend(error.errors if isinstance(error, ConfigErrors) else [error])
        super().__init__("\n".join(map(str, self.errors)), code=self.errors[0].code)


class BundleError(ListenerError):
    """A model bundle is incomplete, damaged, or of another version."""


class ClassifierError(ListenerError):
    """The model cannot run here, or failed while running."""


class SourceError(ListenerError):
    """Audio cannot be read from a source."""


class SinkError(ListenerError):
    """Events cannot be delivered to a sink."""


class OutputClosed(SinkError):
    """The reader of a pipe has gone, as in `listener run | head -1`. This is a normal end."""
