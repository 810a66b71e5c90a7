"""The control socket: local and TCP clients that subscribe and send commands.

May import listener.routing, base, messages. Start with sink.py.
"""
