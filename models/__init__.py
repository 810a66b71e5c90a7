"""Training, from a checkout only: data, synthesis, mixing, network, recipe, train, evaluate."""
