"""What a run shows: the picture, the confusion matrix, the bar."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from rich.console import Console
from trained import FEW, history

from pullback.train import report
from pullback.train.picture import picture
from pullback.train.task import confusion, prepare


@pytest.mark.parametrize("epochs, layers", [(1, 1), (2, 3), (30, 5), (1000, 40)])
def test_picture(epochs, layers):
    svg = ElementTree.fromstring(picture(history(epochs, layers), "a < b", {"0": "0 <Conv>"}))
    spread = lambda tag: list(svg.iter("{http://www.w3.org/2000/svg}" + tag))
    assert svg.get("role") == "img"
    assert spread("title")[0].text == "a < b"
    assert f"over {epochs} epochs" in spread("desc")[0].text
    assert len(spread("polyline") if epochs > 1 else spread("circle")) == layers + 2
    words = [element.text for element in spread("text")]
    assert {"training", "held out", "0 <Conv>", "epoch", "Loss (nats)"} <= set(words)
    width, height = map(float, svg.get("viewBox").split()[2:])
    for element in spread("text"):
        assert 0 <= float(element.get("x")) <= width and 0 <= float(element.get("y")) <= height
    for line in spread("polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width and 0 <= y <= height


def test_picture_of_a_gradient_that_vanishes():
    vanishing = [epoch._replace(gradients={"0": 0.0}, test_loss=None) for epoch in history(3)]
    svg = picture(vanishing, "still")
    assert "held out" not in svg and "nan" not in svg and "inf" not in svg


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e308, 5e-324])
def test_picture_of_what_no_axis_holds(value):
    found = history(3)
    found[1] = found[1]._replace(test_loss=value, gradients={"0": value, "1": value, "2": 1.0})
    svg = ElementTree.fromstring(picture(found, "wild"))
    points = [line.get("points") for line in svg.iter("{http://www.w3.org/2000/svg}polyline")]
    assert sorted(len(p.split()) for p in points) == [2, 2, 2, 3, 3]
    assert not any("nan" in p or "inf" in p for p in points)


def shown(table):
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    return console.file.getvalue()


def test_confusion():
    task = prepare(FEW, 0)
    counts = confusion(task, task.test.t)
    assert counts.trace() == counts.sum() == len(task.test.t)
    found = np.where(task.test.t == 3, 8, task.test.t)
    counts = confusion(task, found)
    assert counts[3, 8] == (task.test.t == 3).sum() and counts[3, 3] == 0
    assert "true class (row)" in shown(report.confusion(counts, task.classes))
    many = np.zeros((20, 20), int)
    many[3, 7] = 5
    assert r"a\n\x1b[31m" in shown(report.confusion(np.eye(2, dtype=int), ["a\n\x1b[31m", "b"]))
    said = shown(report.confusion(many, [f"[class{k}]" for k in range(20)]))
    assert "[class3]" in said and "[class7]" in said and "[class4]" not in said


def test_a_bar_on_a_terminal():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, highlight=False)
    with report.progress(console, 2) as (tick, tell):
        tick()
        tell(report.line(history(1)[0], 10))
        tick()
    said = console.file.getvalue()
    assert "2/2" in said and "epoch  1/10  loss 2.0000  held out: loss 2.5000, 90.00% right" in said
