"""The sink that publishes to an MQTT broker, with discovery for Home Assistant.

May import listener.storage, routing, base, messages. Start with sink.py.
"""
