"""The sink that posts events to a URL.

May import listener.storage, routing, base, messages. Start with sink.py.
"""
