"""The sink that runs a program for each event.

May import listener.routing, base, messages. Start with sink.py.
"""
