"""Where events go: one module a sink, each with its own `Config`."""
