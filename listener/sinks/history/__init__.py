"""The sink that keeps events and their recordings.

May import listener.storage, routing, base, messages. Start with sink.py.
"""
