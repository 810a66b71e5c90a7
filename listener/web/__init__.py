"""The page in the browser: a separate process that connects to the daemon's socket like any other client.

May import `tuning`, `doctor` and below. Start reading at `app`; the page itself is in `page/`.
"""
