"""Malformed inputs: changed at random, kept where they reach code that none before has reached."""
