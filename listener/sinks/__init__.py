"""Where events go: one module or folder per kind of [[sink]], and the control socket.

Sinks may import `routing`, `storage`, `messages` and `base`, never each other. Start reading at `console`.
"""
