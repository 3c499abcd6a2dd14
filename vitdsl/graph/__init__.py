"""The typed graph of a spec: frames of nodes, elaborated with shapes and exact costs, without torch."""
