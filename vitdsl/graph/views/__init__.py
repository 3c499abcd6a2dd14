"""Views of a graph: cut before its head, opened between its blocks, with taps between its blocks.

A view computes what the graph computes, by the same modules. The graph that it is made from stays as it is.
"""
