"""Labels, and a list that learns from them: how much sooner it finds what is sought."""
