"""Our log-mel compared with librosa's, on one thread each."""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np

from bench import sounds
from bench.plan import Plan
from bench.rows import Row, SkippedError
from bench.timing import by_turns, spread, times_faster
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.pipeline.features import LogMel, whole
from listener.pipeline.values import Clip, ClipContext, Floats, Span

LEAST_WHOLE, LEAST_STEP = 2.0, 10.0
STEP_SAMPLES = 8_000  # half a second at 16 kHz
REPEAT = 20


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the cost of a whole clip and of a half-second step that reuses earlier columns."""
    bundle = bundles.load(bundles.find(plan.bundle))
    spec = bundle.features
    clip = sounds.bursts(spec.clip_samples / spec.sample_rate, spec.sample_rate)
    acts = {
        "whole": _whole(bundle, clip),
        "step": _step(bundle),
        "librosa": _librosa(bundle, clip),
        "librosa, log": _librosa_log(bundle, clip),
        "librosa, kept filters": _librosa_with_kept_filters(bundle, clip),
    }
    costs = by_turns(acts, plan.sizes.rounds, REPEAT)
    ms = {name: [1000 * cost for cost in taken] for name, taken in costs.items()}
    for what, name, floor in (("a whole clip", "whole", LEAST_WHOLE), ("a half-second step", "step", LEAST_STEP)):
        faster = times_faster(ms[name], ms["librosa"])
        note = f"{spread(ms[name])} ms, librosa's whole clip {spread(ms['librosa'])} ms"
        yield Row(f"log-mel of {what}, times faster", faster, "x", floor, at_least=True, note=note)
    for name, note in (
        ("librosa, log", "melspectrogram() gives no log, ours does; this adds its power_to_db()"),
        (
            "librosa, kept filters",
            "melspectrogram() makes its filter bank anew at every call; this does not, nor a log",
        ),
    ):
        faster = times_faster(ms["whole"], ms[name])
        yield Row(f"a whole clip beside {name}", faster, "x", note=f"{spread(ms[name])} ms: {note}")


def _whole(bundle: Bundle, samples: Floats) -> Callable[[], object]:
    """CPU time of a clip that shares no column with the previous one."""
    log_mel = LogMel(bundle.features, bundle.filters)
    clip = whole(samples)
    return lambda: LogMel.columns(log_mel, clip.samples)


def _step(bundle: Bundle) -> Callable[[], object]:
    """CPU time of the next clip of a stream, half a second later."""
    log_mel = LogMel(bundle.features, bundle.filters)
    clips = cycle(stream(bundle))
    log_mel(next(clips))
    return lambda: log_mel(next(clips))


def stream(bundle: Bundle) -> list[Clip]:
    """Clips of a stream, half a second apart, enough of them that restarts hardly count."""
    spec = bundle.features
    count = REPEAT * 20
    stream = sounds.bursts((spec.clip_samples + count * STEP_SAMPLES) / spec.sample_rate, spec.sample_rate)
    spans = [Span(start, start + spec.clip_samples) for start in range(0, count * STEP_SAMPLES, STEP_SAMPLES)]
    return [Clip(span, stream[span.start : span.stop], ClipContext(span, -20.0)) for span in spans]


def _librosa(bundle: Bundle, samples: Floats) -> Callable[[], object]:
    """CPU time of librosa's mel spectrogram with its usual call, without the log."""
    librosa, spec = _library(), bundle.features
    return lambda: librosa.feature.melspectrogram(
        y=samples,
        sr=spec.sample_rate,
        n_fft=spec.fft,
        hop_length=spec.hop,
        center=False,
        n_mels=spec.mels,
        fmin=spec.f_min_hz,
        fmax=spec.f_max_hz,
        htk=spec.mel_scale == "htk",
    )


def _librosa_log(bundle: Bundle, samples: Floats) -> Callable[[], object]:
    """CPU time of librosa's mel spectrogram with the log, as ours."""
    librosa, mel = _library(), _librosa(bundle, samples)
    return lambda: librosa.power_to_db(mel(), amin=bundle.features.log_floor, top_db=None)


def _librosa_with_kept_filters(bundle: Bundle, samples: Floats) -> Callable[[], object]:
    librosa, spec = _library(), bundle.features
    return lambda: (
        bundle.filters @ np.square(np.abs(librosa.stft(samples, n_fft=spec.fft, hop_length=spec.hop, center=False)))
    )


def _library() -> Any:
    try:
        import librosa
    except ImportError as err:
        raise SkippedError("librosa is not installed: pip install --group bench") from err
    return librosa
