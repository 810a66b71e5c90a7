"""The report on a cross-validation: what is asked of its networks, the pictures and the page."""
