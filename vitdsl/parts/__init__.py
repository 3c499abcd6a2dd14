"""What can be named in a spec: primitives, which become nodes and modules, and forms, which expand into them."""
