"""How models are trained: losses, labels and mixing, as functions of tensors."""
