"""From the graph to a torch module with a readable, generated forward."""
