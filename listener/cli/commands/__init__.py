"""One file per command. Each defines `command`, with its options and what it does."""
