"""Export: a model as a file that other programs run, compared with the model before it is there."""
