"""What a compiled model holds: the functions of this package that are over a model read this, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from vitdsl.compiler.containers import Body
from vitdsl.compiler.lower import Written
from vitdsl.graph.graph import Graph
from vitdsl.graph.views.pyramid import pyramid
from vitdsl.spec import Spec

Size = tuple[int, int]


def graph_of(spec: Spec, size: int | Size | None, features: Sequence[str] | None) -> Graph:
    """The graph that a model is compiled from: all of a spec's, or what gives the maps of some blocks."""
    graph = spec.graph(size)
    return graph if features is None else pyramid(graph, features)


class CompiledModel(Body):
    """A model, and what it was compiled from.

    Attributes:
        spec: the spec that it was built from.
        lowered: the graph that it was compiled from.
        written: its forward, and those of its repetitions.
        derived: what was made of the graph besides `forward`, by what it is for: other forwards, lists of maps.
        refusals: by another size of image, why it cannot take it. The text is empty for a size that it can take.
        training_outputs: whether training returns all that the head trains, rather than the same as evaluation.
        image_size: (height, width) that its tables were made for.
        folded: whether its batch norms were folded into the linear maps beside them.
        features: module paths of the blocks whose maps it gives; None: it is a whole model.
        builder: builds another model out of a spec, options of `build`, whether it is folded, and a device. The
            function that makes the class gives it, so that a model can become another without knowing `build`.
    """

    spec: Spec
    lowered: Graph
    written: Written
    derived: dict[Any, Any]
    refusals: dict[Size | None, str]
    training_outputs: bool
    image_size: Size
    folded: bool = False
    features: tuple[str, ...] | None = None
    builder: ClassVar[Callable[..., Any]]

    @property
    def options(self) -> dict[str, Any]:
        """What `build` was told beside the spec and the device."""
        options = {"training_outputs": self.training_outputs, "size": self.image_size}
        return options if self.features is None else {**options, "features": self.features}

    def graph_for(self, size: Size) -> Graph:
        """What its spec says of a model such as this, unfolded, for a size of image.

        Raises:
            SpecError: the spec cannot be built for that size.
        """
        return graph_of(self.spec, size, self.features)

    def set_source(self, spec: Spec, lowered: Graph, written: Written) -> None:
        """Sets what the model was compiled from, and forgets what was derived from another graph."""
        size = lowered.frame.features[0].grid
        assert size is not None
        self.spec, self.lowered, self.written, self.image_size = spec, lowered, written, size
        self.derived, self.refusals = {}, {}
