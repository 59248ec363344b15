# %% measured
import numpy as np

from pullback.handbook.explanation.convention import FRAMEWORKS, measured, ours
from pullback.handbook.written import array


def row(point):
    options = "".join(f", {name}={value!r}" for name, value in point["options"].items())
    at = ", ".join(f"{name} = {array(np.array(value, float))}" for name, value in point["inputs"].items())
    given = [point["gradients"][name] for name in FRAMEWORKS]
    return [
        point["rule"] + options,
        at,
        array(ours(point)),
        *("–" if g is None else array(np.array(g, float)) for g in given),
    ]


versions = {name: about["version"] for name, about in measured()["measured"].items()}
date = max(about["date"] for about in measured()["measured"].values())
head = [say("rule", "规则"), say("at", "位置"), "pullback", *FRAMEWORKS.values()]
table(head, [row(point) for point in measured()["points"]])

# %% layers
import pullback as pb

nn = pb.nn
layers = {
    "Linear(3, 5)": nn.Linear(3, 5),
    "Conv2d(2, 4, 3)": nn.Conv2d(2, 4, 3),
    "ConvTranspose2d(2, 4, 3)": nn.ConvTranspose2d(2, 4, 3),
    "LSTM(3, 5)": nn.LSTM(3, 5),
    "Embedding(10, 4)": nn.Embedding(10, 4),
}
for name, layer in layers.items():
    print(f"{name:<25}", {p: a.shape for p, a in layer.parameters.items()})

# %% defaults
for rule in (pb.batch_norm, pb.layer_norm, pb.group_norm, pb.instance_norm, pb.rms_norm):
    print(f"{rule.name:<14}", "eps =", rule.eps)

# %% keras
import json
from importlib.resources import files

keras = json.loads(files("pullback.handbook").joinpath("keras.json").read_text("utf-8"))
chinese = {
    "layers.LSTM(1): bias at the start, 1 for the gate f": "layers.LSTM(1)：初始偏置，门 f 为 1",
    "layers.GRU(1): h after h = 0.5, one gate wide open": "layers.GRU(1)：由 h = 0.5 开始，每次全开一个门之后的 h",
    "losses.SparseCategoricalCrossentropy: mean with 1, 3, 4 of 4 targets ignored": (
        "losses.SparseCategoricalCrossentropy：4 个目标中忽略 1、3、4 个时的平均"
    ),
}
facts = [[say(asked, chinese.get(asked, asked)), answer] for asked, answer in keras["facts"]]
table([say("asked", "问"), say("Keras says", "Keras 的回答")], facts)
