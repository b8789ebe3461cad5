"""Networks that learn to draw within a cell, where its model lies."""

from collections.abc import Callable

from vesalius.engine.progress import Advance
from vesalius.views import Draw, FlowLesson, LearnFlow, Material


def flow_beside(model: object, progress: Callable[[int], Advance], /) -> LearnFlow:
    """How a task has a flow trained on the device of a model; `progress` counts epochs."""

    def learn(lesson: FlowLesson, train: Material, val: Material, /) -> Draw:
        from vesalius.models.rectified_flow import device_beside, learn_flow  # needs torch

        advance = progress(lesson.epochs)
        return learn_flow(lesson, train, val, device=device_beside(model), advance=advance)

    return learn
