"""Audio from child processes, which are restarted when they end or stall.

Imports sources.base, pipeline.values and base. Start reading at source.py.
"""
