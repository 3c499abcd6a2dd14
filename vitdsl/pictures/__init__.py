"""Pictures of architectures: the graph as boxes in boxes, in rows and columns; as SVG, as a page and as Mermaid."""
