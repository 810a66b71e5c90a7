"""SQLite databases: the history and the spools of undelivered events.

May import listener.base and messages. Start with history.py.
"""
