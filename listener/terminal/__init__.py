"""The terminal: lines go out, keys come in, and it is given back as it was."""
