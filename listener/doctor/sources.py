"""Checks of each source: its level, overload, digital silence, and how the gate behaves with it."""

from collections.abc import Iterator, Sequence
from functools import partial

from listener.base.schema import changed
from listener.base.text import times
from listener.client import AccessDenied, NoDaemon
from listener.config import Config, Part
from listener.doctor import ambient, running
from listener.doctor.ambient import SETTLING_S, AmbientLevel, AmbientMeter
from listener.doctor.finding import Check, Finding, Severity, run_checks
from listener.pipeline import gates
from listener.pipeline.features import FeatureSpec
from listener.pipeline.framer import Framer

FIRST_AUDIO_S = 5.0  # how long to wait for the first audio
DEAD = 0.5  # share of digital silence; even in a quiet room the samples of a working microphone vary
OVERLOADED = 0.0005  # share of samples at full scale
QUIET_DBFS, QUIET_PEAK_DBFS = -75.0, -65.0
LOUD_DBFS = -25.0
BUSY = 0.5  # a gate that is open for a larger share of the time saves little
UNLIKE_DB = 15.0  # channels of one microphone differ by less


def sources(config: Config, seconds: float) -> Iterator[Finding]:
    """Listen to all sources at the same time, for `seconds` each."""
    limit_s = seconds + SETTLING_S + FIRST_AUDIO_S + 1
    named = [(f"source {part.config.name}", part) for part in config.sources]
    yield from run_checks(
        [[Check(name, partial(_findings, name, part, config, seconds), limit_s)] for name, part in named]
    )


def judged(name: str, measured: AmbientLevel) -> Iterator[Finding]:
    """Judge a measured level, and the gate unless the source is digitally silent."""
    if not len(measured.levels_dbfs):
        remedy = "See `listener watch` and the daemon's log."
        yield Finding(name, Severity.PROBLEM, "level-none", "the daemon reported no level", remedy)
        return
    yield _level(name, measured)
    if len(measured.channels_dbfs) > 1:
        yield _channels(name, measured.channels_dbfs)
    if measured.clipped > OVERLOADED:
        text = f"overload: {100 * measured.clipped:.2g} % of the samples are at full scale"
        remedy = "Turn the capture volume down (alsamixer, pavucontrol), or move the microphone."
        yield Finding(name, Severity.WARNING, "level-overload", text, remedy)
    if measured.dead <= DEAD:
        yield _gate(name, measured)


def _findings(name: str, part: Part, config: Config, seconds: float) -> Iterator[Finding]:
    if part.kind == "stdin":
        text = "standard input cannot be checked here"
        yield Finding(name, Severity.NOTE, "source-stdin", text, "Try it with `listener run --plain`.")
        return
    try:
        daemon = running.running(config)
    except (NoDaemon, AccessDenied):
        daemon = None
    if daemon and daemon.listens_to(part.config.name):
        text = f"measured by the running daemon (process {daemon.hello.pid})"
        yield Finding(name, Severity.NOTE, "source-in-use", text)
        yield from judged(name, running.measure(config, part.config.name, seconds))
    else:
        yield from judged(name, _measure(part, config, seconds))


def _measure(part: Part, config: Config, seconds: float) -> AmbientLevel:
    """Open the source and measure it."""
    settings = changed(part.config, wait=False) if hasattr(part.config, "wait") else part.config
    rate = FeatureSpec().sample_rate
    gate = gates.make(config.gate, rate)
    meter = AmbientMeter(gate, config.gate.hang_over_s)
    blocks = ambient.some(part.factory(settings), seconds + SETTLING_S, FIRST_AUDIO_S)
    for frames in Framer(rate).frames(meter.blocks(blocks)):
        meter.on_frames(frames, gate(frames))
    return meter.room()


def _level(name: str, measured: AmbientLevel) -> Finding:
    usual, loudest = measured.usual_dbfs, measured.loudest_dbfs
    numbers = f"median {usual:.0f} dBFS, loudest {loudest:.0f} dBFS, over {measured.seconds:.0f} s"
    if measured.dead > DEAD:
        text = f"digital silence for {100 * measured.dead:.0f} % of {measured.seconds:.0f} s"
        remedy = (
            "Unmute the microphone (pactl set-source-mute @DEFAULT_SOURCE@ 0, or alsamixer), and check that the right "
            "device is configured."
        )
        return Finding(name, Severity.PROBLEM, "level-dead", text, remedy)
    if usual < QUIET_DBFS and loudest < QUIET_PEAK_DBFS:
        remedy = "Turn the capture volume up (alsamixer, pavucontrol). A voice should reach -45 dBFS."
        return Finding(name, Severity.WARNING, "level-low", f"very quiet: {numbers}", remedy)
    if usual > LOUD_DBFS:
        remedy = "Turn the capture volume down, or move the microphone."
        return Finding(name, Severity.WARNING, "level-high", f"very loud: {numbers}", remedy)
    return Finding(name, Severity.OK, "level-good", f"level: {numbers}")


def _channels(name: str, levels_dbfs: Sequence[float]) -> Finding:
    text = ", ".join(f"channel {number} {level:.0f} dBFS" for number, level in enumerate(levels_dbfs))
    if max(levels_dbfs) - min(levels_dbfs) > UNLIKE_DB:
        remedy = "To use some channels only, set the source's channel, for example channel = 0 or channel = [0, 1]."
        return Finding(name, Severity.NOTE, "level-channels-unlike", text, remedy)
    return Finding(name, Severity.OK, "level-channels", text)


def _gate(name: str, measured: AmbientLevel) -> Finding:
    floor = "" if measured.floor_dbfs is None else f"; noise floor {measured.floor_dbfs:.0f} dBFS"
    duty = f"gate open {100 * measured.duty:.0f} % of {measured.seconds:.0f} s"
    text = f"{duty}, opened {times(measured.openings)}{floor}"
    if measured.duty > BUSY:
        remedy = "If the room is always like this, run `listener tune`: it proposes a stricter gate."
        return Finding(name, Severity.NOTE, "gate-busy", text, remedy)
    return Finding(name, Severity.OK, "gate-good", text)
