"""Settings for this room: a survey measures it, proposals are made of what was measured, and may be written."""
