"""What the live display shows: a scene made of wire messages, drawn as lines of styled text. Knows no terminal."""
