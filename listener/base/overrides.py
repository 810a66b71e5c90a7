"""A check against misspelt overrides: a method that should replace one of a base class but has another name."""

import difflib

CLOSE = 0.8  # of difflib's ratio: `on_signal_falt` is close to `on_signal_fault`


def check_overrides(cls: type, base: type) -> None:
    """Refuse a public name in `cls` that looks like a misspelt name of `base`. To be called by `__init_subclass__`.

    Raises:
        TypeError: A name is close to one of the base class, which the class does not define or inherit as its own.
    """
    offered = [name for name in vars(base) if not name.startswith("_")]
    offered += [name for name in getattr(base, "__annotations__", {}) if not name.startswith("_")]
    for name in vars(cls):
        if name.startswith("_") or name in offered:
            continue
        close = difflib.get_close_matches(name, offered, n=1, cutoff=CLOSE)
        if close:
            raise TypeError(f"{cls.__qualname__}.{name} overrides nothing. Did you mean {close[0]!r}?")
