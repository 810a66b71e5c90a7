"""The network and the pretrained weights that it starts from.

May import torch and listener.pipeline. Start with network.py.
"""
