"""The training loop and its settings.

May import models.data and models.network. Start with trainer.py and recipe.py.
"""
