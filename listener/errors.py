"""What can go wrong, in the words of the person who can act on it.

Every message names the thing, what is wrong with it, and the remedy.
"""


class ListenerError(Exception):
    """The base of every error that this program raises on purpose."""


class ConfigError(ListenerError):
    """The configuration, or a flag, cannot be used."""


class BundleError(ListenerError):
    """A model bundle is incomplete, damaged, or of another version."""


class ClassifierError(ListenerError):
    """The model cannot run here, or failed while running."""


class SourceError(ListenerError):
    """Audio cannot be had from where it was asked for."""


class SinkError(ListenerError):
    """Events cannot be delivered to where they were sent."""


class OutputClosed(SinkError):
    """The reader of a pipe has gone, as in `listener run | head -1`: a normal end, nothing is broken."""
