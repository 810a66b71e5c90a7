"""Watch a pipeline without changing what it does."""

from listener.pipeline.values import Clip, Flags, Frames, Prediction


class Observer:
    """Base class of observers; every method does nothing by default.

    The listen thread calls the methods in the order below for each block of audio. They must not block or raise.
    """

    def on_frames(self, frames: Frames, active: Flags) -> None:
        """Handle frames and the gate's flags for them, before any clip of theirs is cut."""

    def on_clip(self, clip: Clip) -> None:
        """Handle a clip that is about to be classified."""

    def on_prediction(self, prediction: Prediction) -> None:
        """Handle the prediction for the latest clip, before it becomes events."""
