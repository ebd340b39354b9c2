"""Networks, losses and training steps that several families share."""
