"""What anomalies hidden in the training set do to a detector, model by model."""
