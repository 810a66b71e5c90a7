"""Real-time sound events from a microphone."""

__version__ = "0.1.0"
