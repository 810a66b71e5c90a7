"""What is heard here: a level meter with advice, and how the gate behaves in this room."""

from collections.abc import Iterator
from functools import partial

from listener.base.schema import changed
from listener.base.text import times
from listener.client import AccessDenied, NoDaemon
from listener.config import Config, Part
from listener.doctor import ambient, running
from listener.doctor.ambient import SETTLING_S, AmbientLevel, AmbientMeter
from listener.doctor.finding import Check, Finding, Severity, examine
from listener.pipeline import gates
from listener.pipeline.features import FeatureSpec
from listener.pipeline.framer import Framer

PATIENCE_S = 5.0  # for the first audio
DEAD = 0.5  # a microphone that gives nothing for so much of the time is no quiet room: that is never the same twice
CLIPPED = 0.0005
QUIET_DBFS, QUIET_PEAK_DBFS = -75.0, -65.0
LOUD_DBFS = -25.0
BUSY = 0.5  # a gate open for more of the time saves little


def sources(config: Config, seconds: float) -> Iterator[Finding]:
    """Listen to every source for so long, to all at the same time."""
    limit_s = seconds + SETTLING_S + PATIENCE_S + 1
    for_each = [(f"hearing {part.config.name}", part) for part in config.sources]
    yield from examine(
        [[Check(name, partial(_findings, name, part, config, seconds), limit_s)] for name, part in for_each]
    )


def judged(name: str, heard: AmbientLevel) -> Iterator[Finding]:
    """The level of a room in words, and what the gate made of it."""
    if not len(heard.levels_dbfs):
        yield Finding(name, Severity.PROBLEM, "no level came", "see `listener watch`, and the log of the daemon")
        return
    yield _level(name, heard)
    if heard.clipped > CLIPPED:
        text = f"{100 * heard.clipped:.2g} % of the samples are at full scale: the microphone is overdriven"
        yield Finding(name, Severity.WARNING, text, "turn its capture volume down (alsamixer, pavucontrol), or move it")
    if heard.dead <= DEAD:
        yield _gate(name, heard)


def _findings(name: str, part: Part, config: Config, seconds: float) -> Iterator[Finding]:
    if part.kind == "stdin":
        yield Finding(
            name, Severity.NOTE, "standard input is not listened to here", "try it with `listener run --plain`"
        )
        return
    try:
        daemon = running.running(config)
    except (NoDaemon, AccessDenied):
        daemon = None
    if daemon and daemon.hears(part.config.name):
        yield Finding(name, Severity.NOTE, f"the meter is that of the running daemon (process {daemon.hello.pid})")
        yield from judged(name, running.room(config, part.config.name, seconds))
    else:
        yield from judged(name, _surveyed(part, config, seconds))


def _surveyed(part: Part, config: Config, seconds: float) -> AmbientLevel:
    """Open the source ourselves."""
    settings = changed(part.config, wait=False) if hasattr(part.config, "wait") else part.config
    rate = FeatureSpec().sample_rate
    gate = gates.make(config.gate, rate)
    meter = AmbientMeter(gate, config.gate.hang_over_s)
    blocks = ambient.some(part.factory(settings), seconds + SETTLING_S, PATIENCE_S)
    for frames in Framer(rate).frames(meter.blocks(blocks)):
        meter.on_frames(frames, gate(frames))
    return meter.room()


def _level(name: str, heard: AmbientLevel) -> Finding:
    usual, loudest = heard.usual_dbfs, heard.loudest_dbfs
    numbers = f"{usual:.0f} dBFS in the middle, {loudest:.0f} at the loudest, in {heard.seconds:.0f} s"
    if heard.dead > DEAD:
        text = f"dead: digital silence for {100 * heard.dead:.0f} % of {heard.seconds:.0f} s"
        remedy = (
            "unmute it (pactl set-source-mute @DEFAULT_SOURCE@ 0, or alsamixer), and see that the right one is named"
        )
        return Finding(name, Severity.PROBLEM, text, remedy)
    if usual < QUIET_DBFS and loudest < QUIET_PEAK_DBFS:
        remedy = "turn its capture volume up (alsamixer, pavucontrol), or speak to it: a voice should reach -45 dBFS"
        return Finding(name, Severity.WARNING, f"very quiet: {numbers}", remedy)
    if usual > LOUD_DBFS:
        return Finding(name, Severity.WARNING, f"very loud: {numbers}", "turn its capture volume down, or move it")
    return Finding(name, Severity.OK, f"level: {numbers}")


def _gate(name: str, heard: AmbientLevel) -> Finding:
    floor = "" if heard.floor_dbfs is None else f"; it takes {heard.floor_dbfs:.0f} dBFS for the room"
    duty = f"the gate was open {100 * heard.duty:.0f} % of {heard.seconds:.0f} s"
    text = f"{duty} and opened {times(heard.openings)}{floor}"
    if heard.duty > BUSY:
        return Finding(name, Severity.NOTE, text, "if the room is always so, `listener tune` proposes a calmer gate")
    return Finding(name, Severity.OK, text)
