"""The background service: threads, signals, health and logs.

May import everything below listener.daemon, but no command line. Start with daemon.py.
"""
