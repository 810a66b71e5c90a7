"""Recordings, rooms and synthesis, mixed into labelled streams for training.

May import listener.pipeline and base. Start with labels.py and streams.py.
"""
