"""Property tests: whatever the input, a target takes it or refuses it with one of our errors.

targets.py says what takes input, inputs.py makes it with hypothesis. May import anything. Start with targets.py.
"""
