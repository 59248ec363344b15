"""The rows, by PyTorch: as a user gets it, or channels last in memory, with fused optimisers, or compiled."""

import torch
import torch.nn.functional as F
from torch import nn

OPTIMISERS = {
    "sgd": lambda p, **how: torch.optim.SGD(p, 1e-3, **how),
    "momentum": lambda p, **how: torch.optim.SGD(p, 1e-3, momentum=0.9, **how),
    "adam": lambda p, **how: torch.optim.Adam(p, 1e-3, **how),
}


class Torch:
    def __init__(self, channels_last=False, fused=False, compiled=False):
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.how = dict(fused=True) if fused else {}
        self.made = (lambda f: torch.compile(f)) if compiled else lambda f: f

    def start(self, threads):
        torch.manual_seed(0)
        torch.set_num_threads(threads)

    def image(self, *shape):
        return torch.randn(shape).to(memory_format=self.format)

    def training(self, model, x, classes, optimizer):
        model, t = self.made(model), torch.randint(0, classes, (len(x),))
        optimiser = OPTIMISERS[optimizer](model.parameters(), **self.how)

        def work():
            optimiser.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimiser.step()

        return work

    def mlp(self, layers, batch, optimizer):
        parts = [part for i, o in zip(layers, layers[1:]) for part in (nn.Linear(i, o), nn.ReLU())]
        return self.training(nn.Sequential(*parts[:-1]), torch.randn(batch, layers[0]), layers[-1], optimizer)

    def cnn(self, batch):
        model = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10),
        ).to(memory_format=self.format)  # fmt: skip
        return self.training(model, self.image(batch, 1, 28, 28), 10, "sgd")

    def there_and_back(self, f, *inputs, gy=None):
        f = self.made(f)
        inputs = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]
        moving = [x for x in inputs if x.requires_grad]
        gy = torch.randn_like(f(*inputs)) if gy is None else gy
        return lambda: torch.autograd.grad(f(*inputs), moving, gy)

    def conv(self, batch, i, o, size, k, stride, padding, groups, first):
        x, b = self.image(batch, i, size, size), torch.randn(o)
        w = (0.05 * torch.randn(o, i // groups, k, k)).to(memory_format=self.format)
        f = lambda x, w, b: F.conv2d(x, w, b, stride=stride, padding=padding, groups=groups)
        gy = torch.randn_like(f(x, w, b))
        if first:
            return self.there_and_back(lambda w, b: f(x, w, b), w, b, gy=gy)
        return self.there_and_back(f, x, w, b, gy=gy)

    def recurrent(self, kind, t, batch, n, m):
        net = getattr(nn, kind.upper())(n, m)
        x, gy = torch.randn(t, batch, n, requires_grad=True), torch.randn(t, batch, m)
        moving = [x, *net.parameters()]
        return lambda: torch.autograd.grad(net(x)[0], moving, gy)

    def xent(self, batch, classes):
        x, t = torch.randn(batch, classes), torch.randint(0, classes, (batch,))
        return self.there_and_back(lambda x: F.cross_entropy(x, t), x)

    def pointwise(self, name, shape):
        functions = {
            "gelu": F.gelu, "silu": F.silu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
            "softmax": lambda x: torch.softmax(x, -1), "layer_norm": lambda x: F.layer_norm(x, shape[1:]),
        }  # fmt: skip
        return self.there_and_back(functions[name], torch.randn(*shape))

    def pool(self, kind, shape):
        f = {"max": F.max_pool2d, "avg": F.avg_pool2d}[kind]
        return self.there_and_back(lambda x: f(x, 2), self.image(*shape))

    def attention(self, batch, heads, t, d, causal):
        q, k, v = (torch.randn(batch, heads, t, d) for _ in range(3))
        return self.there_and_back(lambda *qkv: F.scaled_dot_product_attention(*qkv, is_causal=causal), q, k, v)

    def adam(self, n):
        p = torch.randn(n, requires_grad=True)
        p.grad = torch.randn(n)
        return OPTIMISERS["adam"]([p], **self.how).step
