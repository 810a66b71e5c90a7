"""Development commands: generated files, locks, data, mutation tests. Run them with `python -m scripts.NAME`."""
