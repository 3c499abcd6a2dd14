"""Training: recipes as data, the losses of the papers, and what runs them."""
