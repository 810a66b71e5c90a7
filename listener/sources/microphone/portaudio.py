"""PortAudio through sounddevice or PyAudio: lists the inputs and opens one. For the capture process.

Both are used with callbacks: a blocking read does not notice that a device has gone, and cannot be ended.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from listener.errors import SourceError
from listener.sources.microphone.identity import Card, lasting

RATES = (16000, 48000, 44100, 32000, 96000, 22050, 8000)  # Hz, in the order in which they are tried
BUSY = "-9985"  # paDeviceUnavailable
HOPELESS = (BUSY, "-9996")  # and paInvalidDevice: no other rate will do

Deliver = Callable[[bytes, int, bool], None]  # int16 samples, samples per channel, whether some were lost before


class CaptureError(SourceError):
    """A device cannot be opened.

    Args:
        message: As for all errors.
        code: As for all errors.
        remedy: As for all errors.
        is_lasting: Whether waiting for a device would not help.
    """

    def __init__(self, message: str, *, code: str, remedy: str = "", is_lasting: bool = False) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.is_lasting = is_lasting


class Input(NamedTuple):  # a dataclass would cost the child a megabyte
    """An input device as PortAudio lists it. `number` changes when devices come and go; `card` does not."""

    number: int
    name: str
    host_api: str
    channels: int
    rate: int
    card: Card | None = None


class Wish(NamedTuple):
    """How to open a device. 0 channels: as few as it offers, but at least `min_channels`."""

    rate: int
    channels: int
    block_ms: int
    min_channels: int = 1


class Backend(Protocol):
    """One of the two libraries."""

    def inputs(self) -> list[Input]:
        """Return the input devices."""

    def default(self) -> int | None:
        """Return the number of the default input device, or None."""

    def offers(self, device: Input, rate: int, channels: int) -> bool:
        """Return whether a device offers this rate and number of channels."""

    def open(self, device: Input, rate: int, channels: int, block: int, deliver: Deliver) -> Callable[[], bool]:
        """Open and start a device.

        Returns:
            A function that tells whether it still delivers.

        Raises:
            OSError, ValueError: It does not open with these settings.
        """


def backend(name: str) -> Backend:
    """Return the library of this name, initialised.

    Raises:
        CaptureError: It is not installed.
    """
    return _PyAudio() if name == "pyaudio" else _SoundDevice()


def choose(devices: list[Input], wanted: list[str], default: int | None) -> Input:
    """Choose a device.

    Args:
        devices: All devices.
        wanted: What to look for, in this order: an identity, an index, a name or a unique part of a name, or `default`.
        default: The index of the system's default device, if there is one.

    Raises:
        CaptureError: There is no such device (`source-device-missing`), or several (`source-device-ambiguous`).
    """
    if not devices:
        remedy = "Plug in a microphone, or start the sound server."
        raise CaptureError("there is no input device", code="source-device-none", remedy=remedy)
    if wanted == ["default"]:
        return next((device for device in devices if device.number == default), devices[0])
    matching = [_matching(devices, wish.casefold()) for wish in wanted]
    found = next((found for found in matching if len(found) == 1), None)
    if found:
        return found[0]
    several = next(filter(None, matching), [])
    if several:
        message = f"several input devices match {wanted[-1]!r}: {described(several)}"
        remedy = "Write the identity or the whole name of one."
        raise CaptureError(message, code="source-device-ambiguous", remedy=remedy)
    message = f"no input device is {wanted[-1]!r}; there are: {described(devices)}"
    remedy = "Correct the source's device: `listener devices` lists them."
    raise CaptureError(message, code="source-device-missing", remedy=remedy)


def _matching(devices: list[Input], wish: str) -> list[Input]:
    if wish.isdecimal():
        return [device for device in devices if device.number == int(wish)]
    return (
        [device for device in devices if wish in map(str.casefold, _spellings(device))]
        or [device for device in devices if device.name.casefold() == wish]
        or [device for device in devices if wish in device.name.casefold()]
    )


def identities(devices: list[Input], device: Input) -> list[str]:
    """Return names of a device that hold when its index and name have changed, the most exact first."""
    taken = [spelling for other in devices if other is not device for spelling in _spellings(other)]
    unique = [spelling for spelling in _spellings(device) if spelling not in taken]
    # A port is for cards without a serial number. ALSA's id of a USB card is reassigned: Device, Device_1.
    usb = [each for each in unique if each.startswith("usb:") and ("@" not in each or each is unique[0])]
    return usb or unique or [lasting(device.name)]


def _spellings(device: Input) -> list[str]:
    return device.card.spellings() if device.card else []


def described(devices: list[Input]) -> str:
    """Return the devices as a list to choose from."""
    return "; ".join(f"{device.number} {device.name!r} ({device.host_api})" for device in devices)


def settings(device: Input, wish: Wish) -> list[tuple[int, int]]:
    """Return the rates and channel counts to try, best first."""
    rates = dict.fromkeys((wish.rate, *RATES, device.rate))
    wanted = (wish.channels, wish.min_channels, 1, 2, device.channels)
    counts = dict.fromkeys(count for count in wanted if wish.min_channels <= count <= device.channels)
    return [(rate, count) for rate in rates for count in counts if rate > 0]


def open_best(library: Backend, device: Input, wish: Wish, deliver: Deliver) -> tuple[int, int, Callable[[], bool]]:
    """Open a device with the first settings that it accepts.

    Returns:
        The sample rate in Hz, the channels, and a function that tells whether the device still delivers.

    Raises:
        CaptureError: It accepts none, or has too few channels.
    """
    if device.channels < wish.min_channels:
        message = f"{device.name!r} has {device.channels} channels, counted from 0, but no {wish.min_channels - 1}"
        remedy = "Correct the source's channel."
        raise CaptureError(message, code="source-channel", remedy=remedy, is_lasting=True)
    tried: list[tuple[int, int]] = []
    answers: dict[str, None] = {}  # each once, in order
    for rate, channels in settings(device, wish):
        try:
            return rate, channels, library.open(device, rate, channels, rate * wish.block_ms // 1000, deliver)
        except (OSError, ValueError) as err:
            tried.append((rate, channels))
            answers[str(err)] = None
            if any(code in str(err) for code in HOPELESS):
                break
    rates, counts = (", ".join(map(str, dict.fromkeys(column))) for column in zip(*tried, strict=True))
    message = f"{device.name!r} does not open at {rates} Hz with {counts} channels ({'; '.join(answers)})"
    if any(BUSY in answer for answer in answers):
        remedy = "Close the program that uses it: fuser -v /dev/snd/* lists them."
        raise CaptureError(message, code="source-device-busy", remedy=remedy)
    remedy = "Choose another device: `listener devices` lists them with their rates."
    raise CaptureError(message, code="source-device-refused", remedy=remedy)


class _SoundDevice:
    def __init__(self) -> None:
        try:
            import sounddevice
        except ImportError as err:
            remedy = "Run: pip install sounddevice"
            raise CaptureError(
                "sounddevice is not installed", code="sounddevice-missing", remedy=remedy, is_lasting=True
            ) from err
        except OSError as err:  # sounddevice found no PortAudio
            raise _no_portaudio(err) from err
        self._library: Any = sounddevice

    def inputs(self) -> list[Input]:
        hosts = [host["name"] for host in self._library.query_hostapis()]
        return [
            Input(each["index"], each["name"], hosts[each["hostapi"]], each["max_input_channels"], _rate(each))
            for each in (dict(device) for device in self._library.query_devices())
            if each["max_input_channels"] > 0
        ]

    def default(self) -> int | None:
        index = int(self._library.default.device[0])
        return index if index >= 0 else None

    def offers(self, device: Input, rate: int, channels: int) -> bool:
        try:
            self._library.check_input_settings(device.number, channels, "int16", samplerate=rate)
        except (self._library.PortAudioError, ValueError):
            return False
        return True

    def open(self, device: Input, rate: int, channels: int, block: int, deliver: Deliver) -> Callable[[], bool]:
        def callback(pcm: Any, samples: int, _time: Any, status: Any) -> None:
            deliver(bytes(pcm), samples, bool(status.input_overflow))

        try:
            stream = self._library.RawInputStream(
                rate, block, device.number, channels, "int16", latency="low", callback=callback
            )
            stream.start()
        except self._library.PortAudioError as err:
            raise OSError(str(err)) from err
        return lambda: bool(stream.active)


class _PyAudio:
    def __init__(self) -> None:
        try:
            import pyaudio
        except ImportError as err:
            if "libportaudio" in str(err):
                raise _no_portaudio(err) from err
            remedy = "Run: pip install 'listener[pyaudio]' (this needs a compiler and portaudio19-dev)"
            raise CaptureError(
                "PyAudio is not installed", code="pyaudio-missing", remedy=remedy, is_lasting=True
            ) from err
        self._module: Any = pyaudio
        self._library: Any = pyaudio.PyAudio()

    def inputs(self) -> list[Input]:
        devices = [self._library.get_device_info_by_index(index) for index in range(self._library.get_device_count())]
        return [
            Input(each["index"], each["name"], self._host(each), each["maxInputChannels"], _rate(each))
            for each in devices
            if each["maxInputChannels"] > 0
        ]

    def _host(self, device: Any) -> str:
        return str(self._library.get_host_api_info_by_index(device["hostApi"])["name"])

    def default(self) -> int | None:
        try:
            return int(self._library.get_default_input_device_info()["index"])
        except OSError:
            return None

    def offers(self, device: Input, rate: int, channels: int) -> bool:
        wanted = {"input_device": device.number, "input_channels": channels, "input_format": self._module.paInt16}
        try:
            return bool(self._library.is_format_supported(rate, **wanted))
        except ValueError:
            return False

    def open(self, device: Input, rate: int, channels: int, block: int, deliver: Deliver) -> Callable[[], bool]:
        def callback(pcm: bytes, samples: int, _time: Any, status: int) -> tuple[None, int]:
            deliver(pcm, samples, bool(status & self._module.paInputOverflow))
            return None, self._module.paContinue

        stream = self._library.open(
            rate,
            channels,
            self._module.paInt16,
            input=True,
            input_device_index=device.number,
            frames_per_buffer=block,
            stream_callback=callback,
        )
        return lambda: bool(stream.is_active())


def _rate(device: Any) -> int:
    return round(device.get("default_samplerate") or device.get("defaultSampleRate") or 0)


def _no_portaudio(err: Exception) -> CaptureError:
    remedy = "Run: sudo apt install libportaudio2 (Fedora: dnf install portaudio; Arch: pacman -S portaudio)"
    message = f"the PortAudio library is missing ({err})"
    return CaptureError(message, code="portaudio-missing", remedy=remedy, is_lasting=True)
