"""The live display in a terminal, of this process or of a daemon that a client is connected to.

It may import `tuning` and everything below it.
Start reading at `display.py`; `page.py` draws the picture, `keys.py` says what each key does.
"""
