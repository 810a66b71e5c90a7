"""The page in the browser: a program of its own, beside the daemon, that attaches to its socket like any client."""
