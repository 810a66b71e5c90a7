"""Microphones, opened by a child process that owns PortAudio.

The child (capture, portaudio, identity, protocol) imports only the standard library and errors; source.py, which
reads it, imports sources.process. Start reading at source.py.
"""
