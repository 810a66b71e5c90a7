"""Places where audio comes from: microphones, programs, standard input and recordings.

Imports pipeline.values, messages and base; sinks and routing are out of reach. Start reading at base.py.
"""
