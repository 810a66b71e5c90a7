"""From a checkpoint to a bundle, from a checkout only, with the proof that they agree."""
