"""Operations of MyGrad: `backward_var`, written by hand for each."""

import mygrad as mg
from inputs import ABOVE_ONE, IMAGE, LABELS, MATRIX, ROWS, UNIT
from mygrad import nnet

EVERYWHERE = """abs arctan arcsinh cbrt cos cosh exp exp2 expm1 sin sinc sinh square tan tanh sum mean prod cumprod
    cumsum max min var std ravel transpose"""
GRU = [(3, 2, 5)] + 3 * [(5, 4), (4, 4), (4,)]


def cases():
    for name in EVERYWHERE.split():
        yield name, getattr(mg, name), None, [ROWS]
    for name in "log log2 log10 log1p sqrt reciprocal arccosh".split():
        yield name, getattr(mg, name), None, [ABOVE_ONE]
    for name in "arcsin arccos arctanh csc sec cot".split():
        yield name, getattr(mg, name), None, [UNIT]
    for name in "add subtract multiply divide maximum minimum arctan2 logaddexp logaddexp2".split():
        yield name, getattr(mg, name), None, [ROWS, (5,)]
    yield "power", mg.power, None, [UNIT, ROWS]
    yield "matmul", mg.matmul, None, [(2, 4, 5), MATRIX]
    yield "einsum", lambda x, w: mg.einsum("ni,io->no", x, w), None, [ROWS, MATRIX]
    yield "einsum, a trace", lambda x: mg.einsum("ii", x), None, [(3, 3)]
    yield "clip", lambda x: mg.clip(x, -0.5, 0.5), None, [ROWS]
    yield "repeat", lambda x: mg.repeat(x, 2, axis=1), None, [ROWS]
    yield "take with repeats", lambda x: mg.multiply(x, 1)[[0, 2, 0]], None, [ROWS]
    yield "elu", lambda x: nnet.elu(x, 0.7), None, [ROWS]
    yield "leaky_relu", lambda x: nnet.leaky_relu(x, 0.1), None, [ROWS]
    yield "glu", nnet.glu, None, [(4, 6)]
    for name in "hard_tanh logsoftmax relu selu sigmoid soft_sign softmax".split():
        yield name, getattr(nnet, name), None, [ROWS]
    yield "batchnorm", lambda x, w, b: nnet.batchnorm(x, gamma=w, beta=b, eps=1e-5), None, [IMAGE, (3,), (3,)]
    yield "conv_nd", lambda x, w: nnet.conv_nd(x, w, stride=1, padding=1), None, [IMAGE, (4, 3, 3, 3)]
    yield "max_pool", lambda x: nnet.max_pool(x, (2, 2), 2), None, [IMAGE]
    yield "gru", lambda *inputs: nnet.gru(*inputs), None, GRU
    yield "softmax_crossentropy", nnet.softmax_crossentropy, None, [ROWS, LABELS]
    yield "multiclass_hinge", nnet.multiclass_hinge, None, [ROWS, LABELS]
    yield "focal_loss", nnet.focal_loss, None, [UNIT, LABELS]
    yield "margin_ranking_loss", lambda a, b: nnet.margin_ranking_loss(a, b, 1, 0.5), None, [ROWS, ROWS]
