"""From frames to events: gate, clips, features, classifier, tracker.

May import listener.base and messages. Start with loop.py.
"""
