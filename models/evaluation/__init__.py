"""Scenes, scoring and reports for a bundle.

May import listener and models.data. Start with scenes.py and event_matching.py.
"""
