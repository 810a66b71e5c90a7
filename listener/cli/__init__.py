"""The command line: one file per command in `commands/`, found by the table in `main.py`.

It may import every other package; nothing imports it.
Start reading at `main.py`.
"""
