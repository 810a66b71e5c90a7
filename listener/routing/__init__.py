"""What lies between an event and its sinks: filters, controls, workers.

May import listener.pipeline, storage, base, messages. Start with sink.py.
"""
