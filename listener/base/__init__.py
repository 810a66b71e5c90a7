"""What all parts need and that knows none of them: sections, paths, text files, addresses, secrets.

Imports errors and messages only. Start reading at schema.py.
"""
