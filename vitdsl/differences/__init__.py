"""What two specs differ in: in the language, in the graph, in costs, and in the weights that fit both."""
