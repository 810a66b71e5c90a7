"""Checks of everything between the microphone and the sinks on this machine, each with its remedy.

May import `daemon` and below. Start reading at `chain`, which lists the checks.
"""
