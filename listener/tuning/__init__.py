"""Settings for a room: `calibration` measures it, `proposals` judges it, `rewrite` writes a configuration.

May import `doctor` and below. Start reading at `calibration`.
"""
